/**
 * The words of domain/terms.ts, domain/session.ts and domain/row-check.ts in SQL, over the session that the statement calls
 * by an alias. test/db/predicates.test.ts demands that both sides say the same of every row.
 */
import { sql, type SQL } from 'drizzle-orm';

/** The alias of checkout_sessions in a statement. */
type Alias = 's' | 'o';

/** OVER: paid, ended by us, or by an older backend whose ending settle stands by (domain/terms.ts isOver). */
export const over = (alias: Alias): SQL =>
  sql.raw(`(${alias}.status = 'paid' OR ${alias}.closed_through_ledger IS NOT NULL
    OR (${alias}.legacy IS TRUE AND ${alias}.status NOT IN ('pending', 'processing')))`);

/**
 * DEADLINE: the one by which it was decided; before that the session's own, or its cancellation where that is earlier
 * (domain/session.ts effectiveDeadline).
 */
export const deadline = (alias: Alias): SQL =>
  sql.raw(`coalesce(${alias}.final_deadline, least(${alias}.expires_at, ${alias}.cancel_at))`);

/** PRICE: above zero, within int64 stroops (domain/terms.ts readPrice). PostgreSQL sorts NaN above every number. */
export const hasPrice = (alias: Alias): SQL =>
  sql.raw(`(${alias}.amount > 0 AND ${alias}.amount <= 922337203685.4775807)`);

/** The instant exists: finite, in the years 1 to 9999 (domain/terms.ts readInstant). Null is not looked at. */
export const instantExists = (column: SQL): SQL =>
  sql`(${column} >= '0001-01-01T00:00:00Z' AND ${column} < '10000-01-01T00:00:00Z')`;

/**
 * The row is a session, as far as its own columns show without the checksums of its addresses (domain/row-check.ts
 * problemOfRow): a row that fails here is none; one that passes may still name an account that cannot be.
 */
export const looksLikeSession = (alias: Alias): SQL => {
  const column = (name: string) => sql.raw(`${alias}.${name}`);
  return sql`(${hasPrice(alias)}
    AND ${instantExists(column('expires_at'))} AND ${instantExists(column('created_at'))}
    AND coalesce(${instantExists(column('cancel_at'))}, true)
    AND ${column('asset_code')} ~ '^[a-zA-Z0-9]{1,12}$'
    AND coalesce(${column('asset_issuer')} ~ '^G[A-Z2-7]{55}$', true)
    AND ${column('receiving_account')} ~ '^G[A-Z2-7]{55}$'
    AND coalesce(octet_length(${column('memo')}) BETWEEN 1 AND 28 OR ${column('memo')} ~ '^[0-9a-f]{64}$', true))`;
};

/**
 * The deadline of a session in the work list: null once it is over, and for a row whose price or deadline is none,
 * which nothing can close.
 */
export const workListDeadline = (alias: Alias): SQL =>
  sql`CASE WHEN NOT ${over(alias)} AND ${hasPrice(alias)} AND ${instantExists(deadline(alias))}
    THEN ${deadline(alias)} END`;

/**
 * A person has been asked about the row, and has not been answered by its correction: reconciliation and discovery have
 * nothing more to do with it.
 */
export const askedAboutRow = (alias: Alias): SQL => sql`EXISTS (
  SELECT FROM settlement.attention asked WHERE asked.subject = ${sql.raw(alias)}.id::text
    AND asked.kind = 'not_a_session' AND asked.resolved_by IS DISTINCT FROM 'settle')`;

/**
 * The ledger payment that the statement calls `lp` was judged for a session, and that session is gone: its row was deleted, or
 * no longer names this account and reference. What became of the money, only a person can say.
 */
export const ORPHANED = sql`(lp.session_id IS NOT NULL AND NOT EXISTS (
  SELECT FROM checkout_sessions owner WHERE owner.id = lp.session_id AND CASE
    WHEN lp.assigned_to IS NOT NULL THEN owner.id = lp.assigned_to
    ELSE owner.receiving_account = lp.account AND owner.memo = lp.reference END))`;
