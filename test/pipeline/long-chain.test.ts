/** A chain that is thousands of ledgers behind, or further back, and what it says of cancellations and openings meanwhile. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import type { Deps } from '../../src/activities/deps.ts';
import { createBell } from '../../src/activities/bell.ts';
import { followBackend, FOLLOWED_PER_TURN } from '../../src/activities/watch/care.ts';
import { advanceChain, extendChainBack } from '../../src/activities/watch/chain.ts';
import { readWholeLedgers } from '../../src/activities/watch/whole-ledgers.ts';
import { firstLedger, newestLedger, storeAnchor, storeRun } from '../../src/db/ledgers.ts';
import { findSession, requestCancel } from '../../src/db/sessions.ts';
import { createSettleQueue } from '../../src/db/settle-queue.ts';
import { HeaderRun, WholeLedger, type LedgerHeader } from '../../src/domain/evidence.ts';
import type { Head, LedgerSource } from '../../src/domain/ledger-source.ts';
import { createWebhookSender } from '../../src/webhook/post.ts';
import { insertSession, newAccount } from '../db/build.ts';
import { minute } from '../domain/build.ts';
import { headerOf, runAfter } from '../domain/headers.ts';
import { countingCounters } from '../support/counters.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase({ max: 4 });
});
afterEach(() => database.close());

const NETWORK = 'A network of these tests';
/** Ledger 10000 closes in minute 0. */
const header = (sequence: number) => headerOf(sequence);
const between = (from: number, through: number) =>
  Array.from({ length: Math.max(through - from + 1, 0) }, (_, i) => header(from + i));

/** Horizon's largest page: the known ledger, and 199 chained to it. */
const PAGE = 200;

/** A node with the ledgers between two; `asked` counts its pages of headers. */
function node(oldest: number, newest: number, passphrase = NETWORK) {
  const asked = { after: 0, before: 0 };
  const source: Partial<LedgerSource> = {
    newestLedger: () => Promise.resolve(header(newest)),
    ledgersAfter: (tip) => {
      asked.after += 1;
      if (tip.sequence < oldest || tip.sequence > newest) return Promise.resolve(null);
      const shown = between(tip.sequence, Math.min(newest, tip.sequence + PAGE - 1));
      return Promise.resolve(HeaderRun.after(tip, shown, shown.length < PAGE));
    },
    ledgersBefore: (first) => {
      asked.before += 1;
      if (first.sequence < oldest || first.sequence > newest) return Promise.resolve(null);
      const shown = between(Math.max(oldest, first.sequence - PAGE + 1), first.sequence);
      return Promise.resolve(HeaderRun.before(first, shown.toReversed()));
    },
    firstLedgerFrom: (from) =>
      Promise.resolve(from > newest ? null : header(Math.max(from, oldest))),
    head: (): Promise<Head> =>
      Promise.resolve({
        latestLedger: newest,
        latestClosedAt: header(newest).closedAt,
        oldestLedger: oldest,
        networkPassphrase: passphrase,
        horizonVersion: null,
      }),
  };
  return { source: source as LedgerSource, asked };
}

const depsOver = (source: LedgerSource): Deps => ({
  database,
  secretKeys: null,
  queue: createSettleQueue(database),
  source,
  sender: createWebhookSender({ allowPrivate: [] }),
  wake: () => Promise.resolve(),
  settledBell: createBell(),
  log: pino({ level: 'silent' }),
  counters: countingCounters(),
  pollIntervalMs: 1,
  readStrategy: 'accounts',
  networkPassphrase: NETWORK,
  draining: new AbortController().signal,
});

async function requestedCancel(): Promise<() => Promise<Date | null>> {
  const { id } = await insertSession(database, {
    covered: null,
    expiresAt: new Date('2099-01-01T00:00:00Z'),
  });
  await requestCancel(database.pool, id);
  return async () => (await findSession(database.db, id)).cancelAt;
}

describe('a cancellation', () => {
  test('counts from the last ledger of the node, however many the chain lacks', async () => {
    await storeAnchor(database.db, header(10_000));
    const cancelAt = await requestedCancel();
    const deps = depsOver(node(1, 14_100).source);
    // A turn takes 20 runs of 199 ledgers: what is newest then was over long before the request.
    expect(await advanceChain(deps)).toMatchObject({
      newest: { sequence: 13_980 },
      isShown: false,
    });
    expect(await cancelAt()).toBeNull();
    expect(await advanceChain(deps)).toMatchObject({ newest: { sequence: 14_100 }, isShown: true });
    expect(await cancelAt()).toEqual(header(14_100).closedAt);
  });

  test('is not dated by a full page whose next one another node answers, which lags', async () => {
    await storeAnchor(database.db, header(10_000));
    const cancelAt = await requestedCancel();
    const [whole, lagging] = [node(1, 10_500), node(1, 10_100)];
    let asked = 0;
    const source = {
      ...whole.source,
      ledgersAfter: (tip: LedgerHeader) =>
        ((asked += 1) === 1 ? whole : lagging).source.ledgersAfter(tip),
    };
    expect(await advanceChain(depsOver(source))).toMatchObject({
      newest: { sequence: 10_199 },
      isShown: false,
    });
    expect(await cancelAt()).toBeNull();
    await advanceChain(depsOver(whole.source));
    expect(await cancelAt()).toEqual(header(10_500).closedAt);
  });
});

