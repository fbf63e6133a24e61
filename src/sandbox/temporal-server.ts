/** Temporal's dev server, with its UI, as a child process. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { freePort, isAlive, isListening, type Progress } from './child.ts';
import { startDaemon, type Daemon } from './daemon.ts';
import { findTemporalCli } from './find-temporal.ts';

/** A slow machine with a large database file; on two cores it takes 0.4 s. */
const READY_WITHIN_MS = 60_000;
/** Another process may take a free port before the server does. */
const TRIES = 3;

/** How the dev server is started. Ports that are not given are free ones. */
export type TemporalServerOptions = {
  readonly progress: Progress;
  /** An SQLite file that outlives the server; without it everything is in memory. */
  readonly dbFilename?: string;
  readonly port?: number;
  readonly uiPort?: number;
  readonly namespace?: string;
  /** Registered in the namespace: a workflow that sets an unknown one blocks for ever. */
  readonly searchAttributes: readonly (readonly [
    name: string,
    type: 'Keyword' | 'Bool' | 'Datetime',
  ])[];
};

/** A running dev server. */
export type TemporalServer = {
  readonly address: string;
  readonly uiUrl: string;
  readonly namespace: string;
  readonly pid: number;
  stop(): Promise<void>;
};

/**
 * Starts a dev server and resolves when its namespace answers and knows the search attributes. It ends with this
 * process, however that ends.
 * @throws Error when no CLI is found, or with the server's own words when it does not start.
 */
export async function startTemporalServer(options: TemporalServerOptions): Promise<TemporalServer> {
  const cli = await findTemporalCli(options.progress);
  const fixedPorts = options.port !== undefined && options.uiPort !== undefined;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(cli, options);
    } catch (error) {
      // It takes more ports than we name, and panics when it gets none for one of them.
      const portTaken = /address already in use|panic:/i.test((error as Error).message);
      if (!portTaken || fixedPorts || attempt === TRIES) throw error;
    }
  }
}

async function start(
  cli: string,
  { namespace = 'default', searchAttributes, ...options }: TemporalServerOptions,
): Promise<TemporalServer> {
  const port = options.port ?? (await freePort());
  const uiPort = options.uiPort ?? (await freePort());
  const flags = [
    '--ip=127.0.0.1',
    '--log-level=error',
    `--port=${port}`,
    `--ui-port=${uiPort}`,
    `--namespace=${namespace}`,
    // Its single shard otherwise waits 41 ms at every hop.
    '--dynamic-config-value=history.transferProcessorMaxPollRPS=5000',
    '--dynamic-config-value=system.enableActivityEagerExecution=true',
    // Accounts have their turn one after the other, however many runs of one are started at once.
    '--dynamic-config-value=matching.enableFairness=true',
    ...searchAttributes.map(([name, type]) => `--search-attribute=${name}=${type}`),
    ...(options.dbFilename === undefined ? [] : databaseFlags(options.dbFilename)),
  ];
  const server = await startDaemon(cli, ['server', 'start-dev', ...flags], { end: 'TERM' });
  const address = `127.0.0.1:${port}`;
  try {
    const attributes = searchAttributes.map(([name]) => name);
    await untilReady(server, port, namespace, attributes);
  } catch (error) {
    await server.stop();
    throw error;
  }
  const uiUrl = `http://127.0.0.1:${uiPort}`;
  return { address, uiUrl, namespace, pid: server.pid, stop: () => server.stop() };
}

/** A sandbox does not promise to survive a power cut, but it does survive SIGKILL, which these settings keep safe. */
function databaseFlags(dbFilename: string): string[] {
  return [
    `--db-filename=${dbFilename}`,
    '--sqlite-pragma=journal_mode=wal',
    '--sqlite-pragma=synchronous=0',
  ];
}

async function untilReady(
  server: Daemon,
  port: number,
  namespace: string,
  searchAttributes: readonly string[],
): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  const until = async (answers: () => Promise<boolean>): Promise<void> => {
    while (!(await answers())) {
      const ended = !isAlive(server.pid);
      if (ended) await server.ended; // all it had to say has arrived
      if (ended || Date.now() > deadline) {
        throw new Error(`The Temporal dev server is not ready: ${server.output()}`);
      }
      await sleep(20);
    }
  };
  await until(() => isListening(port)); // gRPC waits a second after a refused connection
  const connection = Connection.lazy({ address: `127.0.0.1:${port}` });
  try {
    await until(() => isReady(connection, namespace, searchAttributes));
  } finally {
    await connection.close();
  }
}

async function isReady(
  connection: Connection,
  namespace: string,
  searchAttributes: readonly string[],
): Promise<boolean> {
  try {
    return await connection.withDeadline(Date.now() + 1_000, async () => {
      await connection.workflowService.describeNamespace({ namespace });
      const known = await connection.operatorService.listSearchAttributes({ namespace });
      return searchAttributes.every((name) => name in (known.customAttributes ?? {}));
    });
  } catch {
    return false; // not listening yet, or the namespace is still being made
  }
}
