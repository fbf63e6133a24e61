import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { finishAttempt, giveUp, startAttempt } from '../../src/db/attempts.ts';
import { audit, auditDatabase, type AuditReport } from '../../src/db/audit.ts';
import { onClient } from '../../src/db/connection.ts';
import { nextDeliveries } from '../../src/db/deliveries.ts';
import { requestCancel } from '../../src/db/sessions.ts';
import { settleTogether } from '../../src/db/settle.ts';
import { markUnmatched } from '../../src/db/worklists.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { FAKE_USDC, minute, PAYER, txHash } from '../domain/build.ts';
import { cover, insertPaymentRow, insertSession, receive, type StoredSession } from './build.ts';

/** A database in which everything went right, in many ways; each test tampers with a copy of it. */
let good: string;
let paid: StoredSession;
let partly: StoredSession;
let expired: StoredSession;

beforeAll(async () => {
  const database = await createTestDatabase();
  paid = await insertSession(database);
  await receive(database, paid, '10');
  await receive(database, paid, '10', { closedAt: minute(6) });

  const inParts = await insertSession(database);
  for (const part of ['4', '6', '0.5']) await receive(database, inParts, part);

  partly = await insertSession(database);
  await receive(database, partly, '4');
  await receive(database, partly, '9', { asset: FAKE_USDC });

  expired = await insertSession(database, { covered: [-1, 31] });
  await receive(database, expired, '4');
  await receive(database, expired, '7', { closedAt: minute(31) });

  const cancelled = await insertSession(database, { covered: [-1, 6] });
  await requestCancel(database.pool, cancelled.id, minute(10));
  await cover(database, cancelled.account, -1, 11);

  const adopted = await insertSession(database, { status: 'processing' });
  await insertPaymentRow(database, adopted, await receive(database, adopted, '10'));

  const a = await insertSession(database);
  const b = await insertSession(database, { account: a.account });
  await receive(database, a, '10');
  await receive(database, { ...a, reference: 'nobody' }, '1');

  const all = [paid, inParts, partly, expired, cancelled, adopted, a, b].map(({ id }) => id);
  await markUnmatched(database.db);
  await settleTogether(database.pool, all);
  // On-time money after the ending is honoured.
  const honoured = await insertSession(database, { covered: [-1, 31] });
  await settleTogether(database.pool, [honoured.id]);
  await receive(database, honoured, '10');
  await settleTogether(database.pool, [honoured.id]);

  await deliver(database, paid.id);
  const [given] = await nextDeliveries(database.db, inParts.id);
  await giveUp(database.db, given?.deliveryId ?? '', 'max_attempts');
  good = new URL(database.url).pathname.slice(1);
  await database.close();
});

const copies: TestDatabase[] = [];
afterAll(() => Promise.all(copies.map((copy) => copy.close())));

async function copyOfGood(): Promise<TestDatabase> {
  const copy = await createTestDatabase({ template: good, max: 2 });
  copies.push(copy);
  return copy;
}

let tampered: TestDatabase;