describe('a node that lacks the newest ledger of the chain', () => {
  test('far behind, begins no new chain while another one shows it', async () => {
    await storeAnchor(database.db, header(10_000));
    const whole = node(1, 11_000);
    let asked = 0;
    const source: LedgerSource = {
      ...whole.source,
      ledgersAfter: (tip) =>
        (asked += 1) <= 2 ? Promise.resolve(null) : whole.source.ledgersAfter(tip),
    };
    const deps = depsOver(source);
    expect(await advanceChain(deps)).toMatchObject({
      newest: { sequence: 10_000 },
      isShown: false,
    });
    expect(await advanceChain(deps)).toMatchObject({ newest: { sequence: 11_000 }, isShown: true });
    expect(await database.rows('SELECT kind FROM settlement.attention')).toEqual([]);
    expect((await firstLedger(database.db))?.sequence).toBe(10_000);
  });
});

describe('another network', () => {
  test('far ahead of the chain is a reset, not a gap behind which the chain begins anew', async () => {
    await storeAnchor(database.db, header(10_000));
    const other = node(20_000, 30_000, 'Another network');
    await expect(advanceChain(depsOver(other.source))).rejects.toMatchObject({
      name: 'NetworkReset',
    });
    expect((await newestLedger(database.db))?.sequence).toBe(10_000);
    const own = node(20_000, 30_000);
    expect(await advanceChain(depsOver(own.source))).toMatchObject({
      newest: { sequence: 30_000 },
      isShown: true,
    });
  });
});

describe('reading back', () => {
  test('is done once a turn, however many sessions wait for it', async () => {
    await database.rows('UPDATE settlement.network SET history_from = NULL');
    await storeAnchor(database.db, header(60_000));
    const createdAt = minute((30_000 - 10_000) / 12);
    for (let i = 0; i < 5; i += 1) {
      await insertSession(database, {
        covered: null,
        active: false,
        createdAt,
        expiresAt: new Date('2099-01-01T00:00:00Z'),
      });
    }
    const { source, asked } = node(1, 60_000);
    const followed: string[] = [];
    await followBackend(depsOver(source), (id) => followed.push(id));
    expect(followed).toEqual([]);
    expect(asked.before).toBe(20);
    expect((await firstLedger(database.db))?.sequence).toBe(60_000 - 20 * (PAGE - 1));
  });

  test('lets no session wait that has nothing to wait for', async () => {
    await database.rows('UPDATE settlement.network SET history_from = NULL');
    await storeAnchor(database.db, header(60_000));
    for (let i = 0; i < FOLLOWED_PER_TURN; i += 1) {
      await insertSession(database, {
        id: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
        covered: null,
        active: false,
        createdAt: minute((30_000 - 10_000) / 12),
        expiresAt: new Date('2099-01-01T00:00:00Z'),
      });
    }
    const id = 'ffffffff-ffff-4fff-8fff-ffffffffffff';
    await insertSession(database, { id, covered: null, active: false });
    await database.rows('UPDATE checkout_sessions SET opened_after = 59000 WHERE id = $1', [id]);
    const followed: string[] = [];
    await followBackend(depsOver(node(1, 60_000).source), (one) => followed.push(one));
    expect(followed).toEqual([id]);
  });

  test('waits for a node that lags, and ends where every history begins', async () => {
    await storeAnchor(database.db, header(10_000));
    await storeRun(database, runAfter(header(10_000), between(10_001, 11_000)));
    const back = (oldest: number, newest: number) =>
      extendChainBack(depsOver(node(oldest, newest).source), minute(-10_000));
    expect(await back(1, 9_000)).toMatchObject({ isDone: false });
    // A node that begins behind the chain may be of another network.
    expect(await back(11_500, 12_000)).toMatchObject({ isDone: false });
    expect(await back(10_500, 12_000)).toMatchObject({ isDone: true });
    expect((await firstLedger(database.db))?.sequence).toBe(10_000);
  });
});

test('a ledger that Horizon does not answer for keeps no other from being read', async () => {
  await storeAnchor(database.db, header(10_000));
  const { source } = node(1, 10_010);
  const deps = depsOver({
    ...source,
    wholeLedger: (one, accounts) =>
      one.sequence === 10_003
        ? Promise.reject(new Error('Horizon answered 500.'))
        : Promise.resolve(WholeLedger.of(one, accounts, [], { payments: [], undecoded: [] })),
  });
  const { newest } = await advanceChain(deps);
  const account = newAccount();
  const wanted = [10_002, 10_003, 10_004].map((sequence) => ({ sequence, accounts: [account] }));
  const read = await readWholeLedgers(deps, wanted, newest, deps.draining);
  expect(read.ledgers).toBe(2);
  expect(
    await database.rows('SELECT ledgers::text FROM settlement.coverage WHERE account = $1', [
      account,
    ]),
  ).toEqual([{ ledgers: '{[10002,10003),[10004,10005)}' }]);
});
