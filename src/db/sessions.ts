import { and, eq, ne, sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { Asset } from '../domain/asset.ts';
import { Refusal } from '../domain/failure.ts';
import { formatAmount, type Stroops } from '../domain/money.ts';
import { DELETED } from '../domain/transitions.ts';
import { rowProblemInWords } from '../domain/row-check.ts';
import type { Db } from './connection.ts';
import { inTransaction } from './inbox.ts';
import { checkoutSessions, merchants, sessionReferences } from './schema/index.ts';
import { rowProblem } from './session-row.ts';
import { registerAccount, type Registration } from './watching.ts';
import { activate } from './worklists.ts';

/** A session to be opened, every field already checked for form. */
export type NewSession = {
  readonly id: string;
  readonly merchantId: string;
  readonly price: Stroops;
  readonly asset: Asset;
  readonly receivingAccount: string;
  /** The reference it gets if it has none yet. */
  readonly reference: string;
  /** The reference the request itself names; null when it leaves that to us. */
  readonly askedReference: string | null;
  readonly expiresAt: Date;
  readonly successUrl: string | null;
  readonly cancelUrl: string | null;
  readonly metadata: unknown;
};

type SessionRow = typeof checkoutSessions.$inferSelect;

/** The row of a session. @throws Refusal SessionNotFound */
export async function findSession(db: Db, sessionId: string): Promise<SessionRow> {
  const [row] = await db.select().from(checkoutSessions).where(eq(checkoutSessions.id, sessionId));
  if (!row) throw new Refusal('SessionNotFound', `There is no session ${sessionId}.`, 'sessionId');
  return row;
}

/**
 * Creates the session, its reference and the watching of its account in one transaction; where the backend has
 * already created the row, only what is missing. The same request again finds the same session, also at the same time: the
 * session's row is locked first, then its reference, its account, its work-list row.
 * @throws Refusal MerchantNotFound, SessionExistsWithOtherBody, ReferenceInUse; nothing is written then.
 */
export async function openSession(
  pool: Pool,
  wanted: NewSession,
  registration: Registration,
): Promise<SessionRow> {
  return inTransaction(pool, async (tx) => {
    const row = (await insertSession(tx, wanted)) ?? (await existingSession(tx, wanted));
    await registerAccount(tx, registration);
    await activate(
      tx,
      {
        id: row.id,
        receivingAccount: row.receivingAccount,
        asset: { code: row.assetCode, issuer: row.assetIssuer },
        expiresAt: row.expiresAt,
        cancelAt: row.cancelAt,
      },
      { wake: false },
    );
    return row;
  });
}

async function insertSession(tx: Db, wanted: NewSession): Promise<SessionRow | null> {
  const [merchant] = await tx
    .select({ id: merchants.id })
    .from(merchants)
    .where(eq(merchants.id, wanted.merchantId));
  if (!merchant) {
    throw new Refusal(
      'MerchantNotFound',
      `There is no merchant ${wanted.merchantId}.`,
      'merchantId',
    );
  }
  const [row] = await tx
    .insert(checkoutSessions)
    .values({
      id: wanted.id,
      merchantId: wanted.merchantId,
      amount: formatAmount(wanted.price),
      assetCode: wanted.asset.code,
      assetIssuer: wanted.asset.issuer,
      receivingAccount: wanted.receivingAccount,
      memo: wanted.reference,
      successUrl: wanted.successUrl,
      cancelUrl: wanted.cancelUrl,
      metadata: wanted.metadata,
      expiresAt: wanted.expiresAt,
    })
    .onConflictDoNothing()
    .returning();
  if (!row) return null;
  await claimReference(tx, wanted);
  await tx.execute(sql`
    INSERT INTO settlement.session_journal (session_id, from_status, to_status, cause, actor)
    SELECT ${wanted.id}, CASE WHEN EXISTS (SELECT FROM settlement.session_journal j WHERE j.session_id = ${wanted.id})
      THEN ${DELETED} ELSE 'none' END, 'pending', 'opened', 'client'`);
  return row;
}

/**
 * The unique key of session_references decides between two of ours; the query sees the backend's own memos. The caller
 * holds the session's row, which has no reference yet: an older claim in its name, or in that of a session that is gone,
 * binds nobody.
 */
async function claimReference(tx: Db, wanted: NewSession): Promise<void> {
  const { receivingAccount: account, reference, id: sessionId } = wanted;
  await tx.execute(sql`
    DELETE FROM settlement.session_references r WHERE r.session_id = ${sessionId}
      OR (r.account = ${account} AND r.reference = ${reference}
        AND NOT EXISTS (SELECT FROM checkout_sessions s WHERE s.id = r.session_id))`);
  const [claimed] = await tx
    .insert(sessionReferences)
    .values({ account, reference, sessionId })
    .onConflictDoNothing()
    .returning();
  const [other] = await tx
    .select({ id: checkoutSessions.id })
    .from(checkoutSessions)
    .where(
      and(
        eq(checkoutSessions.receivingAccount, account),
        eq(checkoutSessions.memo, reference),
        ne(checkoutSessions.id, sessionId),
      ),
    )
    .limit(1);
  if (claimed && !other) return;
  throw new Refusal(
    'ReferenceInUse',
    `The reference ${reference} already names another session on ${account}. Open this one with another memo or id.`,
    'memo',
  );
}

async function existingSession(tx: Db, wanted: NewSession): Promise<SessionRow> {
  await tx.execute(sql`SELECT FROM checkout_sessions WHERE id = ${wanted.id} FOR UPDATE`);
  const problem = await rowProblem(tx, wanted.id);
  if (problem !== null) {
    throw new Refusal('SessionExistsWithOtherBody', rowProblemInWords(problem), problem.field);
  }
  const row = await findSession(tx, wanted.id);
  refuseOtherBody(row, wanted);
  if (row.memo !== null) return row;
  // The backend made the session and left its reference to us.
  await claimReference(tx, wanted);
  await tx
    .update(checkoutSessions)
    .set({ memo: wanted.reference })
    .where(eq(checkoutSessions.id, wanted.id));
  return { ...row, memo: wanted.reference };
}

function refuseOtherBody(row: SessionRow, wanted: NewSession): void {
  const differs = (
    [
      ['merchantId', row.merchantId, wanted.merchantId],
      ['amount', row.amount, formatAmount(wanted.price)],
      ['asset.code', row.assetCode, wanted.asset.code],
      ['asset.issuer', row.assetIssuer, wanted.asset.issuer],
      ['receivingAccount', row.receivingAccount, wanted.receivingAccount],
      ['expiresAt', row.expiresAt.toISOString(), wanted.expiresAt.toISOString()],
      ['memo', row.memo ?? wanted.reference, wanted.askedReference ?? row.memo ?? wanted.reference],
    ] as const
  ).find(([, found, asked]) => found !== asked);
  if (!differs) return;
  const [field, found, asked] = differs;
  throw new Refusal(
    'SessionExistsWithOtherBody',
    `Session ${wanted.id} exists with ${field} ${String(found)}, not ${String(asked)}. Use another id for another session.`,
    field,
  );
}

/**
 * Stores that the session is to be cancelled: it takes payments until the later of `at` and the highest close time
 * anybody can have seen, so that nothing already on the ledger becomes late. Only the first request counts, and
 * only while the session is open. @throws Refusal SessionNotFound
 */
export async function requestCancel(pool: Pool, sessionId: string, at: Date): Promise<void> {
  await inTransaction(pool, async (tx) => {
    const { rowCount } = await tx.execute(sql`
      WITH cancelled AS (
        UPDATE checkout_sessions s SET cancel_at = greatest(${at.toISOString()}::timestamptz,
          (SELECT through_time FROM settlement.network_reading),
          (SELECT greatest(w.through_time, c.through_time) FROM settlement.watched_accounts w
            LEFT JOIN settlement.asset_coverage c ON c.account = w.account
            WHERE w.account = s.receiving_account ORDER BY 1 DESC LIMIT 1),
          (SELECT max(lp.closed_at) FROM settlement.ledger_payments lp
            WHERE lp.account = s.receiving_account AND lp.reference = s.memo))
        WHERE s.id = ${sessionId} AND s.cancel_at IS NULL AND s.closed_through_ledger IS NULL
          AND s.status IN ('pending', 'processing')
        RETURNING s.id, s.status, least(s.cancel_at, s.expires_at) AS deadline),
      journal AS (
        INSERT INTO settlement.session_journal (session_id, from_status, to_status, cause, actor)
        SELECT id, status, status, 'cancel requested', 'client' FROM cancelled)
      UPDATE settlement.active_sessions a SET deadline = cancelled.deadline
      FROM cancelled WHERE a.session_id = cancelled.id`);
    if (rowCount === 0) await findSession(tx, sessionId);
  });
}
