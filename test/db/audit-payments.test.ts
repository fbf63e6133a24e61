/** P1 and P2: the audit finds each row of money that somebody tampered with, and nothing else. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { audit } from '../../src/db/audit.ts';
import { assignPayment } from '../../src/db/operator/assign.ts';
import { goodDatabase, type Good } from './audited.ts';
import { insertPaymentRow, insertSession, paymentFor, receive } from './build.ts';

let good: Good;
beforeAll(async () => {
  good = await goodDatabase();
});
afterAll(() => good.close());

const sessions = (set: string) => `UPDATE checkout_sessions SET ${set} WHERE id = $1`;
const inbox = (set: string, verdict: string) =>
  `UPDATE settlement.ledger_payments SET ${set} WHERE session_id = $1 AND verdict = '${verdict}'`;
const payments = (set: string) => `UPDATE payments SET ${set} WHERE session_id = $1`;
const TWO_MINUTES_AGO = `now() - interval '2 minutes'`;

describe('P1: every ledger payment has exactly one meaning, and its own facts allow it', () => {
  test.each<[string, keyof Good['sessions'], string, string[]]>([
    [
      'called late',
      'paid',
      inbox(`verdict = 'late'`, 'credited'),
      ['P1 wrong_verdict session', 'P2 paid session', 'P2 paid session'],
    ],
    [
      'called unmatched',
      'partly',
      inbox(`verdict = 'unmatched', session_id = NULL`, 'credited'),
      ['P1 wrong_verdict session'],
    ],
    [
      'of another asset credited',
      'partly',
      inbox(`verdict = 'credited'`, 'wrong_asset'),
      ['P1 wrong_verdict session', 'P2 paid session', 'P2 unsettled session'],
    ],
    [
      'of the right asset held as another',
      'partly',
      inbox(`verdict = 'wrong_asset'`, 'credited'),
      ['P1 wrong_verdict session'],
    ],
    [
      'that came late credited',
      'expired',
      inbox(`verdict = 'credited'`, 'late'),
      ['P1 wrong_verdict session', 'P2 paid session', 'P2 unsettled session'],
    ],
    [
      'that names another session',
      'paid',
      inbox(`reference = 'else'`, 'duplicate'),
      ['P1 wrong_verdict payment'],
    ],
    [
      'without a verdict',
      'paid',
      inbox(`verdict = NULL, seen_at = ${TWO_MINUTES_AGO}`, 'duplicate'),
      ['P1 no_verdict payment'],
    ],
  ])('a payment %s', async (_, name, statement, broken) => {
    const found = await good.brokenBy(good.sessions[name], statement);
    expect(new Set(found.filter(isOfMoney))).toEqual(new Set(broken));
  });

  test('that is not judged yet is no finding for a minute, counted from when an operator had it judged anew', async () => {
    const database = await good.copy();
    const { paid } = good.sessions;
    await database.rows(inbox(`seen_at = ${TWO_MINUTES_AGO}`, 'duplicate'), [paid.id]);
    const other = await insertSession(database, { account: paid.account, reference: 'other' });
    const [{ key } = { key: '' }] = await database.rows<{ key: string }>(
      `SELECT concat_ws(':', tx_hash, op_index, sub_index) AS key FROM settlement.ledger_payments
       WHERE session_id = $1 AND verdict = 'duplicate'`,
      [paid.id],
    );
    const by = { actor: 'an operator', reason: 'the customer wrote' };
    await assignPayment(database.pool, { payment: key, sessionId: other.id }, by);
    expect((await audit(database.db)).findings).toEqual([]);
    await database.rows(`UPDATE settlement.undecided_payments SET since = ${TWO_MINUTES_AGO}`);
    expect((await audit(database.db)).findings).toEqual([
      {
        promise: 'P1',
        check: 'no_verdict',
        subject: `payment ${key}`,
        problem: 'It has had no verdict for over a minute.',
      },
    ]);
  });

  test('an inbox of several pages', async () => {
    const database = await good.copy();
    const { account } = good.sessions.paid;
    const { txHash: _, ...fields } = paymentFor({ account, reference: 'nobody' }, '1');
    await database.rows(
      `INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at, type,
         account, sender, asset_code, asset_issuer, amount, reference, verdict, seen_at)
       SELECT lpad(i::text, 64, 'f'), i % 3, i % 2, (1::bigint << 32) + i, 1, $1, 'payment', $2, $3, 'USDC', $4, 1, 'nobody',
         CASE WHEN i % 1000 > 0 THEN 'unmatched' END, ${TWO_MINUTES_AGO} FROM generate_series(1, 5000) i`,
      [fields.closedAt, account, fields.sender, fields.asset.issuer],
    );
    const { ledgerPayments, findings } = await audit(database.db);
    expect(ledgerPayments).toBe(5000 + 16);
    expect(findings.map(({ subject }) => subject.slice(-8))).toEqual(
      ['f1000:1:0', 'f2000:2:0', 'f3000:0:0', 'f4000:1:0', 'f5000:2:0'].map((end) => end.slice(-8)),
    );
  });
});

/** What follows for the events of a session is the subject of audit-events.test.ts. */
function isOfMoney(finding: string): boolean {
  return !finding.startsWith('P3');
}

