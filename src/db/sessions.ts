import { and, eq, isNull, ne, sql } from 'drizzle-orm';
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
import { termsInWords } from './suspects.ts';
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
 * Creates the session, its reference and its place in the work list in one transaction; where the backend has already
 * created the row, only what is missing. `openedAfter` is a ledger that closed before this is called; the account is
 * watched from there. The same request again finds the same session, also at the same time, and locks nothing that is
 * there already. The session's row is locked first, then its reference, then its work-list row.
 * @throws Refusal MerchantNotFound, SessionExistsWithOtherBody, ReferenceInUse; nothing is written then.
 */
export async function openSession(
  pool: Pool,
  wanted: NewSession,
  openedAfter: number,
): Promise<SessionRow> {
  return inTransaction(pool, async (tx) => {
    const row =
      (await insertSession(tx, wanted, openedAfter)) ?? (await existingSession(tx, wanted));
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

async function insertSession(
  tx: Db,
  wanted: NewSession,
  openedAfter: number,
): Promise<SessionRow | null> {
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
      openedAfter,
      seenStatus: 'pending',
      seenExpiresAt: wanted.expiresAt,
      seenMemo: wanted.reference,
      seenTerms: termsInWords(wanted),
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
  const row = await sameSession(tx, wanted);
  if (row.memo !== null) return row;
  // The backend made the session and left its reference to us. Of requests at once, one writes it.
  const [written] = await tx
    .update(checkoutSessions)
    .set({ memo: wanted.reference })
    .where(and(eq(checkoutSessions.id, wanted.id), isNull(checkoutSessions.memo)))
    .returning({ id: checkoutSessions.id });
  if (written) await claimReference(tx, wanted);
  // As it is now: before the row was locked, the backend may have edited it.
  return sameSession(tx, wanted);
}

/** The row as it is. @throws Refusal SessionExistsWithOtherBody, SessionNotFound */
async function sameSession(tx: Db, wanted: NewSession): Promise<SessionRow> {
  const problem = await rowProblem(tx, wanted.id);
  if (problem !== null) {
    throw new Refusal('SessionExistsWithOtherBody', rowProblemInWords(problem), problem.field);
  }
  const row = await findSession(tx, wanted.id);
  refuseOtherBody(row, wanted);
  return row;
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
 * Stores that the session is to be cancelled. From when on is the ledger's to say, and only when it is asked after this is
 * committed (`completeCancels`): nothing that was on the ledger by then becomes late, whatever our clocks say. Only the
 * first request counts, and only while the session is open. @throws Refusal SessionNotFound
 */
export async function requestCancel(pool: Pool, sessionId: string): Promise<void> {
  await inTransaction(pool, async (tx) => {
    const { rowCount } = await tx.execute(sql`
      WITH requested AS (
        INSERT INTO settlement.cancel_requests (session_id, actor)
        SELECT s.id, 'client' FROM checkout_sessions s
        WHERE s.id = ${sessionId} AND s.cancel_at IS NULL AND s.closed_through_ledger IS NULL
          AND s.status IN ('pending', 'processing') FOR UPDATE OF s
        ON CONFLICT (session_id) DO NOTHING RETURNING session_id)
      INSERT INTO settlement.session_journal (session_id, from_status, to_status, cause, actor)
      SELECT s.id, s.status, s.status, 'cancel requested', 'client'
      FROM checkout_sessions s JOIN requested r ON r.session_id = s.id`);
    if (rowCount === 0) await findSession(tx, sessionId);
  });
}

/** Cancellations that wait for the ledger's time, the oldest first. To be read before the ledger is asked. */
export async function waitingCancels(db: Db): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT session_id AS id FROM settlement.cancel_requests ORDER BY requested_at LIMIT 1000`);
  return rows.map(({ id }) => id);
}

/**
 * Gives cancellations their instant: the close time of the newest ledger, which a node has shown since they were
 * requested. A session that came to an end meanwhile keeps it. One that expires earlier expires.
 */
export async function completeCancels(db: Db, sessionIds: readonly string[]): Promise<void> {
  if (sessionIds.length === 0) return;
  await db.execute(sql`
    WITH locked AS (
      -- Sessions are locked first everywhere: requests and the work list follow.
      SELECT id FROM checkout_sessions WHERE id = ANY(${sql.param(sessionIds)}::uuid[]) ORDER BY id FOR UPDATE),
    done AS (
      DELETE FROM settlement.cancel_requests WHERE session_id = ANY(${sql.param(sessionIds)}::uuid[])
        AND (SELECT count(*) FROM locked) >= 0
        AND EXISTS (SELECT FROM settlement.ledgers)
      RETURNING session_id),
    cancelled AS (
      UPDATE checkout_sessions s SET cancel_at = tip.closed_at
      FROM done, (SELECT closed_at FROM settlement.ledgers ORDER BY sequence DESC LIMIT 1) tip
      WHERE s.id = done.session_id AND s.cancel_at IS NULL AND s.closed_through_ledger IS NULL
        AND s.status <> 'paid' AND s.legacy IS NOT TRUE
      RETURNING s.id, least(s.cancel_at, s.expires_at) AS deadline)
    UPDATE settlement.active_sessions a SET deadline = cancelled.deadline, wake_after = now()
    FROM cancelled WHERE a.session_id = cancelled.id`);
}
