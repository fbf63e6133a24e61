/**
 * The programs of a deployment without its containers: the compose parser, and Temporal's server and schema tool. Built with
 * Go into the cache, three minutes, once. Elsewhere the tests that need them are skipped, and say so; with ORACLE=required
 * that is an error.
 */
import { execFile } from 'node:child_process';
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe } from '@jest/globals';
import { STORED_TEMPORAL, storedTemporalPrograms } from '../../bench/stored-temporal.ts';
import { cacheDir, once } from '../../src/sandbox/cache.ts';
import { run } from '../../src/sandbox/child.ts';
import { foundOr, say } from '../support/required.ts';

const COMPOSE = 'docker-compose-v5.0.2';
const COMPOSE_PACKAGE = 'github.com/docker/compose/v5/cmd@v5.0.2';
const GO_TIMEOUT_MS = 30 * 60_000;

/** Paths of programs and files. */
export type Programs = {
  readonly compose: string;
  /** The folder of `server` and `sql`. */
  readonly temporal: string;
  /** The sources of that server, with the schemas and the configuration of its image. */
  readonly temporalFiles: string;
};

async function findPrograms(): Promise<Programs> {
  const kept = [COMPOSE, STORED_TEMPORAL.kept];
  const missing = kept.filter((name) => !existsSync(join(cacheDir(), name)));
  if (process.env['ORACLE'] !== 'required' && missing.length > 0) {
    throw new Error(`${missing.join(' and ')} are not built yet: ORACLE=required builds them.`);
  }
  const compose = await once(
    COMPOSE,
    async (dir) => {
      say(`Compose: building its parser with Go (${COMPOSE_PACKAGE}), about a minute, only once …`);
      const env = { ...process.env, GOBIN: dir };
      await run('go', ['install', COMPOSE_PACKAGE], { env, cwd: dir, timeoutMs: GO_TIMEOUT_MS });
      renameSync(join(dir, 'cmd'), join(dir, 'docker-compose'));
    },
    { progress: say },
  );
  const temporal = await storedTemporalPrograms(say);
  const { stdout } = await promisify(execFile)(
    'go',
    ['mod', 'download', '-json', `go.temporal.io/server@${STORED_TEMPORAL.version}`],
    { cwd: cacheDir() },
  );
  const { Dir } = JSON.parse(stdout) as { Dir: string };
  return { compose: join(compose, 'docker-compose'), temporal, temporalFiles: Dir };
}

const found = await foundOr(findPrograms(), 'The deployment is not tried out.');

/** Where they are; empty paths where there are none. */
export const programs: Programs = found ?? { compose: '', temporal: '', temporalFiles: '' };

/** `describe` for what needs them. */
export const deployable = found === null ? describe.skip : describe;
