/** A Temporal server as one runs it oneself: on PostgreSQL, four shards. Built with Go, two minutes, once. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { Client } from 'pg';
import { once } from '../src/sandbox/cache.ts';
import { freePort, isAlive, isListening, run } from '../src/sandbox/child.ts';
import { startDaemon } from '../src/sandbox/daemon.ts';
import { PASSWORD } from '../src/sandbox/postgres-data.ts';
import type { Postgres } from '../src/sandbox/postgres.ts';
import { SA_TYPES } from '../src/temporal.ts';
import { SEARCH_ATTRIBUTES } from '../src/workflows/search-attributes.ts';
import type { Server } from './servers.ts';

/** The version of the dev server that the sandbox runs. */
const VERSION = 'v1.29.1';
/** That version, and under which name its programs are kept in the cache. */
export const STORED_TEMPORAL = { version: VERSION, kept: `temporal-server-${VERSION}` } as const;
/** The schemas of that version. */
const SCHEMAS = { temporal: '1.18', visibility: '1.9' } as const;
const GO_TIMEOUT_MS = 20 * 60_000;
const READY_WITHIN_MS = 60_000;
/** As the dev server is started (src/sandbox/temporal-server.ts); a new search attribute is known at once. */
const DYNAMIC = {
  'history.transferProcessorMaxPollRPS': 5_000,
  'system.enableActivityEagerExecution': true,
  'system.forceSearchAttributesCacheRefreshOnRead': true,
};

/** Where the programs are; built on first use. @throws Error with what Go said */
export async function storedTemporalPrograms(progress: (line: string) => void): Promise<string> {
  return once(
    STORED_TEMPORAL.kept,
    async (dir) => {
      progress(`Temporal server ${VERSION}: building it with Go, about 2 minutes, only once …`);
      const server = 'go.temporal.io/server/cmd';
      const packages = [`${server}/server@${VERSION}`, `${server}/tools/sql@${VERSION}`];
      const env = { ...process.env, GOBIN: dir };
      await run('go', ['install', ...packages], { env, cwd: dir, timeoutMs: GO_TIMEOUT_MS });
    },
    { progress },
  );
}

const templates = new Map<Postgres, Promise<void>>();
let databases = 0;

/** Starts one on databases of its own in the given PostgreSQL, with the namespace `default` and our search attributes. */
export async function startStoredTemporal(postgres: Postgres): Promise<Server> {
  const programs = await storedTemporalPrograms(() => undefined);
  const made = templates.get(postgres) ?? makeTemplates(programs, postgres);
  templates.set(postgres, made);
  await made;
  databases += 1;
  const names = { temporal: `temporal_${databases}`, visibility: `visibility_${databases}` };
  for (const kind of ['temporal', 'visibility'] as const) {
    await copyTemplate(postgres, kind, names[kind]);
  }
  const folder = mkdtempSync(join(tmpdir(), 'settle-bench-temporal-'));
  const port = await freePort();
  writeFileSync(
    join(folder, 'dynamic.yaml'),
    JSON.stringify(
      Object.fromEntries(Object.entries(DYNAMIC).map(([k, v]) => [k, [{ value: v }]])),
    ),
  );
  writeFileSync(
    join(folder, 'bench.yaml'),
    JSON.stringify(await configuration(postgres, names, port, join(folder, 'dynamic.yaml'))),
  );
  const args = ['--root', folder, '--config', '.', '--env', 'bench', '--allow-no-auth', 'start'];
  const server = await startDaemon(join(programs, 'server'), args, { end: 'TERM', remove: folder });
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const address = `127.0.0.1:${port}`;
  try {
    await prepareNamespace(address, port, server.pid);
  } catch (error) {
    await stop();
    throw new Error(`The Temporal server on PostgreSQL is not ready: ${server.output()}`, {
      cause: error,
    });
  }
  return { pid: server.pid, address, stop };
}

const templateOf = (kind: keyof typeof SCHEMAS) => `${kind}_template`;

/** The server looks for its schema's version under the name of the database. */
async function copyTemplate(
  postgres: Postgres,
  kind: keyof typeof SCHEMAS,
  name: string,
): Promise<void> {
  const client = new Client({
    connectionString: await postgres.createDatabase(name, templateOf(kind)),
  });
  await client.connect();
  await client.query('UPDATE schema_version SET db_name = $1', [name]);
  await client.end();
}

