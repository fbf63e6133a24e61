/** A session with very many payments is judged in portions, from totals: what comes of it is what all of them at once say. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { gatherFacts } from '../../src/db/facts.ts';
import { heldPayments } from '../../src/db/payments.ts';
import { lookTogether, settleOnce, settleTogether } from '../../src/db/settle.ts';
import { heldOf } from '../../src/domain/held.ts';
import { judgementOf } from '../../src/domain/judgement.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { formatAmount } from '../../src/domain/money.ts';
import { decide } from '../../src/domain/settle.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { FAKE_USDC, minute, USDC } from '../domain/build.ts';
import { cover, insertSession, ledgerAt, receive, type StoredSession } from './build.ts';
import { dust } from './dust.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const USDC_DUST = { assetCode: USDC.code, assetIssuer: USDC.issuer };

async function stored({ id }: Pick<StoredSession, 'id'>) {
  const facts = (await gatherFacts(database.db, [id], 'whole')).get(id);
  if (facts === undefined) throw new Error('There is no such session.');
  return facts;
}

/** What one decision from all payments would say, and what is stored after settling. */
async function bothWays(session: StoredSession) {
  const before = await stored(session);
  const atOnce = decide(before);
  await settleTogether(database.pool, [session.id]);
  const after = await stored(session);
  const events = await database.rows<{ type: string; fact: string; body: string }>(
    'SELECT type, fact, body FROM settlement.events WHERE session_id = $1',
    [session.id],
  );
  return { atOnce, after, events };
}

async function expectSame(session: StoredSession): Promise<void> {
  const { atOnce, after, events } = await bothWays(session);
  expect(after.session.status).toBe(atOnce.status);
  expect(after.session.closedThroughLedger).toBe(atOnce.closedThroughLedger);
  const verdicts = new Map(
    atOnce.judgement.judged.map(({ payment, verdict }) => [ledgerPaymentKey(payment), verdict]),
  );
  expect(
    new Map(after.payments.flatMap((p) => (p.verdict ? [[ledgerPaymentKey(p), p.verdict]] : []))),
  ).toEqual(verdicts);
  expect(after.paymentRow).toEqual(atOnce.newPayment);
  // Sums of what counted in a short session are due when it has ended.
  const due = new Set(
    [...atOnce.newEvents, ...decide(after).newEvents].map(({ type, fact }) => `${type} ${fact}`),
  );
  expect(new Set(events.map(({ type, fact }) => `${type} ${fact}`))).toEqual(due);
  const bodies = new Map(
    events.map(({ fact, body }) => [fact, JSON.parse(body) as { data: unknown }]),
  );
  for (const { fact, data } of atOnce.newEvents) {
    expect(bodies.get(fact)?.data).toEqual(JSON.parse(JSON.stringify(data)));
  }
}

describe('a session among thousands of payments', () => {
  test('of another asset, before and behind the one that pays it', async () => {
    const session = await insertSession(database);
    await dust(database, session, { count: 1_300 });
    await receive(database, session, '12', { closedAt: minute(5.5) });
    await dust(database, session, { from: 2_000, count: 1_300, minutes: 6 });
    await expectSame(session);
  });

  test('of more assets than are summed', async () => {
    const session = await insertSession(database);
    for (let i = 0; i < 14; i += 1) {
      const asset = { assetCode: `A${i}`, assetIssuer: FAKE_USDC.issuer };
      await dust(database, session, { from: i * 1_000, count: 6, ...asset });
    }
    await expectSame(session);
  });

  test('of its own asset, which pay it in the middle of a portion', async () => {
    const session = await insertSession(database, { price: '0.0001500' });
    await dust(database, session, { count: 2_300, ...USDC_DUST });
    await expectSame(session);
  });

  test('of its own asset, which do not suffice when it ends', async () => {
    const session = await insertSession(database, { expiresAt: minute(6), covered: [-1, 7] });
    await dust(database, session, { count: 1_300, ...USDC_DUST });
    await dust(database, session, { from: 2_000, count: 300, minutes: 7, ...USDC_DUST });
    await expectSame(session);
    const { session: ended } = await stored(session);
    expect(ended.status).toBe('expired');
  });

  test('does not end before all of them are judged', async () => {
    const session = await insertSession(database, { expiresAt: minute(6), covered: [-1, 7] });
    await dust(database, session, {
      count: 1_100,
      assetCode: 'USDC',
      assetIssuer: FAKE_USDC.issuer,
    });
    await receive(database, session, '10', { closedAt: minute(5.5) });
    const { value } = await settleOnce(database.pool, [session.id]);
    expect(value.get(session.id)).toMatchObject({ status: 'pending', isMore: true });
    await settleTogether(database.pool, [session.id]);
    expect((await stored(session)).session.status).toBe('paid');
  });

  test('waits for what is not read yet, and goes on from there', async () => {
    const session = await insertSession(database, { price: '0.0001500', covered: [-1, 4] });
    await dust(database, session, { count: 700, minutes: 4, ...USDC_DUST });
    await dust(database, session, { from: 1_000, count: 1_600, ...USDC_DUST });
    await settleTogether(database.pool, [session.id]);
    const half = await stored(session);
    expect(half.payments.filter(({ verdict }) => verdict === 'credited')).toHaveLength(700);
    await cover(database, session.account, -1, 6);
    await expectPaid(session, '0.0001500');
  });
});

