/** What a worker says of its Horizon at its start: whether the request budget suffices, and whether the version is sound. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Operation } from '@stellar/stellar-sdk';
import { pino } from 'pino';
import { openSession } from '../../src/activities/open-session.ts';
import { requestsNeeded } from '../../src/activities/watch/requests-needed.ts';
import type { ReadStrategy } from '../../src/db/watching.ts';
import { createHorizonCheck, keepCheckingHorizon } from '../../src/horizon-check.ts';
import type { SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { insertMerchant } from '../support/database.ts';
import { startReading, type Reading } from './reading.ts';

let reading: Reading;
let merchantId: string;
let logged: Record<string, unknown>[];
beforeEach(() => {
  logged = [];
});
afterEach(() => reading.close());

const start = async (strategy: ReadStrategy) => {
  reading = await startReading(strategy);
  merchantId = await insertMerchant(reading.database);
};

/** Opens a session on each of so many accounts, and reads until nothing of them is behind. */
const openAccounts = async (count: number) => {
  const shops = await Promise.all(Array.from({ length: count }, () => reading.wallet()));
  const latest = reading.ledger.chain.history.latest().closedAt * 1000;
  for (const { address } of shops) {
    await openSession(reading.deps, {
      sessionId: randomUUID(),
      now: new Date(latest).toISOString(),
      request: {
        merchantId,
        amount: '10',
        asset: { code: 'XLM', issuer: null },
        receivingAccount: address,
        expiresAt: new Date(latest + 3_600_000).toISOString(),
      },
    });
  }
  // The pace is taken from the last 100 ledgers; those that funded the accounts are further apart or nearer.
  for (let i = 0; i < 100; i += 1) reading.pass(5);
  await reading.turn(true);
  reading.pass(5);
  await reading.turn(true);
};

const depsWith = (requestsPerHour: number) => ({
  ...reading.deps,
  pollIntervalMs: 5_000,
  requestsPerHour,
  log: pino(
    {},
    { write: (line: string) => logged.push(JSON.parse(line) as Record<string, unknown>) },
  ),
});

const checking = (requestsPerHour: number) => createHorizonCheck(depsWith(requestsPerHour));

/** Fills the next ledger with so many transactions of 100 operations. */
const fill = async (wallet: SandboxWallet, transactions: number) => {
  const { chain } = reading.ledger;
  let sequence = chain.lastSequence(wallet.address) ?? 0n;
  const done = Array.from({ length: transactions }, async () => {
    const operations = Array.from({ length: 100 }, () => Operation.bumpSequence({ bumpTo: '0' }));
    const built = await wallet.build(operations, { sequence: (sequence += 1n) });
    return chain.submit(built.toXdr());
  });
  await Promise.all(done);
  reading.pass(5);
};

describe('the request budget', () => {
  test('that suffices even when every ledger moves an account is not mentioned', async () => {
    await start('accounts');
    await openAccounts(2);
    // 720 runs, 2 accounts of 720 entries and 60 pages, 720 whole ledgers: 3,000.
    await checking(3_000)();
    expect(logged).toEqual([]);
  });

  test('without a limit is not mentioned', async () => {
    await start('accounts');
    await openAccounts(2);
    await checking(0)();
    expect(logged).toEqual([]);
  });

  test('that endings can use up is a warning with the numbers', async () => {
    await start('accounts');
    await openAccounts(2);
    await checking(2_999)();
    expect(logged).toMatchObject([
      {
        level: 40,
        event: 'horizon.budget_short',
        short: 'endings',
        requestsPerHour: 2_999,
        needed: { chain: 720, accounts: 1_560, ledgers: 0, endings: 720 },
        accounts: 2,
        openAccounts: 2,
        requestsPerLedger: 1,
        see: 'docs/operations.md#when-the-request-budget-is-too-small',
      },
    ]);
    expect(logged[0]?.['msg']).toContain('HORIZON_REQUESTS_PER_HOUR');
  });

  test('that does not suffice for reading is another one, once for as long as it lasts', async () => {
    await start('accounts');
    await openAccounts(2);
    const check = checking(2_500);
    await check();
    await openAccounts(1);
    await check();
    await check();
    expect(logged.map(({ short }) => short)).toEqual(['endings', 'reading']);
  });

  test('counts the pages of busy ledgers', async () => {
    await start('ledgers');
    await openAccounts(1);
    await checking(1_500)();
    expect(logged).toEqual([]);
    const wallet = await reading.wallet();
    for (let i = 0; i < 100; i += 1) await fill(wallet, 2);
    await reading.turn();
    await checking(2_000)();
    expect(logged).toMatchObject([{ short: 'reading', requestsPerLedger: 2 }]);
  });

  test('is judged before the first ledger was read', async () => {
    await start('ledgers');
    await fill(await reading.wallet(), 9);
    await checking(3_600)();
    expect(logged).toMatchObject([{ short: 'reading', requestsPerLedger: 5, accounts: 0 }]);
  });
});

describe('the requests that are needed', () => {
  /** A minute of turns, one every 5 s, a ledger in each, one of them thorough. */
  const minute = async () => {
    let requests = 0;
    for (let i = 0; i < 12; i += 1) {
      reading.pass(5);
      await reading.turn(i === 0);
      for (const count of reading.asked.values()) requests += count;
    }
    return requests;
  };

  test.each(['accounts', 'ledgers'] as const)('are those that `%s` sends', async (strategy) => {
    await start(strategy);
    await openAccounts(3);
    const { chain, accounts, ledgers } = requestsNeeded({
      strategy,
      accounts: 3,
      openAccounts: 3,
      pollIntervalMs: 5_000,
      ledgersPerHour: 720,
      requestsPerLedger: 1,
    });
    expect(await minute()).toBe(Math.floor((chain + accounts + ledgers) / 60));
  });
});

describe('a check that cannot be made', () => {
  test('delays no start, and says so', async () => {
    await start('accounts');
    await reading.ledger.stop();
    const end = keepCheckingHorizon(depsWith(3_600));
    expect(logged).toEqual([]);
    await end();
    expect(logged).toMatchObject([{ msg: 'The request budget could not be checked.' }]);
  });
});

describe("Horizon's version", () => {
  test('before 28.0.0 is a warning: its reaper can leave records out', async () => {
    await start('accounts');
    const check = checking(0);
    reading.ledger.nodes.set([{ name: 'node', version: { horizon: '27.0.1-0a1b2c3' } }]);
    await check();
    await check();
    expect(logged).toMatchObject([
      { level: 40, event: 'horizon.version_old', horizonVersion: '27.0.1-0a1b2c3' },
    ]);
  });

  test('from 28.0.0 on is not mentioned', async () => {
    await start('accounts');
    reading.ledger.nodes.set([{ name: 'node', version: { horizon: '28.0.0' } }]);
    await checking(0)();
    reading.ledger.nodes.set([{ name: 'node', version: { horizon: '101.0.0' } }]);
    await checking(0)();
    expect(logged).toEqual([]);
  });
});
