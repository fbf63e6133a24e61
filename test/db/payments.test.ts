import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { explainPayments } from '../../src/db/payments.ts';
import { markUnmatched } from '../../src/db/worklists.ts';
import type { LedgerPayment } from '../../src/domain/ledger-payment.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { heldPayments } from '../../certify/parts/held-list.ts';
import { settleTogether } from '../support/settle.ts';
import { FAKE_USDC, minute } from '../domain/build.ts';
import { cancelAt, cover, insertSession, receive, type StoredSession } from './build.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const settle = async ({ id }: StoredSession) => {
  await markUnmatched(database.db);
  await settleTogether(database.pool, [id]);
};
const heldOn = async ({ account }: StoredSession) => {
  const held = await heldPayments(database.db, account);
  return held.map(({ reason, amount }) => [reason, amount]);
};
const why = async ({ txHash }: Pick<LedgerPayment, 'txHash'>) => {
  const [found] = await explainPayments(database.db, txHash);
  return found;
};

describe('held money', () => {
  test('is the surplus of a paid session, what came besides, and nothing of its price', async () => {
    const session = await insertSession(database);
    const first = await receive(database, session, '12');
    const second = await receive(database, session, '10', { closedAt: minute(6) });
    await settle(session);
    expect(await heldOn(session)).toEqual([
      ['overpaid', '2.0000000'],
      ['duplicate', '10.0000000'],
    ]);
    expect(await why(first)).toMatchObject({
      verdict: 'credited',
      sessionStatus: 'paid',
      rule: expect.stringContaining('12.0000000 of 10.0000000'),
      next: expect.stringContaining('2.0000000 of it is more than the price and held'),
    });
    expect(await why(second)).toMatchObject({
      verdict: 'duplicate',
      rule: `The session was already paid, by ${first.txHash}.`,
      next: expect.stringContaining('return it'),
    });
  });

  test('is nothing while a part may still be completed, and the part once the session has ended', async () => {
    const session = await insertSession(database);
    const part = await receive(database, session, '4');
    await settle(session);
    expect(await heldOn(session)).toEqual([]);
    expect(await why(part)).toMatchObject({
      next: expect.stringContaining(minute(30).toISOString()),
    });
    await cover(database, session.account, -1, 31);
    await settle(session);
    expect(await heldOn(session)).toEqual([['underpaid', '4.0000000']]);
    expect(await why(part)).toMatchObject({
      next: expect.stringContaining('ended expired, short'),
    });
  });

  test('is explained by the rule that holds it', async () => {
    const session = await insertSession(database, { covered: [-1, 31] });
    const late = await receive(database, session, '10', { closedAt: minute(31) });
    const fake = await receive(database, session, '10', { asset: FAKE_USDC });
    const zero = await receive(database, session, '0');
    await settle(session);
    expect((await why(late))?.rule).toContain(`after the deadline ${minute(30).toISOString()}`);
    expect((await why(fake))?.rule).toContain(`this is USDC:${FAKE_USDC.issuer}`);
    expect(await why(zero)).toMatchObject({ rule: 'Its amount is zero.' });
    const cancelled = await insertSession(database, { covered: [-1, 6] });
    await cancelAt(database, cancelled.id, 10);
    await cover(database, cancelled.account, -1, 11);
    await settle(cancelled);
    const found = await receive(database, cancelled, '10', { closedAt: minute(9) });
    await settle(cancelled);
    expect(await why(found)).toMatchObject({
      verdict: 'after_cancellation',
      rule: expect.stringContaining('told that the session is cancelled'),
    });
  });

  test('names no session: by its reference, or because there is none', async () => {
    const session = await insertSession(database);
    const stray = { account: session.account, reference: 'typo' };
    const lost = await receive(database, stray, '10');
    const silent = await receive(database, stray, '1', { reference: null, referenceSource: null });
    expect(await why(lost)).toMatchObject({ verdict: 'undecided' });
    await markUnmatched(database.db);
    expect((await heldOn(session)).map((held) => held.join(' ')).toSorted()).toEqual([
      'unmatched 1.0000000',
      'unmatched 10.0000000',
    ]);
    expect((await why(lost))?.rule).toContain('has the reference "typo"');
    expect((await why(silent))?.rule).toContain('no memo or muxed id that can be read');
  });

  test('is not what an operator has resolved', async () => {
    const session = await insertSession(database);
    const fake = await receive(database, session, '10', { asset: FAKE_USDC });
    await settle(session);
    await database.rows(
      `UPDATE settlement.ledger_payments SET resolved_at = now(), resolved_by = 'ann', resolution = 'returned'
       WHERE tx_hash = $1`,
      [fake.txHash],
    );
    expect(await heldOn(session)).toEqual([]);
    expect((await why(fake))?.next).toContain('An operator has resolved it');
  });

  test('of a transaction that is not known is nothing to explain', async () => {
    expect(await explainPayments(database.db, 'f'.repeat(64))).toEqual([]);
  });
});