async function expectPaid(session: StoredSession, amount: string): Promise<void> {
  await settleTogether(database.pool, [session.id]);
  const [row] = await database.rows<{ amount: string }>(
    'SELECT amount FROM payments WHERE session_id = $1 AND superseded_by IS NULL',
    [session.id],
  );
  expect(row?.amount).toBe(amount);
}

describe('totals', () => {
  async function paidAmongDust(): Promise<StoredSession> {
    const session = await insertSession(database);
    await dust(database, session, { count: 400 });
    await receive(database, session, '10', { closedAt: minute(5.5) });
    await settleTogether(database.pool, [session.id]);
    return session;
  }
  const totals = async ({ id }: StoredSession) => {
    const [row] = await database.rows<{ totals: Record<string, unknown> }>(
      'SELECT totals FROM settlement.session_totals WHERE session_id = $1',
      [id],
    );
    return row?.totals;
  };

  test('say what was judged, and a look from them finds nothing to do', async () => {
    const session = await paidAmongDust();
    expect(await totals(session)).toMatchObject({
      credited: '10.0000000',
      counts: { wrong_asset: 400, credited: 1 },
    });
    const look = await lookTogether(database.db, [session.id]);
    expect(look.settled.get(session.id)).toMatchObject({ status: 'paid', credited: '10.0000000' });
  });

  test('are computed anew, to the same, after somebody has changed a judged payment', async () => {
    const session = await paidAmongDust();
    const before = await totals(session);
    await database.rows(
      `UPDATE settlement.ledger_payments SET resolved_at = now(), resolved_by = 'ann', resolution = 'returned'
       WHERE (tx_hash, op_index, sub_index) IN (SELECT tx_hash, op_index, sub_index
         FROM settlement.ledger_payments WHERE session_id = $1 AND verdict = 'wrong_asset' LIMIT 1)`,
      [session.id],
    );
    expect(await totals(session)).toBeUndefined();
    await settleTogether(database.pool, [session.id]);
    const { misjudged: _, ...after } = (await totals(session)) ?? {};
    expect(after).toEqual(before);
  });

  test('say what is held of each payment, as all payments together do', async () => {
    const session = await insertSession(database);
    await dust(database, session, { count: 300 });
    await receive(database, session, '12', { closedAt: minute(5.5) });
    await dust(database, session, { from: 1_000, count: 2, minutes: 6, ...USDC_DUST });
    await settleTogether(database.pool, [session.id]);
    const facts = await stored(session);
    const whole = heldOf(facts.session, judgementOf(facts)).map(
      ({ payment, amount, reason }) =>
        `${ledgerPaymentKey(payment)} ${formatAmount(amount)} ${reason}`,
    );
    const listed = (await heldPayments(database.db, session.account)).map(
      ({ payment, amount, reason }) => `${payment} ${amount} ${reason}`,
    );
    expect(listed.toSorted()).toEqual(whole.toSorted());
    expect(whole.filter((one) => one.endsWith('overpaid'))).toHaveLength(1);
  });

  test('do not hide a payment whose verdict was taken away', async () => {
    const session = await paidAmongDust();
    await database.rows(
      `WITH lost AS (UPDATE settlement.ledger_payments SET verdict = NULL, session_id = NULL, decided_at = NULL
         WHERE session_id = $1 AND verdict = 'credited' RETURNING tx_hash, op_index, sub_index)
       INSERT INTO settlement.undecided_payments (tx_hash, op_index, sub_index) SELECT * FROM lost`,
      [session.id],
    );
    await settleTogether(database.pool, [session.id]);
    const { payments } = await stored(session);
    expect(payments.filter(({ verdict }) => verdict === 'credited')).toHaveLength(1);
    expect(await totals(session)).toMatchObject({ credited: '10.0000000' });
  });

  test.each([
    ['price', `amount = 0.0000300`],
    ['deadline', `expires_at = '${minute(4).toISOString()}'`],
  ])('are those of the %s of now, after the backend edited it', async (_, edit) => {
    const session = await insertSession(database);
    await dust(database, session, { count: 300, ...USDC_DUST });
    await settleTogether(database.pool, [session.id]);
    expect(await totals(session)).toMatchObject({ credited: '0.0000300' });
    await database.rows(`UPDATE checkout_sessions SET ${edit} WHERE id = $1`, [session.id]);
    await expectSame(session);
  });

  test('do not count what names another account, after its reference was changed', async () => {
    const session = await paidAmongDust();
    await database.rows(`UPDATE checkout_sessions SET memo = 'another' WHERE id = $1`, [
      session.id,
    ]);
    const look = await lookTogether(database.db, [session.id]);
    const found =
      look.settled.get(session.id) ??
      (await settleTogether(database.pool, [session.id])).value.get(session.id);
    expect(found).toMatchObject({ credited: '0.0000000' });
    expect(ledgerAt(0)).toBe(10_000);
  });
});
