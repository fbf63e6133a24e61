/** One account that Horizon is slow about, or that is far behind, or one session with a flood of payments: the others go on. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { Memo, Operation, Asset } from '@stellar/stellar-sdk';
import { ACCOUNTS_AT_ONCE, BEHIND_AT_ONCE } from '../../src/activities/watch/accounts-reader.ts';
import { createSettling } from '../../src/activities/watch/settle-due.ts';
import { watchLedger } from '../../src/activities/watch/watch-ledger.ts';
import type { LedgerSource } from '../../src/domain/ledger-source.ts';
import type { SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { insertSession, receive } from '../db/build.ts';
import { until } from '../support/system.ts';
import { openFor } from './opened.ts';
import { startReading, type Reading } from './reading.ts';

let reading: Reading;
beforeEach(async () => {
  reading = await startReading('accounts');
});
afterEach(() => reading.close());

const ACCOUNTS = 20;
const STROOP = '0.0000001';

/** Twenty accounts with an open session each, and whoever pays. */
async function shops() {
  const payer = await reading.wallet();
  const all = [];
  for (let i = 0; i < ACCOUNTS; i += 1) {
    const wallet = await reading.wallet();
    all.push({ account: wallet.address, ...(await openFor(reading, 3_600, wallet.address)) });
  }
  reading.pass(5);
  return { payer, all };
}

async function send(
  by: SandboxWallet,
  to: { account: string; memo: string },
  amount: string,
  times = 1,
) {
  const payment = Operation.payment({ destination: to.account, asset: Asset.native(), amount });
  const sequence = (reading.ledger.chain.lastSequence(by.address) ?? 0n) + 1n;
  const operations = Array.from({ length: times }, () => payment);
  const envelope = await by.build(operations, { sequence, memo: Memo.id(to.memo) });
  reading.ledger.chain.submit(envelope.toXdr());
}

/** Watches with this source until the work is done. */
async function whileWatching(source: LedgerSource, work: () => Promise<void>): Promise<void> {
  const over = new AbortController();
  const deps = { ...reading.deps, source, draining: over.signal };
  const watching = new MockActivityEnvironment().run(() =>
    watchLedger(deps, { network: 'sandbox', minutes: 5 }),
  );
  try {
    await work();
  } finally {
    over.abort();
    await watching;
  }
}

const paid = async (ids: readonly string[]) =>
  (
    await reading.database.rows(
      `SELECT id FROM checkout_sessions WHERE id = ANY($1) AND status = 'paid'`,
      [ids],
    )
  ).length;

/** Answers about these accounts come only after `released`. `most` is how many were waited for at once. */
function slowAbout(accounts: ReadonlySet<string>, released: Promise<void>) {
  let waiting = 0;
  const seen = { most: 0 };
  const wait = async () => {
    waiting += 1;
    seen.most = Math.max(seen.most, waiting);
    await released;
    waiting -= 1;
  };
  const source: LedgerSource = {
    ...reading.deps.source,
    accountEntries: async (account) => {
      if (accounts.has(account)) await wait();
      return reading.deps.source.accountEntries(account);
    },
  };
  return { source, seen };
}

test('of twenty accounts, those are read and committed that Horizon answers about, turn after turn', async () => {
  const { payer, all } = await shops();
  const [slow, ...others] = all;
  const release = Promise.withResolvers<void>();
  const { source } = slowAbout(new Set([slow?.account ?? '']), release.promise);
  const ids = others.map(({ sessionId }) => sessionId);
  await whileWatching(source, async () => {
    for (const half of [others.slice(0, 10), others.slice(10)]) {
      for (const shop of half) await send(payer, shop, '10');
      reading.pass(5);
      const settled = half.map(({ sessionId }) => sessionId);
      await until(
        () => paid(settled),
        (count) => count === settled.length,
        60_000,
      );
    }
    release.resolve();
  });
  expect(await paid(ids)).toBe(19);
}, 120_000);

test('many accounts that Horizon is slow about keep the others waiting once, not in every turn', async () => {
  const { payer, all } = await shops();
  const slow = all.slice(0, 12);
  const others = all.slice(12);
  const release = Promise.withResolvers<void>();
  const { source, seen } = slowAbout(new Set(slow.map(({ account }) => account)), release.promise);
  await whileWatching(source, async () => {
    for (const shop of others) await send(payer, shop, '10');
    reading.pass(5);
    const ids = others.map(({ sessionId }) => sessionId);
    await until(
      () => paid(ids),
      (count) => count === ids.length,
      60_000,
    );
    release.resolve();
  });
  expect(seen.most).toBeGreaterThan(BEHIND_AT_ONCE);
  expect(ACCOUNTS_AT_ONCE).toBeGreaterThan(BEHIND_AT_ONCE);
}, 120_000);

test('an account that is far behind has its third page after the first page of every other', async () => {
  const { payer, all } = await shops();
  const [flooded, ...others] = all;
  if (flooded === undefined) throw new Error('There is no shop.');
  for (let i = 0; i < 30; i += 1) {
    await send(payer, flooded, STROOP, 100);
    if (i % 10 === 9) reading.pass(5);
  }
  for (const shop of others) await send(payer, shop, '10');
  reading.pass(5);
  const ids = others.map(({ sessionId }) => sessionId);
  const { source } = slowAbout(new Set(), Promise.resolve());
  const committed = Promise.withResolvers<void>();
  let pages = 0;
  const patient: LedgerSource = {
    ...source,
    accountPage: async (account, start, limit) => {
      if (account === flooded.account && (pages += 1) > 2) await committed.promise;
      return source.accountPage(account, start, limit);
    },
  };
  await whileWatching(patient, async () => {
    await until(
      () => paid(ids),
      (count) => count === ids.length,
      60_000,
    );
    committed.resolve();
    const judged = () =>
      reading.database.rows(
        `SELECT FROM settlement.ledger_payments WHERE account = $1 AND verdict IS NOT NULL`,
        [flooded.account],
      );
    await until(judged, (rows) => rows.length === 3_000, 60_000);
  });
}, 180_000);

test('a session falls due and is settled while the settling of another one is under way', async () => {
  const { database, deps } = reading;
  const slow = await insertSession(database);
  await receive(database, slow, '10');
  const release = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const queue = {
    ...deps.queue,
    settleAll: async (ids: readonly string[]) => {
      if (ids.includes(slow.id)) {
        begun.resolve();
        await release.promise;
      }
      return deps.queue.settleAll(ids);
    },
  };
  const settling = createSettling({ ...deps, queue });
  settling.ask();
  await begun.promise;
  const later = await insertSession(database);
  await receive(database, later, '10');
  settling.ask();
  await until(
    () => paid([later.id]),
    (count) => count === 1,
    30_000,
  );
  expect(await paid([slow.id])).toBe(0);
  release.resolve();
  await settling.ended();
  expect(await paid([slow.id])).toBe(1);
  expect(settling.take()).toBe(2);
}, 60_000);
