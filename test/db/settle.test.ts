import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { addCoverage } from '../../src/db/coverage.ts';
import { connect } from '../../src/db/connection.ts';
import { takeSeen } from '../../src/db/care.ts';
import { completeCancels, waitingCancels } from '../../src/db/sessions.ts';
import { sessionsToClose } from '../../src/db/worklists.ts';
import { lookTogether, type Settled } from '../../src/db/settle.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { FAKE_USDC, minute } from '../domain/build.ts';
import {
  cancelAt,
  chain,
  cover,
  everyRow,
  insertPaymentRow,
  insertSession,
  newAccount,
  ledgerAt,
  paymentFor,
  receive,
  stateOf,
} from './build.ts';
import { commitReplyLost } from './commit-reply-lost.ts';

let database: TestDatabase;
beforeAll(async () => void (database = await createTestDatabase()));
afterAll(() => database.close());

async function settle(sessionId: string): Promise<Settled> {
  const { value } = await settleTogether(database.pool, [sessionId]);
  const settled = value.get(sessionId);
  if (!settled) throw new Error(`There is no session ${sessionId}.`);
  return settled;
}

const PAID = {
  status: 'paid',
  verdicts: ['credited'],
  events: ['payment.confirmed'],
  deliveries: ['payment.confirmed'],
  attention: [],
};

describe('settling a session', () => {
  test('in full: status, payments row, event, delivery and journal appear together', async () => {
    const session = await insertSession(database);
    const payment = await receive(database, session, '10');
    const settled = await settle(session.id);
    expect(settled).toMatchObject({
      from: 'pending',
      status: 'paid',
      credited: '10.0000000',
      newEvents: ['payment.confirmed'],
    });
    expect(await stateOf(database, session.id)).toMatchObject({
      ...PAID,
      payments: [{ txHash: payment.txHash, amount: '10.0000000' }],
    });
    const [event] = await database.rows<{ id: string; body: string }>(
      'SELECT id, body FROM settlement.events WHERE session_id = $1',
      [session.id],
    );
    expect(JSON.parse(event?.body ?? '')).toMatchObject({
      id: event?.id,
      type: 'payment.confirmed',
      timestamp: minute(5).toISOString(),
      data: { sessionId: session.id, txHash: payment.txHash, amount: '10.0000000' },
    });
    expect(
      await database.rows(
        'SELECT from_status, to_status, cause, actor FROM settlement.session_journal WHERE session_id = $1',
        [session.id],
      ),
    ).toEqual([
      {
        from_status: 'pending',
        to_status: 'paid',
        cause: 'credited sum reaches the price',
        actor: 'settle',
      },
    ]);
    expect(
      await database.rows('SELECT FROM settlement.undecided_payments WHERE tx_hash = $1', [
        payment.txHash,
      ]),
    ).toEqual([]);
  });

  test('again writes nothing at all', async () => {
    const paid = await insertSession(database);
    await receive(database, paid, '10');
    await receive(database, paid, '10', { closedAt: minute(6) });
    const expired = await insertSession(database, { covered: [-1, 31] });
    await receive(database, expired, '4');
    const ids = [paid.id, expired.id];
    const first = await settleTogether(database.pool, ids);
    const before = await everyRow(database);
    const second = await settleTogether(database.pool, ids);
    expect(await everyRow(database)).toEqual(before);
    expect([...second.value.values()].map(({ status, newEvents }) => [status, newEvents])).toEqual(
      [...first.value.values()].map(({ status }) => [status, []]),
    );
    expect((await lookTogether(database.db, ids)).undecided).toEqual([]);
  });

  test('leaves out what does not exist', async () => {
    const { value } = await settleTogether(database.pool, [randomUUID()]);
    expect(value.size).toBe(0);
  });

  test('the same payment stored twice is one payment', async () => {
    const session = await insertSession(database);
    const payment = await receive(database, session, '6');
    await receive(database, session, '6', payment);
    await settle(session.id);
    await receive(database, session, '6', payment);
    expect(await settle(session.id)).toMatchObject({ status: 'pending', credited: '6.0000000' });
    expect(await stateOf(database, session.id)).toMatchObject({ verdicts: ['credited'] });
  });

  test('an ending is written with the ledger that proves it, never before it is covered', async () => {
    const session = await insertSession(database, { covered: [-1, 29] });
    expect((await settle(session.id)).status).toBe('pending');
    await cover(database, session.account, -1, 30);
    expect(await settle(session.id)).toMatchObject({
      status: 'expired',
      closedThroughLedger: ledgerAt(30) + 1,
      newEvents: ['session.expired'],
    });
  });

  test('no ending is written while the last ledger that can bring money in time is not proven', async () => {
    const session = await insertSession(database, { covered: [-1, 29] });
    const prove = (through: number) =>
      addCoverage(database.db, [session.account], '*', { from: ledgerAt(29), through });
    await chain(database, 30);
    await prove(ledgerAt(30) - 1);
    expect(await settle(session.id)).toMatchObject({ status: 'pending', newEvents: [] });
    expect(await sessionsToClose(database.db)).not.toContain(session.id);
    await prove(ledgerAt(30));
    expect(await sessionsToClose(database.db)).toContain(session.id);
    expect((await settle(session.id)).status).toBe('expired');
  });

  test('an account that is read only from after the opening proves no ending', async () => {
    const session = await insertSession(database, { covered: [1, 60] });
    expect(await settle(session.id)).toMatchObject({ status: 'pending', newEvents: [] });
  });

  test('metadata, secrets and amounts beyond a float come through exactly', async () => {
    const price = '900719925474.0993001';
    const session = await insertSession(database, { price, metadata: { note: 'ü"\\ ' } });
    await receive(database, session, price.replace(/1$/, '2'));
    await settle(session.id);
    const [event] = await database.rows<{ body: string }>(
      'SELECT body FROM settlement.events WHERE session_id = $1',
      [session.id],
    );
    expect(JSON.parse(event?.body ?? '')).toMatchObject({
      data: {
        amount: '900719925474.0993002',
        price,
        overpaid: '0.0000001',
        metadata: { note: 'ü"\\ ' },
      },
    });
  });
});

