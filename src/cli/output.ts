/**
 * The printer: the only place where the command line writes to a stream. Everything in a result may be a stranger's text
 * (a memo, a merchant's name, Horizon's error), so its hidden characters are escaped before words are made of it, and
 * line breaks in the words are those of the words' own layout.
 */
import type { Command } from 'commander';
import { shownDeep, shownLines, shownText } from '../domain/shown.ts';

/** Prints a result: as JSON where asked for, else in words, which are made of the result as it may be shown. */
export function print<T>(command: Command, result: T, inWords: (shown: T) => string): void {
  if (isJson(command)) printJson(result);
  else printLines(inWords(shownDeep(result)));
}

/** The same for one of many results, each as one line of JSON. */
export function printOneOf<T>(command: Command, result: T, inWords: (shown: T) => string): void {
  if (isJson(command)) printLines(JSON.stringify(result));
  else printLines(inWords(shownDeep(result)));
}

/** Lines of our own on standard output; what is hidden in them is escaped, their line breaks stay. */
export function printLines(lines: string): void {
  process.stdout.write(`${shownLines(lines)}\n`);
}

/** One line about how far it is, on standard error. */
export function printProgress(line: string): void {
  process.stderr.write(`${shownText(line)}\n`);
}

/** What went wrong, on standard error. The line breaks stay: `explain` leaves only its own. */
export function printError(message: string): void {
  process.stderr.write(`${shownLines(message)}\n`);
}

/** Has commander write its help and its complaints, which quote what was typed, through the printer. */
export const COMMANDER_OUTPUT = {
  writeOut: (text: string) => void process.stdout.write(shownLines(text)),
  writeErr: (text: string) => void process.stderr.write(shownLines(text)),
};

/** Whether a person waits for progress on standard error. */
export function isWatched(): boolean {
  return process.stderr.isTTY;
}

/** `name  value` lines, the values in one column; what is null is left out. */
export function fields(entries: readonly (readonly [string, unknown])[]): string {
  const shown = entries.filter(([, value]) => value !== null && value !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${String(value)}`).join('\n');
}

function isJson(command: Command): boolean {
  return command.optsWithGlobals<{ json?: boolean }>().json === true;
}

function printJson(result: unknown): void {
  printLines(JSON.stringify(result, null, 2));
}
