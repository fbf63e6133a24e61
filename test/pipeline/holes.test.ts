/**
 * Ledgers that are not shown, behind an address whose nodes say different things about their histories. A root document makes
 * no hole wider or narrower, money beside a hole is found, and no session ends across one.
 */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { advanceChain } from '../../src/activities/watch/chain.ts';
import { audit } from '../../src/db/audit.ts';
import type { Node } from '../../src/sandbox/ledger/nodes.ts';
import { openFor } from './opened.ts';
import { startReading, type Reading } from './reading.ts';

let reading: Reading;
beforeEach(async () => {
  reading = await startReading('accounts', 90);
});
afterEach(() => reading.close());

const head = () => reading.ledger.chain.history.latest().sequence;
const ROOT = '^/(\\?|$)';
const HEADERS = '^/ledgers\\?';
const [NOT_ROOT, NOT_HEADERS] = ['^/[^?]', '^/(?!ledgers\\?)'];

/** A session that was paid on time, more than an hour ago: of that, only headers are read. */
async function paidLongAgo() {
  const [shop, customer] = [await reading.wallet(), await reading.wallet()];
  const { sessionId, memo } = await openFor(reading, 60, shop.address);
  await reading.turn(true);
  for (let i = 0; i < 3; i += 1) reading.pass(5);
  const lost = head();
  for (let i = 0; i < 5; i += 1) reading.pass(5);
  await customer.pay(shop.address, '10', 'native', { memo: Memo.id(memo) });
  const paidIn = head();
  for (let i = 0; i < 740; i += 1) reading.pass(5);
  await advanceChain(reading.deps);
  // Its ledgers are read whole, one by one.
  reading.ledger.faults.set({ kind: 'server_error', path: '^/accounts/\\w+/payments' });
  return { sessionId, lost, paidIn, shop, customer };
}

async function stateOf(sessionId: string) {
  const [row] = await reading.database.rows(
    `SELECT s.status, (SELECT count(*)::int FROM settlement.ledger_payments) AS found,
      (SELECT json_agg(e.type) FROM settlement.events e WHERE e.session_id = s.id) AS told,
      (SELECT json_agg(t.kind) FROM settlement.attention t WHERE t.subject = s.id::text) AS attention
     FROM checkout_sessions s WHERE s.id = $1`,
    [sessionId],
  );
  return row;
}

const holes = async () => {
  const rows = await reading.database.rows<{ from: number; through: number }>(
    `SELECT lower(ledgers)::int AS from, upper(ledgers)::int - 1 AS through FROM settlement.history_holes ORDER BY 1`,
  );
  return rows.map(({ from, through }) => [from, through]);
};

/** So many minutes pass by the database's clock. */
const later = (minutes: number) =>
  reading.database.rows(
    `UPDATE settlement.history_holes SET noted_at = noted_at - make_interval(mins => $1),
       asked_at = asked_at - make_interval(mins => $1)`,
    [minutes],
  );

const turns = async (times: number) => {
  for (let i = 0; i < times; i += 1) {
    reading.pass(5);
    await reading.turn(true);
  }
};

test.each<[string, (lost: number) => readonly Node[]]>([
  [
    'says that the history begins later',
    (lost) => [
      { name: 'short', path: ROOT, oldest: { at: head() - 5 } },
      { name: 'long', path: NOT_ROOT, gaps: [[lost, lost]] },
    ],
  ],
  [
    'says that nothing is missing',
    (lost) => [
      { name: 'whole', path: ROOT },
      { name: 'long', path: NOT_ROOT, gaps: [[lost, lost]] },
    ],
  ],
  [
    'is of a node that lags by a day',
    (lost) => [
      { name: 'lagging', path: ROOT, head: { at: 20 } },
      { name: 'long', path: NOT_ROOT, gaps: [[lost, lost]] },
    ],
  ],
])('a root document that %s: the hole is the ledger that is missing', async (_, nodes) => {
  const { sessionId, lost } = await paidLongAgo();
  reading.ledger.nodes.set(nodes(lost));
  await turns(2);
  expect(await holes()).toEqual([[lost, lost]]);
  // Found, and not credited: a ledger before its own is not read.
  expect(await stateOf(sessionId)).toMatchObject({ status: 'pending', found: 1, told: null });
  await later(11);
  await turns(2);
  expect(await stateOf(sessionId)).toMatchObject({ status: 'paid', told: ['payment.confirmed'] });
  const { findings, excused } = await audit(reading.database.db);
  expect(findings).toEqual([]);
  expect(excused).toMatchObject({ hole: { count: 1 } });
});

test('headers of a node with a short history hide no payment that another node shows', async () => {
  const { sessionId, lost } = await paidLongAgo();
  reading.ledger.nodes.set([
    { name: 'short', path: HEADERS, oldest: { at: head() - 5 } },
    { name: 'long', path: NOT_HEADERS, gaps: [[lost, lost]] },
  ]);
  for (let i = 0; i < 40 && (await stateOf(sessionId))?.['found'] === 0; i += 1) {
    await turns(1);
    await later(2);
  }
  expect(await stateOf(sessionId)).toMatchObject({ status: 'pending', found: 1, told: null });
  await later(11);
  for (let i = 0; i < 10 && (await stateOf(sessionId))?.['status'] !== 'paid'; i += 1) {
    await turns(1);
    await later(11);
  }
  expect(await stateOf(sessionId)).toMatchObject({ status: 'paid', told: ['payment.confirmed'] });
  expect((await audit(reading.database.db)).findings).toEqual([]);
});

test('a history that begins later is one hole, whatever a root document says; its session waits for a person', async () => {
  const { sessionId, paidIn, customer, shop } = await paidLongAgo();
  const oldest = paidIn + 4;
  reading.ledger.nodes.set([
    { name: 'whole', path: ROOT },
    { name: 'short', path: NOT_ROOT, oldest: { at: oldest } },
  ]);
  const after = await openFor(reading, 3_600, shop.address);
  await customer.pay(shop.address, '10', 'native', { memo: Memo.id(after.memo) });
  await turns(2);
  const [hole = []] = await holes();
  expect(await holes()).toHaveLength(1);
  expect(hole[1]).toBe(oldest - 1);
  await later(11);
  await turns(2);
  // As reconciliation does with what is overdue.
  await reading.deps.queue.settle(sessionId);
  expect(await stateOf(sessionId)).toMatchObject({
    status: 'pending',
    told: null,
    attention: ['opening_not_covered'],
  });
  // The node with the older history comes back: the payment counts after all.
  reading.ledger.nodes.clear();
  await later(61);
  await turns(3);
  expect(await holes()).toEqual([]);
  expect(await stateOf(sessionId)).toMatchObject({ status: 'paid', told: ['payment.confirmed'] });
  expect((await audit(reading.database.db)).findings).toEqual([]);
});