describe('what an older backend left half done', () => {
  test('stuck in processing, and the ledger has the money: paid', async () => {
    const session = await insertSession(database, { status: 'processing' });
    await receive(database, session, '10');
    await settle(session.id);
    expect(await stateOf(database, session.id)).toMatchObject(PAID);
  });

  test('stuck in processing without money: pending again after two minutes', async () => {
    const session = await insertSession(database, {
      status: 'processing',
      processingSince: new Date(Date.now() - 121_000),
    });
    expect(await settle(session.id)).toMatchObject({ from: 'processing', status: 'pending' });
  });

  test('paid without a payments row: completed from the ledger', async () => {
    const session = await insertSession(database, { status: 'paid' });
    const payment = await receive(database, session, '10');
    await settle(session.id);
    expect(await stateOf(database, session.id)).toMatchObject({
      ...PAID,
      payments: [{ txHash: payment.txHash }],
    });
  });

  test('paid without a row or money: stays paid, and a person is asked once', async () => {
    const session = await insertSession(database, { status: 'paid', covered: [-1, 29] });
    await settle(session.id);
    expect(await stateOf(database, session.id)).toMatchObject({ status: 'paid', attention: [] });
    await cover(database, session.account, -1, 31);
    await settle(session.id);
    await settle(session.id);
    expect(await stateOf(database, session.id)).toMatchObject({
      status: 'paid',
      payments: [],
      events: [],
      attention: ['paid_without_evidence'],
    });
  });

  test('a payments row without paid: paid, and its transaction is the credited one', async () => {
    const session = await insertSession(database);
    const earlier = await receive(database, session, '10', { closedAt: minute(3) });
    const named = await receive(database, session, '10', { closedAt: minute(4) });
    await insertPaymentRow(database, session, named);
    const { verdicts } = await settle(session.id);
    expect(Object.fromEntries(verdicts.map((v) => [v.txHash, v.verdict]))).toEqual({
      [named.txHash]: 'credited',
      [earlier.txHash]: 'duplicate',
    });
    expect(await stateOf(database, session.id)).toMatchObject({
      status: 'paid',
      payments: [{ txHash: named.txHash }],
      events: ['payment.confirmed', 'payment.exception'],
    });
  });

  test('expired by the backend, but the money came in time: paid', async () => {
    const session = await insertSession(database, { status: 'expired', covered: [-1, 29] });
    expect(await settle(session.id)).toMatchObject({ status: 'expired', newEvents: [] });
    await receive(database, session, '10', { closedAt: minute(29) });
    await settle(session.id);
    expect(await stateOf(database, session.id)).toMatchObject(PAID);
  });

  test('cancelled by the backend: ends when the ledger is covered to that moment, and says so', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000);
    const session = await insertSession(database, { expiresAt });
    const cancel = `UPDATE checkout_sessions SET status = 'cancelled' WHERE id = $1`;
    await database.rows(cancel, [session.id]);
    expect(await settle(session.id)).toMatchObject({ status: 'cancelled', newEvents: [] });
    await takeSeen(database.db, [session.id]);
    expect(await waitingCancels(database.db)).toContain(session.id);
    await completeCancels(database.db, [session.id]);
    const asked = 'SELECT cancel_at FROM checkout_sessions WHERE id = $1';
    const [row] = await database.rows<{ cancel_at: Date }>(asked, [session.id]);
    const minutes = ((row?.cancel_at.getTime() ?? 0) - minute(0).getTime()) / 60_000;
    await cover(database, session.account, -1, Math.ceil(minutes));
    expect(await settle(session.id)).toMatchObject({
      status: 'cancelled',
      newEvents: ['session.cancelled'],
    });
  });

  test('an event that was deleted is minted again: same id, same bytes, no second delivery', async () => {
    const session = await insertSession(database);
    await receive(database, session, '10');
    await settle(session.id);
    const events = () =>
      database.rows('SELECT id, body FROM settlement.events WHERE session_id = $1', [session.id]);
    const before = await events();
    await database.rows('DELETE FROM settlement.events WHERE session_id = $1', [session.id]);
    await settle(session.id);
    expect(await events()).toEqual(before);
    expect(await stateOf(database, session.id)).toMatchObject(PAID);
  });
});

