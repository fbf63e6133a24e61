/** Settings that are secrets may stand in files, as containers and their orchestrators hand them out. */
import { readFileSync } from 'node:fs';

/** Each may be given as a file instead, by the same name with `_FILE` behind it. */
export const SECRET_SETTINGS = [
  'DATABASE_URL',
  'HORIZON_URL',
  'WEBHOOK_SECRET_KEYS',
  'TEMPORAL_API_KEY',
  'TEMPORAL_CODEC_KEYS',
] as const;

/**
 * The variables that are set, and those that files hold, the latter without the line end behind them. An empty variable is
 * an unset one: that is how shells and compose files leave things out. Problems name the variable, never a content.
 */
export function withSecretFiles(env: NodeJS.ProcessEnv): {
  readonly set: Record<string, string>;
  readonly problems: readonly string[];
} {
  const set: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (value) set[name] = value;
  const problems: string[] = [];
  for (const name of SECRET_SETTINGS) {
    const file = set[`${name}_FILE`];
    if (file === undefined) continue;
    if (set[name] !== undefined) {
      problems.push(`${name} and ${name}_FILE are both set: one of them is enough.`);
      continue;
    }
    try {
      set[name] = readFileSync(file, 'utf8').trim();
    } catch (error) {
      problems.push(
        `${name}_FILE cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'no file'}.`,
      );
    }
  }
  return { set, problems };
}
