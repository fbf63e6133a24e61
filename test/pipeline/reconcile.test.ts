/** For every kind of discrepancy: the state is produced, one run repairs it, a second finds nothing, the audit is green. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { look } from '../../src/activities/look.ts';
import { startReconciling, type Inserted, type Reconciling } from './reconciling.ts';

let it: Reconciling;
beforeEach(async () => {
  it = await startReconciling();
});
afterEach(() => it.close());

const repaired = (n: number) => expect.objectContaining({ found: n, repaired: n, left: 0 });
const rows = (statement: string, ...values: unknown[]) => it.database.rows(statement, values);

async function stateOf({ id }: Inserted) {
  const [row] = await it.database.rows<{
    status: string;
    payments: number;
    events: string[] | null;
  }>(
    `SELECT status, (SELECT count(*)::int FROM payments p WHERE p.session_id = s.id AND superseded_by IS NULL) AS payments,
       (SELECT array_agg(type ORDER BY type) FROM settlement.events e WHERE e.session_id = s.id) AS events
     FROM checkout_sessions s WHERE id = $1`,
    [id],
  );
  return row;
}

const PAID = { status: 'paid', payments: 1, events: ['payment.confirmed'] };

/** All runs that the work list asks for are there, so that only what is under test is found. */
async function runAll() {
  const active = await it.database.rows<{ id: string }>(
    'SELECT session_id AS id FROM settlement.active_sessions',
  );
  for (const { id } of active) it.running.add(id);
}

async function expectRest() {
  await runAll();
  expect(await it.reconcile()).toEqual({});
  expect(await it.audited()).toEqual([]);
}

describe('processing for over five minutes', () => {
  test('with its payment on the ledger: paid, by one run', async () => {
    const session = await it.insert({ status: 'processing' });
    await it.pay(session);
    const dry = (await it.reconcile({ dryRun: true })).stuck_processing;
    expect(dry).toMatchObject({ found: 1, left: 1 });
    expect(dry?.examples[0]?.outcome).toBe('its account would be read up to now, and it settled');
    expect(await stateOf(session)).toMatchObject({ status: 'processing', events: null });
    expect((await it.reconcile()).stuck_processing).toEqual(repaired(1));
    expect(await stateOf(session)).toEqual(PAID);
    await it.catchUp();
    await expectRest();
  });

  test('without one: back to pending, found by a later payment, and ended by its own deadline only', async () => {
    const open = { status: 'processing', openedMinutesAgo: 10 };
    const [paidLater, neverPaid] = [await it.insert(open), await it.insert(open)];
    expect((await it.reconcile()).stuck_processing).toEqual(repaired(2));
    expect(await stateOf(paidLater)).toMatchObject({ status: 'pending' });
    await it.pay(paidLater);
    await it.catchUp();
    expect(await stateOf(paidLater)).toEqual(PAID);
    expect(await stateOf(neverPaid)).toMatchObject({ status: 'pending', events: null });
    await expectRest();
  });

  test('that is younger is left alone, whoever wrote it', async () => {
    const young = await it.insert({ status: 'processing', openedMinutesAgo: 2 });
    const timed = await it.insert({ status: 'processing' });
    await rows('UPDATE checkout_sessions SET processing_since = now() WHERE id = $1', timed.id);
    expect((await it.reconcile()).stuck_processing).toBeUndefined();
    expect(await stateOf(young)).toMatchObject({ status: 'processing' });
    expect(await stateOf(timed)).toMatchObject({ status: 'processing' });
  });

  test('changes nothing while Horizon does not answer', async () => {
    const session = await it.insert({ status: 'processing' });
    await it.pay(session);
    const fault = it.ledger.faults.set({ kind: 'server_error' });
    const { stuck_processing: found } = await it.reconcile();
    expect(found).toMatchObject({ found: 1, left: 1 });
    expect(found?.examples[0]?.outcome).toContain('500');
    expect(await stateOf(session)).toMatchObject({ status: 'processing' });
    it.ledger.faults.clear(fault);
    expect((await it.reconcile()).stuck_processing).toEqual(repaired(1));
  });
});