describe('two sessions with one reference', () => {
  test('new money is held for both, and one person is asked about each', async () => {
    const a = await insertSession(database);
    const b = await insertSession(database, { account: a.account });
    await receive(database, a, '10');
    const { value } = await settleTogether(database.pool, [a.id, b.id]);
    expect([...value.values()].map(({ status }) => status)).toEqual(['pending', 'pending']);
    for (const { id } of [a, b]) {
      expect(await stateOf(database, id)).toMatchObject({
        verdicts: ['ambiguous'],
        events: [],
        attention: ['ambiguous_reference'],
      });
    }
  });

  test('what one of them was paid with never pays the other', async () => {
    const a = await insertSession(database);
    await receive(database, a, '10');
    await settle(a.id);
    const b = await insertSession(database, { account: a.account });
    expect(await settle(b.id)).toMatchObject({
      status: 'pending',
      credited: '0.0000000',
      verdicts: [],
    });
    expect(await settle(a.id)).toMatchObject({ status: 'paid', credited: '10.0000000' });
  });
});

describe('money that does not settle', () => {
  test.each`
    what                    | fields                        | verdict
    ${'another issuer'}     | ${{ asset: FAKE_USDC }}       | ${'wrong_asset'}
    ${'after the deadline'} | ${{ closedAt: minute(30.1) }} | ${'late'}
    ${'an amount of zero'}  | ${{ amount: 0n }}             | ${'nothing'}
  `('$what is $verdict: kept, held, and the session stays open', async ({ fields, verdict }) => {
    const session = await insertSession(database);
    await receive(database, session, '10', fields as object);
    await settle(session.id);
    expect(await stateOf(database, session.id)).toMatchObject({
      status: 'pending',
      payments: [],
      verdicts: [verdict],
      events: ['payment.exception'],
      deliveries: [],
    });
  });

  test('an endpoint that subscribes gets payment.exception, the others do not', async () => {
    const session = await insertSession(database);
    await database.rows(
      `INSERT INTO webhook_endpoints (merchant_id, url, secret, events)
       VALUES ($1, 'https://shop.example/all', 's', '["payment.exception", "payment.confirmed"]'),
         ($1, 'https://shop.example/default', 's', '[]')`,
      [session.merchantId],
    );
    await receive(database, session, '10', { asset: FAKE_USDC });
    await receive(database, session, '10');
    await settle(session.id);
    const sent = await database.rows(
      `SELECT coalesce(w.url, 'merchant') AS url, array_agg(d.event || ' ' || d.sequence ORDER BY d.sequence) AS events
       FROM webhook_deliveries d LEFT JOIN webhook_endpoints w ON w.id = d.endpoint_id
       WHERE d.session_id = $1 GROUP BY 1 ORDER BY 1`,
      [session.id],
    );
    expect(sent).toEqual([
      {
        url: 'https://shop.example/all',
        events: ['payment.confirmed 1', 'payment.exception 2'],
      },
      { url: 'https://shop.example/default', events: ['payment.confirmed 1'] },
      { url: 'merchant', events: ['payment.confirmed 1'] },
    ]);
  });

  test('a second full payment, found later: held as a duplicate, nothing else changes', async () => {
    const session = await insertSession(database);
    const first = await receive(database, session, '10');
    await settle(session.id);
    await receive(database, session, '10', { closedAt: minute(6) });
    await settle(session.id);
    expect(await stateOf(database, session.id)).toMatchObject({
      ...PAID,
      verdicts: ['credited', 'duplicate'],
      events: ['payment.confirmed', 'payment.exception'],
      payments: [{ txHash: first.txHash, amount: '10.0000000' }],
    });
  });

  test('money after a cancellation that was told needs a person; after an expiry it pays', async () => {
    const open = { covered: [-1, 31] } as const;
    const cancelled = await insertSession(database, { covered: [-1, 6] });
    await cancelAt(database, cancelled.id, 10);
    await cover(database, cancelled.account, -1, 31);
    const expired = await insertSession(database, open);
    for (const session of [cancelled, expired]) {
      await settle(session.id);
      await receive(database, session, '10');
      await settle(session.id);
    }
    expect(await stateOf(database, cancelled.id)).toMatchObject({
      status: 'cancelled',
      verdicts: ['after_cancellation'],
      attention: ['paid_after_cancellation'],
      events: ['payment.exception', 'session.cancelled'],
    });
    expect(await stateOf(database, expired.id)).toMatchObject({
      status: 'paid',
      events: ['payment.confirmed', 'session.expired'],
      deliveries: ['session.expired', 'payment.confirmed'],
    });
  });
});

