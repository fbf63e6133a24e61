/** What is not read never counts as read: not when a worker dies, a node lags, an account joins, or two ledgers share a second. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import type { PoolClient } from 'pg';
import { requestCancel } from '../../src/activities/request-cancel.ts';
import { readLedgers } from '../../src/activities/watch/read-ledgers.ts';
import { takeTurn } from '../../src/activities/watch/turn.ts';
import type { Deps } from '../../src/activities/deps.ts';
import { SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { openFor } from './opened.ts';
import { startReading, type Reading } from './reading.ts';

let reading: Reading;
let shop: SandboxWallet;
let customer: SandboxWallet;
beforeEach(async () => {
  reading = await startReading('accounts');
  [shop, customer] = [await reading.wallet(), await reading.wallet()];
});
afterEach(() => reading.close());

const head = () => reading.ledger.chain.history.latest();

/** Opens a session of 10 XLM that lasts for so many seconds of the ledger. */
const open = (seconds: number) => openFor(reading, seconds, shop.address);

async function statusOf(sessionId: string): Promise<string | undefined> {
  const rows = await reading.database.rows<{ status: string }>(
    'SELECT status FROM checkout_sessions WHERE id = $1',
    [sessionId],
  );
  return rows[0]?.status;
}

const pay = (memo: string) => customer.pay(shop.address, '10', 'native', { memo: Memo.id(memo) });

/** A database at which every transaction dies that is about to store a payment. */
function dyingAtRows({ database }: Deps): Deps['database'] {
  const dying = (client: PoolClient) =>
    new Proxy(client, {
      get: (target, name) => {
        const own = Reflect.get(target, name) as (...args: unknown[]) => unknown;
        if (name !== 'query') return typeof own === 'function' ? own.bind(target) : own;
        return (...args: unknown[]) =>
          JSON.stringify(args[0]).includes('INSERT INTO settlement.ledger_payments')
            ? Promise.reject(
                Object.assign(new Error('The worker was killed.'), { code: 'ECONNRESET' }),
              )
            : own.apply(target, args);
      },
    });
  const pool = new Proxy(database.pool, {
    get: (target, name) =>
      name === 'connect'
        ? async () => dying(await target.connect())
        : (Reflect.get(target, name) as unknown),
  });
  return { ...database, pool };
}

test('a worker that dies before it has stored the rows of a ledger leaves no coverage of it', async () => {
  const { sessionId, memo } = await open(60);
  await reading.turn(true);
  reading.pass(5);
  await pay(memo);
  reading.pass(120);
  // No page can be read, so the ledgers are read whole; whatever stores their rows dies.
  reading.ledger.faults.set({ kind: 'server_error', path: '^/accounts/\\w+/payments' });
  const options = { isFirst: false, thorough: true, signal: reading.deps.draining };
  await expect(
    takeTurn({ ...reading.deps, database: dyingAtRows(reading.deps) }, options),
  ).rejects.toThrow();
  await reading.turn(true);
  await reading.turn(true);
  expect(await statusOf(sessionId)).toBe('paid');
});

test('an entry of a node that lags says nothing of the ledgers that another node has shown', async () => {
  const { sessionId, memo } = await open(20);
  await reading.turn(true);
  reading.pass(5);
  await pay(memo);
  reading.pass(60); // the deadline is over
  // Headers come from the node that is ahead.
  reading.ledger.faults.set({ kind: 'lag', ledgers: 3, path: '^/accounts/' });
  reading.ledger.faults.set({ kind: 'lag', ledgers: 3, path: '^/ledgers/\\d+/operations' });
  await reading.turn(true);
  await reading.turn(true);
  expect(await statusOf(sessionId)).toBe('pending');
  reading.ledger.faults.clear();
  await reading.turn(true);
  expect(await statusOf(sessionId)).toBe('paid');
});

test('an account that is registered while a ledger is read does not count as read in it', async () => {
  const other = await reading.wallet();
  const read = () =>
    readLedgers(
      reading.deps,
      [other.address],
      { sequence: head().sequence },
      reading.deps.draining,
    );
  await reading.turn();
  await read(); // begins at the head
  reading.pass(5);
  await open(600); // the shop is registered now, and not among the accounts of this turn
  await customer.pay(shop.address, '1');
  await reading.turn();
  await read();
  const rows = await reading.database.rows(
    'SELECT network_from FROM settlement.watched_accounts WHERE account = $1',
    [shop.address],
  );
  expect(rows).toEqual([{ network_from: null }]);
});

test('a ledger that closes in the second of the deadline ends nothing: what comes in the next one still counts', async () => {
  const { ledger } = reading;
  const quick = new SandboxWallet({
    url: ledger.url,
    networkPassphrase: ledger.networkPassphrase,
    closeLedger: () => ledger.closeLedger({ sameSecond: true }),
  });
  await ledger.fund(quick.address, '100');
  const deadline = head().closedAt + 3;
  const { sessionId, memo } = await open(3);
  while (head().closedAt < deadline) reading.pass(1);
  expect(head().closedAt).toBe(deadline);
  await reading.turn(true);
  expect(await statusOf(sessionId)).toBe('pending');
  await quick.pay(shop.address, '10', 'native', { memo: Memo.id(memo) });
  await reading.turn(true);
  expect(await statusOf(sessionId)).toBe('paid');
});

test('a node that shows the newest ledger of the chain, and lacks the next one, dates no cancellation', async () => {
  const { sessionId, memo } = await open(600);
  await reading.turn(true);
  const gap = head().sequence + 1;
  reading.pass(5);
  await pay(memo);
  reading.ledger.nodes.set([{ name: 'with a gap', gaps: [[gap, gap]] }]);
  await requestCancel(reading.deps, { sessionId, now: new Date().toISOString() });
  const cancelAt = async () =>
    reading.database.rows('SELECT cancel_at FROM checkout_sessions WHERE id = $1', [sessionId]);
  expect(await cancelAt()).toEqual([{ cancel_at: null }]);
  reading.ledger.nodes.clear();
  reading.pass(5);
  await reading.turn(true);
  await reading.turn(true);
  expect(await statusOf(sessionId)).toBe('paid');
});