describe('paid without a payments row', () => {
  test('with its payment on the ledger: the row and the event come, once', async () => {
    const session = await it.insert();
    const hash = await it.pay(session);
    await rows(`UPDATE checkout_sessions SET status = 'paid' WHERE id = $1`, session.id);
    expect((await it.reconcile()).paid_without_payment).toEqual(repaired(1));
    expect(await stateOf(session)).toEqual(PAID);
    expect(await rows('SELECT tx_hash FROM payments')).toEqual([{ tx_hash: hash }]);
    await it.catchUp();
    await expectRest();
  });

  test('whose row somebody deleted gets it back, without another event', async () => {
    const session = await it.insert();
    await it.pay(session);
    await it.catchUp();
    const events = await rows('SELECT id, body FROM settlement.events');
    await rows('DELETE FROM payments');
    expect((await it.reconcile()).paid_without_payment).toEqual(repaired(1));
    expect(await stateOf(session)).toEqual(PAID);
    expect(await rows('SELECT id, body FROM settlement.events')).toEqual(events);
    await expectRest();
  });

  test('without evidence it is never un-paid: a person is asked, once, and it is not found again', async () => {
    await it.insert();
    await it.catchUp();
    await it.catchUp();
    const session = await it.insert({ status: 'paid' });
    const { paid_without_payment: found } = await it.reconcile();
    expect(found).toMatchObject({ found: 1, repaired: 0, left: 1 });
    expect(found?.examples[0]?.outcome).toBe('left: needs a person: paid_without_evidence');
    await it.catchUp();
    await it.reconcile();
    expect(await stateOf(session)).toEqual({ status: 'paid', payments: 0, events: null });
    expect(await rows('SELECT kind, subject FROM settlement.attention')).toEqual([
      { kind: 'paid_without_evidence', subject: session.id },
    ]);
    await runAll();
    expect(await it.reconcile()).toEqual({});
  });
});

test.each(['pending', 'processing', 'expired', 'cancelled'])(
  'a payments row, and %s: paid',
  async (status) => {
    const session = await it.insert();
    const hash = await it.pay(session);
    await rows(
      `INSERT INTO payments (session_id, merchant_id, tx_hash, amount, asset_code, sender_address, confirmed_at)
       SELECT id, merchant_id, $2, 10, 'XLM', $3, now() FROM checkout_sessions WHERE id = $1`,
      session.id,
      hash,
      it.customer.address,
    );
    await rows(
      `UPDATE checkout_sessions SET status = $2::session_status WHERE id = $1`,
      session.id,
      status,
    );
    const { unsettled_payment, ...others } = await it.reconcile();
    // With `processing` and the endings the session is found first, and its row is found with it.
    expect([unsettled_payment, ...Object.values(others)]).toContainEqual(repaired(1));
    expect(await stateOf(session)).toEqual(PAID);
    await it.catchUp();
    await expectRest();
  },
);

test.each(['pending', 'processing', 'expired', 'cancelled'])(
  'paid by us, then written %s by somebody else: paid again, told once',
  async (status) => {
    const session = await it.insert();
    await it.pay(session);
    await it.catchUp();
    expect(await stateOf(session)).toEqual(PAID);
    await rows(
      `UPDATE checkout_sessions SET status = $2::session_status WHERE id = $1`,
      session.id,
      status,
    );
    const dry = Object.values(await it.reconcile({ dryRun: true }));
    expect(dry[0]?.examples[0]?.outcome).toContain(`by what is read so far: ${status} → paid`);
    await it.reconcile();
    expect(await stateOf(session)).toEqual(PAID);
    await expectRest();
  },
);

describe('an ending that is not ours', () => {
  test.each(['expired', 'cancelled'])(
    '%s, with its payment on the ledger: paid',
    async (status) => {
      const session = await it.insert({ status });
      await it.pay(session);
      await it.reconcile();
      expect(await stateOf(session)).toEqual(PAID);
      await it.catchUp();
      await expectRest();
    },
  );

  test.each(['expired', 'cancelled'])(
    '%s, unpaid: proven on the ledger, then told',
    async (status) => {
      // A cancellation counts from the ledger on by which it is seen: this one is seen before the deadline.
      const session = await it.insert({ status, minutes: status === 'cancelled' ? 120 : 30 });
      const behind = Date.now() / 1000 - it.ledger.chain.history.latest().closedAt;
      it.pass(Math.ceil(behind));
      await it.reconcile();
      if (status === 'cancelled') await it.catchUp();
      expect(await stateOf(session)).toEqual({
        status,
        payments: 0,
        events: [`session.${status}`],
      });
      await expectRest();
    },
  );

  // Its API reads `pending`, we end the session, and then it writes what it had meant to.
  test.each([
    ['expired', 'cancelled'],
    ['cancelled', 'expired'],
  ])('ours, %s, then written %s by somebody: as it was, told once', async (ours, theirs) => {
    const session = await it.insert();
    if (ours === 'cancelled') {
      const cancelAt = new Date(Date.now() - 50 * 60_000);
      await rows('UPDATE checkout_sessions SET cancel_at = $2 WHERE id = $1', session.id, cancelAt);
    }
    await it.catchUp();
    await it.catchUp();
    const ended = { status: ours, events: [`session.${ours}`] };
    expect(await stateOf(session)).toMatchObject(ended);
    await rows(
      `UPDATE checkout_sessions SET status = $2::session_status WHERE id = $1`,
      session.id,
      theirs,
    );
    expect((await it.reconcile()).foreign_ending).toEqual(repaired(1));
    expect(await stateOf(session)).toMatchObject(ended);
    await expectRest();
  });

  test.each(['pending', 'processing'])(
    'of before our time, made %s by somebody: read from its opening, and ended by what is proven',
    async (status) => {
      await it.insert({ openedMinutesAgo: 5 });
      await it.catchUp();
      const old = await it.insert({ openedMinutesAgo: 90 * 24 * 60, status: 'expired' });
      expect((await it.reconcile()).foreign_ending).toEqual(repaired(1));
      expect(await rows('SELECT legacy FROM checkout_sessions WHERE id = $1', old.id)).toEqual([
        { legacy: true },
      ]);
      await rows(
        `UPDATE checkout_sessions SET status = $2::session_status WHERE id = $1`,
        old.id,
        status,
      );
      await it.catchUp();
      await it.catchUp();
      expect(
        await rows('SELECT status, legacy FROM checkout_sessions WHERE id = $1', old.id),
      ).toEqual([{ status: 'expired', legacy: null }]);
      await expectRest();
    },
  );

  test('ours, opened again by somebody: ends again as it had, told once', async () => {
    const session = await it.insert();
    await it.catchUp();
    await it.catchUp();
    expect(await stateOf(session)).toMatchObject({
      status: 'expired',
      events: ['session.expired'],
    });
    await rows(`UPDATE checkout_sessions SET status = 'pending' WHERE id = $1`, session.id);
    expect((await it.reconcile()).foreign_ending).toEqual(repaired(1));
    expect(await stateOf(session)).toMatchObject({
      status: 'expired',
      events: ['session.expired'],
    });
    await expectRest();
  });
});

