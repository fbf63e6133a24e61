/**
 * docker-compose.yml without containers: its jobs and servers, with its commands and its environment, run by the real
 * programs on this machine. What is changed is where things are: hosts, ports and folders.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { Client } from 'pg';
import { connectSettlement, type SettlementClient } from '../../src/client.ts';
import { freePort } from '../../src/sandbox/child.ts';
import { startDaemon, type Daemon } from '../../src/sandbox/daemon.ts';
import { findTemporalCli } from '../../src/sandbox/find-temporal.ts';
import { startSandboxLedger, type SandboxLedger } from '../../src/sandbox/ledger/start.ts';
import { SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { startPostgres, type Postgres } from '../../src/sandbox/postgres.ts';
import { startReceiver, type Receiver } from '../../src/sandbox/receiver.ts';
import { startWorker, type WorkerProcess } from '../../src/sandbox/worker-process.ts';
import { tenLumens, until } from '../support/system.ts';
import { makePasswords, parseCompose, ROOT, type Composed } from './composed.ts';
import { deployable, programs } from './programs.ts';

const runFile = promisify(execFile);
const CLI = join(ROOT, 'src/cli.ts');

deployable('the deployment of docker-compose.yml', () => {
  let composed: Composed;
  let postgres: Postgres;
  let ledger: SandboxLedger;
  let receiver: Receiver;
  let temporal: Daemon;
  let temporalPort: number;
  let worker: WorkerProcess;
  let client: SettlementClient;
  let shop: SandboxWallet;
  let customer: SandboxWallet;
  let merchantId: string;
  const folder = mkdtempSync(join(tmpdir(), 'settle-test-deploy-'));

  beforeAll(async () => {
    [postgres, ledger, receiver] = await Promise.all([
      startPostgres({ progress: () => undefined, fsync: false }),
      startSandboxLedger(),
      startReceiver(),
    ]);
    temporalPort = await freePort();
    composed = await parseCompose(await makePasswords(), {
      HORIZON_URL: ledger.url,
      NETWORK_PASSPHRASE: ledger.networkPassphrase,
      HORIZON_REQUESTS_PER_HOUR: '0',
      WEBHOOK_ALLOW: receiver.host,
    });
    symlinkSync(join(programs.temporal, 'sql'), join(folder, 'temporal-sql-tool'));
    symlinkSync(await findTemporalCli(() => undefined), join(folder, 'temporal'));
    const network = { url: ledger.url, networkPassphrase: ledger.networkPassphrase };
    [shop, customer] = [new SandboxWallet(network), new SandboxWallet(network)];
    for (const { address } of [shop, customer]) await ledger.fund(address, '10000');
  }, 120_000);

  afterAll(async () => {
    await worker?.kill();
    await client?.close();
    await temporal?.stop();
    await Promise.all([ledger?.stop(), receiver?.stop()]);
    await postgres?.stop();
  });

  const service = (name: string) => {
    const found = composed.services[name];
    if (found === undefined) throw new Error(`There is no service ${name}.`);
    return found;
  };

  /** A service's environment, with this machine's places for those of the containers. */
  const environment = (name: string): Record<string, string> => {
    const { port } = new URL(postgres.url);
    const here = (key: string, value: string) => {
      if (/^(SQL|DB|VISIBILITY_DB)_PORT$/.test(key)) return port;
      return value
        .replace('@postgres:5432', `@127.0.0.1:${port}`)
        .replace('temporal:7233', `127.0.0.1:${temporalPort}`)
        .replace('/etc/temporal/schema', `${programs.temporalFiles}/schema`)
        .replace(/^\/deploy\//, `${ROOT}deploy/`)
        .replace(/^postgres$/, '127.0.0.1')
        .replace(/^0\.0\.0\.0$/, '127.0.0.1');
    };
    const entries = Object.entries(service(name).environment ?? {});
    return {
      PATH: `${folder}:${process.env['PATH'] ?? ''}`,
      HOME: folder,
      ...Object.fromEntries(entries.map(([key, value]) => [key, here(key, value)])),
    };
  };

  /** A job of the file that is a shell script. */
  const runScript = async (name: string) => {
    const { entrypoint = [], command = [] } = service(name);
    const [shell = '', ...args] = [...entrypoint, ...command].map((part) =>
      part.replaceAll('$$', '$'),
    );
    await runFile(shell, args, { env: environment(name), maxBuffer: 10_000_000 });
  };

  const settle = async (name: string, args: readonly string[] = service(name).command ?? []) =>
    (await runFile(process.execPath, [CLI, ...args], { env: environment(name) })).stdout;

  const asSuperuser = async (database: string, statements: readonly string[]) => {
    const url = new URL(postgres.url);
    url.username = 'postgres';
    url.pathname = `/${database}`;
    const superuser = new Client({ connectionString: url.toString() });
    await superuser.connect();
    try {
      for (const statement of statements) await superuser.query(statement);
    } finally {
      await superuser.end();
    }
  };

  /** A file for psql, by what psql would make of it. */
  const sqlFile = (path: string): string => {
    const env = environment('roles');
    const text = readFileSync(path.replace(/^\/deploy\//, `${ROOT}deploy/`), 'utf8');
    const known = new Map<string, string>();
    const lines = text.split('\n').filter((line) => {
      const [, variable, name] = /^\\getenv (\w+) (\w+)$/.exec(line) ?? [];
      if (variable !== undefined && name !== undefined) known.set(variable, env[name] ?? '');
      return !line.startsWith('\\');
    });
    return lines.join('\n').replaceAll(/:'(\w+)'/g, (_all, name: string) => `'${known.get(name)}'`);
  };

  const startTemporal = async () => {
    const port = async () => String(await freePort());
    const low = () => String(20_000 + Math.floor(Math.random() * 12_000));
    const ports: Record<string, string> = { FRONTEND_GRPC_PORT: String(temporalPort) };
    for (const part of ['MATCHING', 'HISTORY', 'WORKER']) ports[`${part}_GRPC_PORT`] = await port();
    ports['FRONTEND_HTTP_PORT'] = await port();
    // The server keeps the membership port in a smallint.
    for (const part of ['FRONTEND', 'MATCHING', 'HISTORY', 'WORKER']) {
      ports[`${part}_MEMBERSHIP_PORT`] = low();
    }
    const env = { ...environment('temporal'), ...ports, TEMPORAL_BROADCAST_ADDRESS: '127.0.0.1' };
    // The configuration of the image: a template over the environment.
    const where = ['--root', programs.temporalFiles, '--config', 'config', '--env', 'docker'];
    const server = join(programs.temporal, 'server');
    temporal = await startDaemon(server, [...where, '--allow-no-auth', 'start'], {
      end: 'TERM',
      env,
    });
    const health = ['operator', 'cluster', 'health', '--address', `127.0.0.1:${temporalPort}`];
    await until(
      () =>
        runFile(join(folder, 'temporal'), health).then(
          ({ stdout }) => stdout,
          () => temporal.output(),
        ),
      (said) => said.includes('SERVING'),
      60_000,
    );
  };

  const startTheWorker = async () => {
    const health = await freePort();
    const env = {
      ...environment('worker'),
      HEALTH_ADDRESS: `127.0.0.1:${health}`,
      METRICS_ADDRESS: '',
      POLL_INTERVAL_MS: '200',
    };
    worker = await startWorker(env, join(folder, 'worker.log'));
    return health;
  };

  const open = async () => {
    const id = randomUUID();
    const { memo } = await client.openSession(id, tenLumens(merchantId, shop.address));
    return { id, memo };
  };

  const isPaid = async ({ id, memo }: { id: string; memo: string }) => {
    await customer.pay(shop.address, '10', 'native', { memo: Memo.id(memo) });
    const view = await until(
      () => client.sessionState(id),
      (state) => state?.atRest === true,
      60_000,
    );
    return view;
  };

  test('its jobs make roles, schemas, namespace and database, and may run again', async () => {
    await asSuperuser('postgres', ['CREATE DATABASE settlement']);
    const files = (service('roles').command ?? []).filter((arg) => arg.endsWith('.sql'));
    for (let time = 1; time <= 2; time += 1) await asSuperuser('settlement', files.map(sqlFile));
    for (let time = 1; time <= 2; time += 1) await runScript('temporal-schema');
    await startTemporal();
    for (let time = 1; time <= 2; time += 1) await runScript('temporal-namespace');
    expect(await settle('migrate')).toContain('given to settlement_app and settlement_read');
    expect(await settle('migrate')).toContain('up to date');
    expect(await settle('schedule')).toContain('created');
  }, 300_000);

  test('its worker settles a payment, and its health check sees it work', async () => {
    merchantId = randomUUID();
    await asSuperuser('settlement', [
      `INSERT INTO merchants (id, wallet_address, business_name, email, webhook_url, webhook_secret)
       VALUES ('${merchantId}', 'w', 'A shop', 'shop@example.com', '${receiver.url}/hook', 'a secret')`,
    ]);
    expect(await settle('worker', ['secrets', 'encrypt'])).toContain('1 rewritten');
    const health = await startTheWorker();
    client = await connectSettlement({ address: `127.0.0.1:${temporalPort}` });
    const session = await open();
    expect(await isPaid(session)).toMatchObject({ status: 'paid' });
    await receiver.waitFor((post) => post.sessionId === session.id);
    const [, ...check] = service('worker').healthcheck?.test ?? [];
    const [node = '', ...args] = check.map((part) => part.replace('8081', String(health)));
    await runFile(node, args);
    expect(await settle('worker', ['audit'])).toContain('hold for 1 sessions');
  }, 300_000);

  test('what was under way goes on after everything was stopped and started again', async () => {
    const session = await open();
    expect(await worker.drain()).toBe(0);
    await client.close();
    await temporal.stop();
    await startTemporal();
    await startTheWorker();
    client = await connectSettlement({ address: `127.0.0.1:${temporalPort}` });
    expect(await isPaid(session)).toMatchObject({ status: 'paid' });
  }, 300_000);
});
