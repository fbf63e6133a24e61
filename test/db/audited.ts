/** A database in which everything went right, in many ways, and what the audit says of it once it is tampered with. */
import { expect } from '@jest/globals';
import { finishAttempt, giveUp, startAttempt } from '../../src/db/attempts.ts';
import { audit, type AuditReport } from '../../src/db/audit.ts';
import { onClient } from '../../src/db/connection.ts';
import { nextDeliveries } from '../../src/db/deliveries.ts';
import { completeCancels, requestCancel } from '../../src/db/sessions.ts';
import { markUnmatched } from '../../src/db/worklists.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { FAKE_USDC, minute } from '../domain/build.ts';
import { cover, insertPaymentRow, insertSession, receive, type StoredSession } from './build.ts';

export type Good = {
  readonly sessions: Readonly<
    Record<'paid' | 'partly' | 'expired' | 'cancelled' | 'honoured' | 'adopted', StoredSession>
  >;
  /** Three sessions of one merchant, paid one after the other. */
  readonly inTurn: readonly StoredSession[];
  /** A copy for a test that writes. */
  copy(): Promise<TestDatabase>;
  /** Has a database of the test's own closed with the others. */
  closing(database: TestDatabase): void;
  /** The audit as it would be after these statements; `$1` is the id of the session. Nothing of it stays. */
  auditAfter(session: StoredSession, ...statements: string[]): Promise<AuditReport>;
  /** Its findings, each as `P2 paid session`, and none of them about another session. */
  brokenBy(session: StoredSession, ...statements: string[]): Promise<string[]>;
  close(): Promise<void>;
};

/** Builds it. */
export async function goodDatabase(): Promise<Good> {
  const database = await createTestDatabase();
  const { sessions, inTurn } = await fill(database);
  const template = new URL(database.url).pathname.slice(1);
  await database.close();
  const copies: TestDatabase[] = [];
  let tampered: Promise<TestDatabase> | null = null;
  const copy = async () => {
    const made = await createTestDatabase({ template, max: 2 });
    copies.push(made);
    return made;
  };
  const auditAfter: Good['auditAfter'] = async ({ id }, ...statements) => {
    tampered ??= copy();
    const client = await (await tampered).pool.connect();
    try {
      await client.query('BEGIN');
      for (const statement of statements) {
        const { rowCount, command } = await client.query(
          statement,
          statement.includes('$1') ? [id] : [],
        );
        if (/INSERT|UPDATE|DELETE/.test(command)) expect(rowCount).toBeGreaterThan(0);
      }
      return await audit(onClient(client));
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  };
  return {
    sessions,
    inTurn,
    copy,
    closing: (other) => void copies.push(other),
    auditAfter,
    brokenBy: async (session, ...statements) => {
      const { findings } = await auditAfter(session, ...statements);
      return findings.map(({ promise, check, subject, problem }) => {
        const [kind, id] = subject.split(' ');
        expect(problem).toMatch(/\.$/);
        if (kind === 'session') expect(id).toBe(session.id);
        return `${promise} ${check} ${kind}`;
      });
    },
    close: async () => {
      await Promise.all(copies.map((one) => one.close()));
    },
  };
}

async function fill(database: TestDatabase): Promise<Pick<Good, 'sessions' | 'inTurn'>> {
  const paid = await insertSession(database);
  await receive(database, paid, '10');
  await receive(database, paid, '10', { closedAt: minute(6) });

  const inParts = await insertSession(database);
  for (const part of ['4', '6', '0.5']) await receive(database, inParts, part);

  const partly = await insertSession(database);
  await receive(database, partly, '4');
  await receive(database, partly, '9', { asset: FAKE_USDC });

  const cancelled = await insertSession(database, { covered: [-1, 6] });
  await requestCancel(database.pool, cancelled.id);
  // The newest ledger of the chain gives the instant.
  await completeCancels(database.db, [cancelled.id]);
  await cover(database, cancelled.account, 6, 11);

  const expired = await insertSession(database, { covered: [-1, 31] });
  await receive(database, expired, '4');
  await receive(database, expired, '7', { closedAt: minute(31) });

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

  const merchantId = await insertMerchant(database);
  const inTurn: StoredSession[] = [];
  for (let i = 0; i < 3; i += 1) {
    const session = await insertSession(database, { merchantId });
    await receive(database, session, '10');
    await settleTogether(database.pool, [session.id]);
    inTurn.push(session);
  }

  await deliver(database, paid.id);
  const [given] = await nextDeliveries(database.db, inParts.id);
  if (!given) throw new Error('Nothing is open.');
  await giveUp(database.db, given, 'max_attempts');
  return { sessions: { paid, partly, expired, cancelled, honoured, adopted }, inTurn };
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
