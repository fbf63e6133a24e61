/** docker-compose.yml as the real parser reads it. */
import { execFile } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { programs } from './programs.ts';

/** The repository. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A service, with every variable filled in. */
export type Service = {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly {
    readonly type: string;
    readonly source: string;
    readonly target: string;
  }[];
  readonly ports?: readonly { readonly host_ip?: string }[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly restart?: string;
};

/** The whole file. */
export type Composed = {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};

/** Runs deploy/passwords.sh in a folder of its own, twice; returns the .env that it made, which the second run left as it was. `before`: an .env that was there, open to all. */
export async function makePasswords(before: string | null = null): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'settle-test-deploy-'));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'deploy'));
  copyFileSync(join(ROOT, 'deploy/passwords.sh'), join(folder, 'deploy/passwords.sh'));
  if (before !== null) writeFileSync(join(folder, '.env'), before, { mode: 0o644 });
  const make = () => promisify(execFile)('sh', [join(folder, 'deploy/passwords.sh')]);
  await make();
  const first = readFileSync(join(folder, '.env'), 'utf8');
  await make();
  if (readFileSync(join(folder, '.env'), 'utf8') !== first) {
    throw new Error('The second run of deploy/passwords.sh has changed a password.');
  }
  return join(folder, '.env');
}

/** What the parser makes of the file. @throws Error with what it found wrong */
export async function parseCompose(
  envFile: string,
  settings: Readonly<Record<string, string>> = {},
  file = join(ROOT, 'docker-compose.yml'),
): Promise<Composed> {
  const { PATH = '' } = process.env;
  const args = ['--env-file', envFile, '-f', file, '--profile', '*', 'config', '--format', 'json'];
  const { stdout } = await promisify(execFile)(programs.compose, args, {
    env: { PATH, ...settings },
    maxBuffer: 10_000_000,
  });
  return JSON.parse(stdout) as Composed;
}