/** The audit of the good database as it would be after this statement about a session. */
async function auditAfter(statement: string, session: StoredSession): Promise<AuditReport> {
  tampered ??= await copyOfGood();
  const client = await tampered.pool.connect();
  try {
    await client.query('BEGIN');
    const { rowCount } = await client.query(statement, [session.id]);
    expect(rowCount).toBeGreaterThan(0);
    return await audit(onClient(client));
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

async function deliver({ db }: TestDatabase, sessionId: string): Promise<void> {
  const [head] = await nextDeliveries(db, sessionId);
  if (!head) throw new Error('Nothing is open.');
  const started = await startAttempt(db, head, minute(7));
  await finishAttempt(db, head, {
    attempt: started?.attempt ?? 0,
    outcome: { kind: 'answered', status: 204, retryAfterMs: null, detail: '' },
    next: { kind: 'delivered' },
    now: minute(7),
    durationMs: 3,
  });
}

describe('the audit', () => {
  test('finds nothing in a database where everything went right, and says what it read', async () => {
    const database = await copyOfGood();
    expect(await auditDatabase(database.url)).toEqual({
      sessions: 9,
      ledgerPayments: 13,
      events: 12,
      findings: [],
    });
  });

  test('finds nothing in an empty database', async () => {
    const database = await createTestDatabase({ max: 2 });
    copies.push(database);
    expect(await audit(database.db)).toEqual({
      sessions: 0,
      ledgerPayments: 0,
      events: 0,
      findings: [],
    });
  });

  test('does not judge what was settled before the account was watched', async () => {
    const database = await copyOfGood();
    const legacy = await insertSession(database, {
      account: paid.account,
      reference: 'legacy',
      status: 'paid',
      createdAt: minute(-600),
      covered: null,
      active: false,
    });
    await insertPaymentRow(database, legacy, {
      txHash: txHash(1),
      sender: PAYER,
      closedAt: minute(-590),
    });
    expect((await audit(database.db)).findings).toEqual([]);
  });

  test('judges an open session from before it was watched, once it is in care', async () => {
    const database = await copyOfGood();
    const { id } = await insertSession(database, {
      account: paid.account,
      reference: 'older',
      status: 'paid',
      createdAt: minute(-600),
      covered: null,
      active: true,
    });
    expect((await audit(database.db)).findings).toEqual([
      expect.objectContaining({ promise: 'P2', subject: `session ${id}` }),
    ]);
  });

  test('audits more sessions than fit into one statement', async () => {
    const database = await copyOfGood();
    for (let i = 0; i < 210; i += 1) {
      await insertSession(database, {
        account: paid.account,
        merchantId: paid.merchantId,
        reference: `more ${i}`,
      });
    }
    await database.rows(`UPDATE checkout_sessions SET status = 'paid' WHERE memo LIKE 'more %'`);
    const { sessions, findings } = await audit(database.db);
    expect(sessions).toBe(219);
    expect(findings).toHaveLength(210);
  });
});

describe('the audit turns red, and names the promise and the row, when', () => {
  const ofPaid = `WHERE session_id = $1`;
  test.each`
    tampering                                  | promise | subject       | statement
    ${'a paid session is set back'}            | ${'P2'} | ${'session'}  | ${`UPDATE checkout_sessions SET status = 'pending' WHERE id = $1`}
    ${'a paid session is called expired'}      | ${'P2'} | ${'session'}  | ${`UPDATE checkout_sessions SET status = 'expired' WHERE id = $1`}
    ${'its payments row is deleted'}           | ${'P2'} | ${'session'}  | ${`DELETE FROM payments ${ofPaid}`}
    ${'its payments row is superseded'}        | ${'P2'} | ${'session'}  | ${`UPDATE payments SET superseded_by = id ${ofPaid}`}
    ${'its payments row has twice the amount'} | ${'P2'} | ${'session'}  | ${`UPDATE payments SET amount = amount * 2 ${ofPaid}`}
    ${'its payment is called a duplicate'}     | ${'P2'} | ${'session'}  | ${`UPDATE settlement.ledger_payments SET verdict = 'duplicate' ${ofPaid} AND verdict = 'credited'`}
    ${'its payment is called late'}            | ${'P1'} | ${'session'}  | ${`UPDATE settlement.ledger_payments SET verdict = 'late' ${ofPaid} AND verdict = 'credited'`}
    ${'its payment is called unmatched'}       | ${'P1'} | ${'session'}  | ${`UPDATE settlement.ledger_payments SET verdict = 'unmatched', session_id = NULL ${ofPaid} AND verdict = 'credited'`}
    ${'its payment is worth less'}             | ${'P2'} | ${'session'}  | ${`UPDATE settlement.ledger_payments SET amount = 9.9999999 ${ofPaid} AND verdict = 'credited'`}
    ${'its payment has no verdict any more'}   | ${'P1'} | ${'payment'}  | ${`UPDATE settlement.ledger_payments SET verdict = NULL, seen_at = now() - interval '2 minutes' ${ofPaid} AND verdict = 'credited'`}
    ${'its payment names another session'}     | ${'P1'} | ${'payment'}  | ${`UPDATE settlement.ledger_payments SET reference = 'else' ${ofPaid} AND verdict = 'credited'`}
    ${'its payment is deleted from the inbox'} | ${'P2'} | ${'session'}  | ${`DELETE FROM settlement.ledger_payments ${ofPaid} AND verdict = 'credited'`}
    ${'its event is deleted'}                  | ${'P3'} | ${'session'}  | ${`DELETE FROM settlement.events ${ofPaid} AND type = 'payment.confirmed'`}
    ${'the delivery of a deleted event stays'} | ${'P3'} | ${'delivery'} | ${`DELETE FROM settlement.events ${ofPaid} AND type = 'payment.confirmed'`}
    ${'one byte of its event is altered'}      | ${'P3'} | ${'event'}    | ${`UPDATE settlement.events SET body = replace(body, '10.0000000', '10.0000001') ${ofPaid} AND type = 'payment.confirmed'`}
    ${'its event has another id'}              | ${'P3'} | ${'event'}    | ${`UPDATE settlement.events SET id = gen_random_uuid() ${ofPaid} AND type = 'payment.confirmed'`}
    ${'it was told twice that it is paid'}     | ${'P3'} | ${'session'}  | ${`INSERT INTO settlement.events SELECT gen_random_uuid(), session_id, merchant_id, type, 'again', body, occurred_at FROM settlement.events ${ofPaid} AND type = 'payment.confirmed'`}
    ${'its delivery names an unknown event'}   | ${'P3'} | ${'delivery'} | ${`UPDATE webhook_deliveries SET event_id = gen_random_uuid() ${ofPaid}`}
    ${'its delivery claims another event'}     | ${'P3'} | ${'delivery'} | ${`UPDATE webhook_deliveries SET event = 'session.expired' ${ofPaid}`}
    ${'nothing proves that it was accepted'}   | ${'P3'} | ${'delivery'} | ${`DELETE FROM settlement.delivery_attempts WHERE delivery_id IN (SELECT delivery_id FROM webhook_deliveries ${ofPaid})`}
  `('$tampering ($promise)', async ({ promise, subject, statement }) => {
    const { findings } = await auditAfter(statement as string, paid);
    expect(findings.map((f) => [f.promise, f.subject.split(' ')[0]])).toContainEqual([
      promise,
      subject,
    ]);
    for (const finding of findings) {
      expect(finding.problem).toMatch(/\.$/);
      if (finding.subject.startsWith('session')) expect(finding.subject).toBe(`session ${paid.id}`);
    }
  });

  test.each`
    tampering                                  | promise | statement
    ${'it is called paid'}                     | ${'P2'} | ${`UPDATE checkout_sessions SET status = 'paid' WHERE id = $1`}
    ${'its short payment is credited in full'} | ${'P2'} | ${`UPDATE settlement.ledger_payments SET amount = 10 WHERE session_id = $1 AND verdict = 'credited'`}
    ${'another asset is credited'}             | ${'P1'} | ${`UPDATE settlement.ledger_payments SET verdict = 'credited' WHERE session_id = $1 AND verdict = 'wrong_asset'`}
    ${'the right asset is held as another'}    | ${'P1'} | ${`UPDATE settlement.ledger_payments SET verdict = 'wrong_asset' WHERE session_id = $1`}
    ${'it was told that it is paid'}           | ${'P3'} | ${`INSERT INTO settlement.events SELECT gen_random_uuid(), id, merchant_id, 'payment.confirmed', 'paid', '{}', now() FROM checkout_sessions WHERE id = $1`}
    ${'it was told that it is over'}           | ${'P3'} | ${`INSERT INTO settlement.events SELECT gen_random_uuid(), id, merchant_id, 'session.expired', 'ended', '{}', now() FROM checkout_sessions WHERE id = $1`}
  `('of an underpaid session $tampering ($promise)', async ({ promise, statement }) => {
    const { findings } = await auditAfter(statement as string, partly);
    expect(findings).toContainEqual(
      expect.objectContaining({ promise, subject: `session ${partly.id}` }),
    );
  });

  test.each`
    tampering                                | promise | statement
    ${'it is open again'}                    | ${'P2'} | ${`UPDATE checkout_sessions SET status = 'pending' WHERE id = $1`}
    ${'its ending lies beyond the coverage'} | ${'P4'} | ${`UPDATE checkout_sessions SET closed_through_ledger = closed_through_ledger + 1 WHERE id = $1`}
    ${'late money is credited'}              | ${'P1'} | ${`UPDATE settlement.ledger_payments SET verdict = 'credited' WHERE session_id = $1 AND verdict = 'late'`}
    ${'its event is deleted'}                | ${'P3'} | ${`DELETE FROM settlement.events WHERE session_id = $1 AND type = 'session.expired'`}
  `('of an expired session $tampering ($promise)', async ({ promise, statement }) => {
    const { findings } = await auditAfter(statement as string, expired);
    expect(findings).toContainEqual(
      expect.objectContaining({ promise, subject: `session ${expired.id}` }),
    );
  });
});

test('the journal cannot be rewritten, by its owner neither', async () => {
  const database = await copyOfGood();
  for (const statement of [
    `UPDATE settlement.session_journal SET cause = 'else'`,
    'DELETE FROM settlement.session_journal',
    'TRUNCATE settlement.session_journal',
  ]) {
    await expect(database.rows(statement)).rejects.toThrow('append-only');
  }
});