describe('P2: paid, one live row, and a credited price', () => {
  test.each<[string, keyof Good['sessions'], string[], string[]]>([
    [
      'a paid session set back',
      'paid',
      [sessions(`status = 'pending'`)],
      ['P2 paid', 'P2 payment_mark', 'P2 transition', 'P2 unsettled'],
    ],
    [
      'a paid session called expired',
      'paid',
      [sessions(`status = 'expired'`)],
      ['P2 paid', 'P2 payment_mark', 'P2 transition', 'P2 unsettled'],
    ],
    ['a short one called paid', 'partly', [sessions(`status = 'paid'`)], ['P2 paid']],
    [
      'a row deleted (the foreign key takes back payment_id)',
      'paid',
      ['DELETE FROM payments WHERE session_id = $1'],
      ['P2 paid', 'P1 wrong_verdict'],
    ],
    [
      'a row superseded',
      'paid',
      [payments('superseded_by = id')],
      ['P2 paid', 'P1 wrong_verdict', 'P2 payment_mark'],
    ],
    ['a row of twice the amount', 'paid', [payments('amount = amount * 2')], ['P2 paid']],
    [
      'a payment worth a stroop less than its price',
      'paid',
      [inbox('amount = 9.9999999', 'credited')],
      ['P2 paid', 'P1 wrong_verdict'],
    ],
    [
      'a payment gone from the inbox',
      'paid',
      [`DELETE FROM settlement.ledger_payments WHERE session_id = $1 AND verdict = 'credited'`],
      ['P2 paid', 'P1 wrong_verdict'],
    ],
    [
      'a session that does not name its payment',
      'paid',
      [sessions('payment_id = NULL')],
      ['P2 payment_mark'],
    ],
    [
      'a payment that says nobody has seen it',
      'paid',
      [payments('settled_at = NULL')],
      ['P2 payment_mark'],
    ],
    [
      'a session that names the payment of another',
      'paid',
      [
        `UPDATE checkout_sessions SET payment_id = (SELECT id FROM payments WHERE session_id <> $1 LIMIT 1)
         WHERE id = $1`,
      ],
      ['P2 payment_mark'],
    ],
    [
      'two live rows, where somebody dropped the index that forbids it',
      'paid',
      [
        'DROP INDEX payments_one_live_per_session',
        `INSERT INTO payments SELECT gen_random_uuid(), session_id, merchant_id, 'another', amount, asset_code,
           asset_issuer, sender_address, confirmed_at, now(), NULL, now() FROM payments WHERE session_id = $1`,
      ],
      ['P2 payment_mark'],
    ],
  ])('%s', async (_, name, statements, broken) => {
    const found = await good.brokenBy(good.sessions[name], ...statements);
    expect(new Set(found.filter(isOfMoney))).toEqual(new Set(broken.map((b) => `${b} session`)));
  });

  test('a row that somebody else wrote counts once reconciliation should have found it', async () => {
    const database = await good.copy();
    const session = await insertSession(database, { status: 'paid' });
    const row = await insertPaymentRow(database, session, await receive(database, session, '10'));
    const marks = async () =>
      (await audit(database.db)).findings.filter(({ check }) => check === 'payment_mark');
    expect(await marks()).toEqual([]);
    await database.rows(`UPDATE settlement.network SET created_at = now() - interval '1 day'`);
    await database.rows(
      `UPDATE payments SET created_at = now() - interval '11 minutes' WHERE id = $1`,
      [row],
    );
    expect(await marks()).toEqual([
      expect.objectContaining({ promise: 'P2', subject: `session ${session.id}` }),
    ]);
    // A row of before our time is looked at when its turn comes.
    await database.rows(
      `UPDATE payments SET created_at = now() - interval '2 days' WHERE id = $1`,
      [row],
    );
    expect(await marks()).toEqual([]);
  });

  test('names what is wrong in words that say which amount', async () => {
    const { findings } = await good.auditAfter(
      good.sessions.paid,
      inbox('amount = 9.9999999', 'credited'),
    );
    expect(findings).toContainEqual({
      promise: 'P2',
      check: 'paid',
      subject: `session ${good.sessions.paid.id}`,
      problem: 'The session is paid, but only 9.9999999 of 10.0000000 is credited.',
    });
  });
});