test('a session that nobody watches is taken into care, though it is older than a day', async () => {
  const session = await it.insert({ openedMinutesAgo: 100, minutes: 300 });
  expect((await it.reconcile()).not_in_care).toEqual(repaired(1));
  await it.pay(session);
  await it.catchUp();
  expect(await stateOf(session)).toEqual(PAID);
  await expectRest();
});

test('a session past its deadline that nobody has closed is closed, when the ledger proves it', async () => {
  const session = await it.insert();
  await it.reconcile();
  expect(await stateOf(session)).toMatchObject({ status: 'pending' });
  const behind = Date.now() / 1000 - it.ledger.chain.history.latest().closedAt;
  it.pass(Math.ceil(behind));
  await runAll();
  expect((await it.reconcile()).overdue).toEqual(repaired(1));
  expect(await stateOf(session)).toMatchObject({ status: 'expired', events: ['session.expired'] });
  await expectRest();
});

test('a ledger payment without a verdict is judged', async () => {
  const session = await it.insert();
  await it.pay(session);
  await it.catchUp();
  await rows(`DELETE FROM settlement.events`);
  await rows(`DELETE FROM payments`);
  await rows(`UPDATE settlement.ledger_payments SET verdict = NULL WHERE session_id IS NOT NULL`);
  await rows(`INSERT INTO settlement.undecided_payments
    SELECT tx_hash, op_index, sub_index, now() - interval '2 minutes' FROM settlement.ledger_payments
    WHERE verdict IS NULL`);
  expect((await it.reconcile()).undecided_payment).toEqual(repaired(1));
  expect(await stateOf(session)).toEqual(PAID);
  await expectRest();
});

test('a payment that Horizon had not shown is read again, and honoured', async () => {
  const bystander = await it.wallet();
  const session = await it.insert();
  await it.pay(session);
  it.ledger.nodes.set([{ name: 'filters', filter: { accounts: [bystander.address] } }]);
  await it.catchUp();
  await it.catchUp();
  expect(await stateOf(session)).toMatchObject({ status: 'expired' });
  it.ledger.nodes.clear();
  await it.customer.pay(it.shop.address, '1');
  await it.catchUp();
  expect(await stateOf(session)).toMatchObject({ status: 'expired' });
  // The other one is what the shop was founded with.
  expect((await it.reconcile()).missed_payment).toEqual(repaired(2));
  expect(await stateOf(session)).toMatchObject({ status: 'paid', payments: 1 });
});

test('an event that is overdue wakes its session, once for each run', async () => {
  const session = await it.insert();
  await it.pay(session);
  await it.catchUp();
  await runAll();
  await rows(`UPDATE webhook_deliveries SET created_at = now() - interval '2 minutes'`);
  it.woken.length = 0;
  expect((await it.reconcile()).event_overdue).toEqual(repaired(1));
  expect(it.woken).toEqual([session.id]);
  await rows(`UPDATE webhook_deliveries SET status = 'delivered'`);
  expect(await it.reconcile()).toEqual({});
});

