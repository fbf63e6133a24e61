/** HELD: the query that looks for sessions with held money leaves out none that domain/held.ts finds money of. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { gatherFacts } from '../../src/db/facts.ts';
import { heldOf } from '../../src/domain/held.ts';
import type { Verdict } from '../../src/domain/judge.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { formatAmount } from '../../src/domain/money.ts';
import { judgementOf } from '../../src/domain/judgement.ts';

import type { SessionStatus } from '../../src/domain/session.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { heldPayments } from '../../certify/parts/held-list.ts';
import { insertSession, receive } from './build.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const STATUSES: SessionStatus[] = ['pending', 'processing', 'paid', 'expired', 'cancelled'];
const ENDINGS: [closed: number | null, legacy: boolean | null][] = [
  [null, null],
  [777, null],
  [null, true],
];
const AMOUNTS: [amount: string, verdict: Verdict][][] = [
  [],
  [['4', 'credited']],
  [['10', 'credited']],
  [['14', 'credited']],
  [
    ['10', 'credited'],
    ['3', 'duplicate'],
  ],
  [
    ['4', 'credited'],
    ['7', 'credited'],
  ],
  [['5', 'late']],
  [['2', 'wrong_asset']],
];

test('every session, whatever became of it, is listed with what domain/held.ts says', async () => {
  const ids: string[] = [];
  for (const status of STATUSES) {
    for (const [closed, legacy] of ENDINGS) {
      for (const amounts of AMOUNTS) {
        const session = await insertSession(database, { status });
        await database.rows(
          'UPDATE checkout_sessions SET closed_through_ledger = $2, legacy = $3 WHERE id = $1',
          [session.id, closed, legacy],
        );
        for (const [amount, verdict] of amounts) {
          const { txHash } = await receive(database, session, amount);
          await database.rows(
            'UPDATE settlement.ledger_payments SET verdict = $2, session_id = $3, decided_at = now() WHERE tx_hash = $1',
            [txHash, verdict, session.id],
          );
        }
        ids.push(session.id);
      }
    }
  }
  const facts = await gatherFacts(database.db, ids);
  const expected = [...facts].flatMap(([id, f]) =>
    heldOf(
      f.session,
      judgementOf({ ...f, ambiguous: false, paymentRow: null }),
      f.legacyEnding,
    ).map(
      ({ payment, amount, reason }) =>
        `${id} ${ledgerPaymentKey(payment)} ${formatAmount(amount)} ${reason}`,
    ),
  );
  const listed = (await heldPayments(database.db)).map(
    ({ sessionId, payment, amount, reason }) => `${sessionId} ${payment} ${amount} ${reason}`,
  );
  expect(listed.toSorted()).toEqual(expected.toSorted());
  expect(new Set(listed.map((one) => one.split(' ').at(-1)))).toEqual(
    new Set(['overpaid', 'underpaid', 'duplicate', 'late', 'wrong_asset']),
  );
});

test('P1: what an older backend’s ending left short is held', async () => {
  const session = await insertSession(database, { status: 'expired' });
  await database.rows('UPDATE checkout_sessions SET legacy = true WHERE id = $1', [session.id]);
  const { txHash } = await receive(database, session, '4');
  await database.rows(
    `UPDATE settlement.ledger_payments SET verdict = 'credited', session_id = $2, decided_at = now() WHERE tx_hash = $1`,
    [txHash, session.id],
  );
  expect(await heldPayments(database.db, session.account)).toMatchObject([
    { reason: 'underpaid', amount: '4.0000000', sessionId: session.id },
  ]);
});
