/** Answers that are no answers: what the sandbox feigns on demand, against a Horizon that is really in that state. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { answerOf } from './answer.ts';
import { copyHistory } from './copy-history.ts';
import { createHorizonTables, startHorizon, type Horizon } from './horizon.ts';
import { binary, reality } from './reality.ts';
import { play, type Scenario } from './scenario.ts';

/** How far the stellar-core behind Horizon is ahead; the sandbox says the same. */
const AHEAD = 60;
/** Horizon lets so many requests pass before it counts by the hour. */
const BURST = 100;

let scenario: Scenario;
let database: TestDatabase;
let horizon: Horizon;
let core: Server;

/** All of stellar-core that Horizon asks for when it submits nothing. */
async function startCore(ledger: number, network: string): Promise<Server> {
  const info = {
    info: {
      build: 'none',
      network,
      protocol_version: 23,
      state: 'Synced!',
      ledger: { num: ledger, version: 23 },
    },
  };
  const server = createServer((_, response) => response.end(JSON.stringify(info)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function withHorizon<T>(
  settings: NodeJS.ProcessEnv,
  body: (url: string) => Promise<T>,
): Promise<T> {
  const { networkPassphrase } = scenario.ledger;
  const other = await startHorizon(binary, database.url, networkPassphrase, settings);
  try {
    await other.shows({ elder: 1, latest: scenario.latest });
    return await body(other.url);
  } finally {
    await other.stop();
  }
}

reality('refused as the real Horizon refuses:', () => {
  beforeAll(async () => {
    [scenario, database] = await Promise.all([play(), createTestDatabase({ template: null })]);
    await createHorizonTables(binary, database.url);
    const { chain, networkPassphrase } = scenario.ledger;
    await copyHistory(chain, database.pool, scenario.dictated);
    core = await startCore(scenario.latest + AHEAD, networkPassphrase);
    horizon = await startHorizon(binary, database.url, networkPassphrase);
    await horizon.shows({ elder: 1, latest: scenario.latest });
  });

  afterAll(async () => {
    await horizon?.stop();
    core?.close();
    await Promise.all([scenario?.ledger.stop(), database?.close()]);
  });

  test('too many requests', async () => {
    const headers = (response: Response) => ({
      limit: response.headers.has('x-ratelimit-limit'),
      remaining: response.headers.get('x-ratelimit-remaining'),
      reset: Number(response.headers.get('x-ratelimit-reset')) > 0,
      retry: Number(response.headers.get('retry-after')) > 0,
    });
    await withHorizon({ PER_HOUR_RATE_LIMIT: '1' }, async (url) => {
      let real = await fetch(`${url}/ledgers/1`);
      for (let i = 0; i <= BURST && real.status === 200; i += 1) {
        real = await fetch(`${url}/ledgers/1`);
      }
      scenario.ledger.faults.set({ kind: 'rate_limited', times: 1 });
      const sandbox = await fetch(`${scenario.ledger.url}/ledgers/1`);
      expect(real.status).toBe(429);
      expect(headers(sandbox)).toEqual(headers(real));
      expect(sandbox.headers.get('content-type')).toBe(real.headers.get('content-type'));
      expect(await sandbox.json()).toEqual(await real.json());
    });
  });

  test('history lags behind stellar-core', async () => {
    const { port } = core.address() as AddressInfo;
    const settings = {
      STELLAR_CORE_URL: `http://127.0.0.1:${port}`,
      HISTORY_STALE_THRESHOLD: '10',
    };
    await withHorizon(settings, async (url) => {
      const path = `/accounts/${scenario.shop}/payments`;
      const real = await answerOf(url, path);
      scenario.ledger.faults.set({ kind: 'stale_history', times: 1 });
      const sandbox = await answerOf(scenario.ledger.url, path);
      expect(real.status).toBe(503);
      const lag = (answer: typeof real) => {
        const { extras, ...rest } = answer.body as { extras: Record<string, number> };
        const { history_latest_ledger: history = 0, core_latest_ledger: head = 0 } = extras;
        return { ...answer, body: rest, lag: head - history };
      };
      expect(lag(sandbox)).toEqual(lag(real));
    });
  });

  test('the state is still being ingested', async () => {
    const path = `/accounts/${scenario.shop}`;
    await database.rows(
      `UPDATE key_value_store SET value = $1 WHERE key = 'exp_ingest_last_ledger'`,
      [String(scenario.latest - 1)],
    );
    scenario.ledger.faults.set({ kind: 'still_ingesting', times: 1 });
    const real = await answerOf(horizon.url, path);
    expect(real.status).toBe(503);
    expect(await answerOf(scenario.ledger.url, path)).toEqual(real);
  });

  test('an error inside', async () => {
    const path = `/transactions/${scenario.hashes.get('text memo') ?? ''}`;
    await database.rows(`UPDATE history_transactions SET tx_envelope = 'no XDR'`);
    scenario.ledger.faults.set({ kind: 'server_error', times: 1 });
    const real = await answerOf(horizon.url, path);
    expect(real.status).toBe(500);
    expect(await answerOf(scenario.ledger.url, path)).toEqual(real);
  });
});