test('a session not at rest whose workflow is gone is woken', async () => {
  const session = await it.insert({ openedMinutesAgo: 5 });
  await it.catchUp();
  await rows('UPDATE settlement.active_sessions SET wake_after = NULL');
  it.woken.length = 0;
  const unchecked = await rows('SELECT * FROM settlement.active_sessions');
  expect((await it.reconcile({ dryRun: true })).no_run).toMatchObject({ found: 1, left: 1 });
  expect(await rows('SELECT * FROM settlement.active_sessions')).toEqual(unchecked);
  expect(it.woken).toEqual([]);
  expect([...it.counted.keys()].filter((name) => name.startsWith('reconciled'))).toEqual([]);
  expect((await it.reconcile()).no_run).toEqual(repaired(1));
  expect(it.woken).toContain(session.id);
  await expectRest();
});

test('a session that somebody deleted is woken once, and then forgotten', async () => {
  const session = await it.insert({ openedMinutesAgo: 5 });
  await it.catchUp();
  await rows('DELETE FROM checkout_sessions WHERE id = $1', session.id);
  await rows('UPDATE settlement.active_sessions SET wake_after = NULL');
  expect((await it.reconcile()).no_run).toMatchObject({ found: 1 });
  await look(it.deps, { sessionId: session.id, now: new Date().toISOString() });
  expect(await it.reconcile()).toEqual({});
});

test('a silent watcher is started; one that runs and cannot read is told', async () => {
  await it.insert({ openedMinutesAgo: 5 });
  await it.catchUp();
  await runAll();
  await rows(
    `UPDATE settlement.watched_accounts SET read_at = now() - interval '10 minutes', problem = 'Horizon is away'`,
  );
  expect((await it.reconcile()).watcher_silent).toEqual(repaired(1));
  expect(it.running).toContain('watcher');
  const { watcher_silent: told } = await it.reconcile();
  expect(told).toMatchObject({ found: 1, left: 1 });
  expect(told?.examples[0]?.outcome).toContain('Horizon is away');
});

describe('a webhook that an older backend has left open', () => {
  const leave = (session: Inserted, deliveryId: string, status = 'pending') =>
    rows(
      `INSERT INTO webhook_deliveries (merchant_id, session_id, event, payload, delivery_id, sequence, status)
       SELECT merchant_id, id, 'payment.confirmed', '{}', $2, 1, $3::webhook_delivery_status FROM checkout_sessions WHERE id = $1`,
      session.id,
      deliveryId,
      status,
    );
  const FIRST = '00000000-0000-4000-8000-000000000001';
  const SECOND = '00000000-0000-4000-8000-000000000002';

  test('is ours from now on, under its old id; a second one of the same event is not sent', async () => {
    const session = await it.insert();
    await it.pay(session);
    await leave(session, FIRST);
    await leave(session, SECOND);
    await it.catchUp();
    expect((await it.reconcile()).foreign_delivery).toEqual(repaired(2));
    expect(await stateOf(session)).toEqual(PAID);
    const deliveries = await rows(
      `SELECT d.delivery_id AS id, d.status, e.type FROM webhook_deliveries d
       LEFT JOIN settlement.events e ON e.id = d.event_id ORDER BY 1`,
    );
    expect(deliveries).toEqual([
      { id: FIRST, status: 'pending', type: 'payment.confirmed' },
      { id: SECOND, status: 'dead', type: null },
    ]);
    await expectRest();
  });

  test('that the database refuses is left with the reason, and does not stop the others', async () => {
    const paid = [await it.insert(), await it.insert(), await it.insert()];
    for (const session of paid) {
      await it.pay(session);
      await leave(session, randomUUID());
    }
    await it.catchUp();
    const [bad] = await rows(
      'SELECT delivery_id AS id FROM webhook_deliveries WHERE event_id IS NULL',
    );
    await rows(`ALTER TABLE webhook_deliveries ADD CONSTRAINT not_this_one
      CHECK (delivery_id <> '${String(bad?.['id'])}' OR event_id IS NULL) NOT VALID`);
    const { foreign_delivery: found } = await it.reconcile();
    expect(found).toMatchObject({ found: 3, repaired: 2, left: 1 });
    expect(found?.examples[0]?.outcome).toContain('"not_this_one"');
  });

  test('of a session that is not paid is not sent, and a person is asked', async () => {
    const session = await it.insert({ openedMinutesAgo: 5 });
    await leave(session, FIRST);
    await it.catchUp();
    const { foreign_delivery: found } = await it.reconcile();
    expect(found).toMatchObject({ found: 1, left: 1 });
    expect(found?.examples[0]?.outcome).toContain('pending, not paid');
    expect(await rows('SELECT kind FROM settlement.attention')).toEqual([
      { kind: 'foreign_delivery' },
    ]);
    await runAll();
    expect(await it.reconcile()).toEqual({});
  });
});
