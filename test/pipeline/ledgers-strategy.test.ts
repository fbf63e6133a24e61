import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Keypair, Memo } from '@stellar/stellar-sdk';
import { openSession } from '../../src/activities/open-session.ts';
import { auditDatabase } from '../../src/db/audit.ts';
import type { SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { insertMerchant } from '../support/database.ts';
import { openFor } from './opened.ts';
import { startReading, type Reading } from './reading.ts';

/** The network read ledger by ledger: one cursor, whatever the number of accounts. */
let reading: Reading;
let merchantId: string;
let customer: SandboxWallet;
beforeEach(async () => {
  reading = await startReading('ledgers');
  merchantId = await insertMerchant(reading.database);
  customer = await reading.wallet();
});
afterEach(async () => {
  const { findings } = await auditDatabase(reading.database.url);
  await reading.close();
  expect(findings).toEqual([]);
});

const open = async (shop: SandboxWallet, seconds = 600) => {
  const latest = reading.ledger.chain.history.latest().closedAt;
  const sessionId = randomUUID();
  const { memo } = await openSession(reading.deps, {
    sessionId,
    now: new Date(latest * 1000).toISOString(),
    request: {
      merchantId,
      amount: '10',
      asset: { code: 'XLM', issuer: null },
      receivingAccount: shop.address,
      expiresAt: new Date((latest + seconds) * 1000).toISOString(),
    },
  });
  return { sessionId, memo };
};
const pay = (shop: SandboxWallet, memo: string) =>
  customer.pay(shop.address, '10', 'native', { memo: Memo.id(memo) });
const stateOf = async (sessionId: string) => {
  const [row] = await reading.database.rows<{ status: string; closed: string | null }>(
    'SELECT status, closed_through_ledger AS closed FROM checkout_sessions WHERE id = $1',
    [sessionId],
  );
  return row;
};
/** Turns until every account has joined the reading of the network. */
const join = async () => {
  await reading.turn(true);
  reading.pass(5);
  await reading.turn(true);
};

describe('reading the network ledger by ledger', () => {
  test('finds payments and closes sessions, asking the same for one account and for many', async () => {
    const shops = await Promise.all(Array.from({ length: 12 }, () => reading.wallet()));
    const sessions = [];
    for (const shop of shops) sessions.push({ shop, ...(await open(shop)) });
    await join();
    const [first, ...rest] = sessions;
    if (first) await pay(first.shop, first.memo);
    reading.pass(5);
    await reading.turn();
    expect(await stateOf(first?.sessionId ?? '')).toMatchObject({ status: 'paid' });
    const { accountPage = 0, accountEntries = 0 } = Object.fromEntries(reading.asked);
    expect({ accountPage, accountEntries }).toEqual({ accountPage: 0, accountEntries: 0 });

    reading.pass(700);
    await reading.turn();
    for (const { sessionId } of rest) {
      const state = await stateOf(sessionId);
      expect(state).toMatchObject({ status: 'expired' });
      expect(Number(state?.closed)).toBe(reading.ledger.chain.history.latest().sequence);
    }
    expect(reading.asked.get('accountEntries') ?? 0).toBe(0);
  });

  test('takes in an account that comes later, with what was paid to it before it joined', async () => {
    const [early, later] = [await reading.wallet(), await reading.wallet()];
    await open(early);
    await join();
    const session = await open(later);
    await pay(later, session.memo);
    reading.pass(5);
    await reading.turn(true);
    expect(await stateOf(session.sessionId)).toMatchObject({ status: 'paid' });
    const second = await open(later, 60);
    reading.pass(5);
    await reading.turn(true);
    reading.pass(120);
    await reading.turn();
    expect(await stateOf(second.sessionId)).toMatchObject({ status: 'expired' });
  });

  test('proves nothing by a ledger that the node does not have', async () => {
    const shop = await reading.wallet();
    const session = await open(shop, 60);
    await join();
    reading.pass(120);
    const lag = reading.ledger.faults.set({ kind: 'lag', ledgers: 1, path: '^/ledgers' });
    await reading.turn();
    expect(await stateOf(session.sessionId)).toMatchObject({ status: 'pending', closed: null });
    reading.ledger.faults.clear(lag);
    await reading.turn();
    expect(await stateOf(session.sessionId)).toMatchObject({ status: 'expired' });
  });

  test('begins anew after a gap that the node no longer has, and loses nothing of it', async () => {
    const shop = await reading.wallet();
    const session = await open(shop);
    await join();
    await pay(shop, session.memo);
    for (let i = 0; i < 5; i += 1) reading.pass(5);
    const latest = reading.ledger.chain.history.latest().sequence;
    const [before] = await reading.database.rows<{ through_ledger: string }>(
      'SELECT through_ledger FROM settlement.network_reading',
    );
    await reading.database.rows(
      'UPDATE settlement.network_reading SET through_ledger = through_ledger - 1000',
    );
    await reading.turn(true);
    await reading.turn(true);
    const [after] = await reading.database.rows<{ through_ledger: string }>(
      'SELECT through_ledger FROM settlement.network_reading',
    );
    expect(Number(before?.through_ledger)).toBeLessThan(latest);
    expect(Number(after?.through_ledger)).toBe(latest);
    expect(await stateOf(session.sessionId)).toMatchObject({ status: 'paid' });
  });

  test('stores a ledger once when two watchers read it', async () => {
    const shop = await reading.wallet();
    const session = await open(shop);
    await join();
    await pay(shop, session.memo);
    reading.pass(5);
    await Promise.all([reading.turn(), reading.turn()]);
    expect(await stateOf(session.sessionId)).toMatchObject({ status: 'paid' });
    const [count] = await reading.database.rows(
      'SELECT count(*)::int AS n FROM settlement.ledger_payments WHERE account = $1 AND reference = $2',
      [shop.address, session.memo],
    );
    expect(count).toEqual({ n: 1 });
  });
});

test('the first account of all joins without a gap: nothing is asked about it, though nobody has funded it', async () => {
  await reading.turn();
  reading.pass(5);
  await openFor(reading, 600, Keypair.random().publicKey());
  for (let i = 0; i < 4; i += 1) {
    reading.pass(5);
    await reading.turn();
  }
  expect([...reading.asked.keys()].toSorted()).toEqual(['ledgersAfter', 'wholeLedger']);
});
