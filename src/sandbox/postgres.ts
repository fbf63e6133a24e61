/** A real PostgreSQL on this machine's loopback address, out of npm: no installation, no container. */
import { existsSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort, type Progress } from './child.ts';
import { startDaemon, type Daemon } from './daemon.ts';
import { postgresBinaries, type PostgresBinaries } from './postgres-binaries.ts';
import { PASSWORD, clearStaleServer, ensureDataDir, temporaryDataDir } from './postgres-data.ts';

/** May create databases and is no superuser, as in production. */
const ROLE = 'settlement';
const READY_WITHIN_MS = 60_000;
/** After SIGKILL the old server's children hold its shared memory for a moment. */
const OLD_SERVER_GONE_WITHIN_MS = 15_000;

/** How PostgreSQL is started; everything but `progress` has a default. */
export type PostgresOptions = {
  readonly progress: Progress;
  /** Kept, and used again by the next start. Without it the data is deleted at the end. */
  readonly dataDir?: string;
  /** A free one unless given. */
  readonly port?: number;
  /** false is faster and loses data only when the machine stops, not when a process is killed. Default true. */
  readonly fsync?: boolean;
};

/** A running PostgreSQL. */
export type Postgres = {
  /** Leads to the database `postgres`, as a role that may create databases. */
  readonly url: string;
  readonly pid: number;
  /** Creates a database, as a copy of `template` if given, and returns its address. */
  createDatabase(name: string, template?: string): Promise<string>;
  /** Stops it; deletes the data unless a folder was given. */
  stop(): Promise<void>;
};

/**
 * Starts PostgreSQL and resolves when it takes connections. It ends with this process, however that ends.
 * @throws Error when there is none for this platform, when another process uses the data folder, or with the server's
 * own words.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const { progress, fsync = true } = options;
  const binaries = await postgresBinaries(progress);
  const dataDir = resolve(options.dataDir ?? temporaryDataDir(binaries.runAs));
  const remove = options.dataDir === undefined ? dirname(dataDir) : undefined;
  try {
    if (!existsSync(dataDir)) progress('PostgreSQL: making a new database …');
    await ensureDataDir(dataDir, binaries, fsync);
    await clearStaleServer(dataDir);
    const { server, port } = await start(binaries, dataDir, remove, options);
    const url = (user: string, database: string): string =>
      `postgres://${user}:${PASSWORD}@127.0.0.1:${port}/${database}`;
    try {
      await ensureRole(url('postgres', 'postgres'));
    } catch (error) {
      await server.stop();
      throw error;
    }
    return {
      url: url(ROLE, 'postgres'),
      pid: server.pid,
      createDatabase: async (name, template) => {
        await createDatabase(url(ROLE, 'postgres'), name, template);
        return url(ROLE, encodeURIComponent(name));
      },
      stop: async () => {
        await server.stop();
        if (remove) rmSync(remove, { recursive: true, force: true });
      },
    };
  } catch (error) {
    if (remove) rmSync(remove, { recursive: true, force: true });
    throw error;
  }
}

/** Starts the server; again when a port was taken in between, or while a killed one is not yet gone altogether. */
async function start(
  { postgres, runAs }: PostgresBinaries,
  dataDir: string,
  remove: string | undefined,
  { port: fixedPort, fsync = true }: PostgresOptions,
): Promise<{ server: Daemon; port: number }> {
  const unsafe = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'];
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=200',
  ];
  const flags = [...settings, ...(fsync ? [] : unsafe)].flatMap((setting) => ['-c', setting]);
  for (const giveUpAt = Date.now() + OLD_SERVER_GONE_WITHIN_MS; ; await sleep(200)) {
    const port = fixedPort ?? (await freePort());
    const env = { ...process.env, LC_ALL: 'C' }; // "ready" is recognised by its English words
    const args = ['-D', dataDir, '-p', String(port), ...flags];
    const server = await startDaemon(postgres, args, {
      ...runAs,
      env,
      cwd: '/',
      end: 'INT',
      remove,
    });
    try {
      await server.wrote('ready to accept connections', READY_WITHIN_MS);
      return { server, port };
    } catch (error) {
      await server.stop();
      const { message } = error as Error;
      const passes = /Address already in use|pre-existing shared memory|postmaster\.pid/;
      if (!passes.test(message) || Date.now() > giveUpAt) {
        throw new Error(`PostgreSQL does not start on ${dataDir}: ${message}`, { cause: error });
      }
    }
  }
}

async function ensureRole(superuserUrl: string): Promise<void> {
  await withClient(superuserUrl, async (client) => {
    const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [ROLE]);
    if (rowCount) return;
    await client.query(`CREATE ROLE ${ROLE} LOGIN CREATEDB PASSWORD '${PASSWORD}'`);
  });
}

async function createDatabase(url: string, name: string, template?: string): Promise<void> {
  await withClient(url, async (client) => {
    const from = template === undefined ? '' : ` TEMPLATE ${client.escapeIdentifier(template)}`;
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}${from}`);
  });
}

async function withClient(url: string, use: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}