describe('the cost of a commit', () => {
  /** The statements that settling these sessions sends to the server. */
  async function statements(sessionIds: string[]): Promise<number> {
    const own = connect(database.url, { max: 1 });
    await own.pool.query('SELECT');
    const sent = jest.spyOn(Client.prototype, 'query');
    try {
      const { retries } = await settleTogether(own.pool, sessionIds);
      expect(retries).toBe(0);
      return sent.mock.calls.length;
    } finally {
      sent.mockRestore();
      await own.close();
    }
  }

  test('is five round trips for one payment', async () => {
    const session = await insertSession(database);
    await receive(database, session, '10');
    expect(await statements([session.id])).toBe(5);
    expect((await stateOf(database, session.id)).status).toBe('paid');
  });

  test('is five round trips for a full page of 200 sessions', async () => {
    const account = newAccount();
    const sessions = [];
    for (let i = 0; i < 200; i += 1) {
      sessions.push(await insertSession(database, { account, reference: `${i}` }));
    }
    for (const session of sessions) await receive(database, session, '10');
    expect(await statements(sessions.map(({ id }) => id))).toBe(5);
    const [paid] = await database.rows(
      `SELECT count(*)::int AS n FROM checkout_sessions WHERE receiving_account = $1 AND status = 'paid'`,
      [account],
    );
    expect(paid).toEqual({ n: 200 });
  });

  test('is four, and no write, when nothing differs', async () => {
    const session = await insertSession(database);
    expect(await statements([session.id])).toBe(4);
  });
});

test('when the answer of COMMIT is lost, the re-run gives the answer, and nothing happens twice', async () => {
  const session = await insertSession(database);
  const payment = paymentFor(session, '10');
  await receive(database, session, '10', payment);
  const proxy = await commitReplyLost(database.url);
  const through = connect(proxy.url, { max: 2 });
  try {
    const { value, retries } = await settleTogether(through.pool, [session.id]);
    expect({ retries, lost: proxy.lost() }).toEqual({ retries: 1, lost: 1 });
    expect(value.get(session.id)).toMatchObject({ status: 'paid', credited: '10.0000000' });
    expect(await stateOf(database, session.id)).toMatchObject({
      ...PAID,
      payments: [{ txHash: payment.txHash }],
    });
  } finally {
    await through.close();
    proxy.close();
  }
});
