import type { Command } from 'commander';

/** Prints a result: as JSON where asked for, else in words. */
export function print(command: Command, result: unknown, words: string): void {
  const json = command.optsWithGlobals<{ json?: boolean }>().json === true;
  process.stdout.write(`${json ? JSON.stringify(result, null, 2) : words}\n`);
}

/** `name  value` lines, the values in one column; what is null is left out. */
export function fields(entries: readonly (readonly [string, unknown])[]): string {
  const shown = entries.filter(([, value]) => value !== null && value !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${String(value)}`).join('\n');
}