async function makeTemplates(programs: string, postgres: Postgres): Promise<void> {
  for (const kind of ['temporal', 'visibility'] as const) {
    const { hostname, port, username } = new URL(await postgres.createDatabase(templateOf(kind)));
    const where = ['--ep', hostname, '-p', port, '-u', username, '--pw', PASSWORD];
    const schema = ['-s', `postgresql/v12/${kind}`, '-v', SCHEMAS[kind]];
    await run(
      join(programs, 'sql'),
      ['--pl', 'postgres12', ...where, '--db', templateOf(kind), 'setup-schema', ...schema],
      { timeoutMs: READY_WITHIN_MS },
    );
  }
}

/** YAML is a superset of JSON. */
async function configuration(
  postgres: Postgres,
  names: { temporal: string; visibility: string },
  grpcPort: number,
  filepath: string,
): Promise<object> {
  const { host, username: user } = new URL(postgres.url);
  const sql = (databaseName: string, maxConns: number) => ({
    sql: {
      pluginName: 'postgres12',
      databaseName,
      connectAddr: host,
      connectProtocol: 'tcp',
      user,
      password: PASSWORD,
      maxConns,
      maxIdleConns: maxConns,
      maxConnLifetime: '1h',
    },
  });
  const rpc = async (port?: number) => ({
    rpc: {
      grpcPort: port ?? (await freePort()),
      membershipPort: await lowPort(),
      bindOnLocalHost: true,
    },
  });
  const off = { history: { state: 'disabled' }, visibility: { state: 'disabled' } };
  return {
    log: { stdout: true, level: 'error' },
    persistence: {
      defaultStore: 'default',
      visibilityStore: 'visibility',
      numHistoryShards: 4,
      datastores: {
        default: sql(names.temporal, 20),
        visibility: sql(names.visibility, 5),
      },
    },
    global: { membership: { maxJoinDuration: '30s', broadcastAddress: '127.0.0.1' } },
    services: {
      frontend: await rpc(grpcPort),
      matching: await rpc(),
      history: await rpc(),
      worker: await rpc(),
    },
    clusterMetadata: {
      enableGlobalNamespace: false,
      failoverVersionIncrement: 10,
      masterClusterName: 'active',
      currentClusterName: 'active',
      clusterInformation: {
        active: {
          enabled: true,
          initialFailoverVersion: 1,
          rpcName: 'frontend',
          rpcAddress: `localhost:${grpcPort}`,
        },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    archival: off,
    namespaceDefaults: { archival: off },
    dynamicConfigClient: { filepath, pollInterval: '60s' },
  };
}

/** The server keeps the membership port in a smallint: none of those that the system hands out. */
async function lowPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (!(await isListening(port))) return port;
  }
}

async function prepareNamespace(address: string, port: number, pid: number): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  const insist = async (step: () => Promise<boolean>): Promise<void> => {
    for (let last: unknown; ; await sleep(100)) {
      try {
        if (await step()) return;
      } catch (error) {
        last = error;
      }
      if (!isAlive(pid)) throw new Error('It has ended.');
      if (Date.now() > deadline) throw new Error('It took too long.', { cause: last });
    }
  };
  await insist(() => isListening(port));
  const connection = Connection.lazy({ address });
  const namespace = 'default';
  const within = <T>(work: () => Promise<T>) => connection.withDeadline(Date.now() + 5_000, work);
  try {
    await insist(async () => {
      await within(() =>
        connection.workflowService.registerNamespace({
          namespace,
          workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
        }),
      ).catch((error: unknown) => {
        if (!String(error).includes('already')) throw error;
      });
      return true;
    });
    const searchAttributes = Object.fromEntries(
      SEARCH_ATTRIBUTES.map(({ name, type }) => [name, SA_TYPES[type]]),
    );
    await insist(async () => {
      await within(() =>
        connection.operatorService.addSearchAttributes({ namespace, searchAttributes }),
      );
      const known = await within(() =>
        connection.operatorService.listSearchAttributes({ namespace }),
      );
      return SEARCH_ATTRIBUTES.every(({ name }) => name in (known.customAttributes ?? {}));
    });
  } finally {
    await connection.close();
  }
}
