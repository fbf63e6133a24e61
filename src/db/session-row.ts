/** A backend's row as text, before anything believes it. */
import { sql, type SQL } from 'drizzle-orm';
import { METADATA_BYTES } from '../domain/metadata.ts';
import { problemOfRow, type RowProblem, type SessionRowText } from '../domain/row-check.ts';
import type { Db } from './connection.ts';
import { looksLikeSession, over } from './predicates.ts';

/** JSON of a session `s`, as domain/row-check.ts wants it. JSON has no infinity and no NaN: both cross as text. */
export const ROW_TEXT: SQL = sql`json_build_object('price', s.amount::text,
  'assetCode', s.asset_code, 'assetIssuer', s.asset_issuer, 'receivingAccount', s.receiving_account,
  'memo', s.memo, 'createdAt', s.created_at, 'expiresAt', s.expires_at, 'cancelAt', s.cancel_at,
  'payment', (SELECT json_build_object('amount', p.amount::text, 'confirmedAt', p.confirmed_at)
    FROM payments p WHERE p.session_id = s.id AND p.superseded_by IS NULL LIMIT 1))`;

/** What no metadata of at most METADATA_BYTES of text is stored in: its smallest parts, `[1, 1, …`, take five times that. */
const SURELY_LARGE = METADATA_BYTES * 8;

/**
 * Whether the metadata of a session `s` is longer than METADATA_BYTES, as text: then it stays in the database. The stored
 * size is looked at first, which unpacks nothing.
 */
export const METADATA_TOO_LONG: SQL = sql.raw(
  `CASE WHEN pg_column_size(s.metadata) > ${SURELY_LARGE} THEN true
    ELSE coalesce(octet_length(s.metadata::text) > ${METADATA_BYTES}, false) END`,
);

/** What is wrong with the row of a session; null when it is a session, or when there is no such row. */
export async function rowProblem(db: Db, sessionId: string): Promise<RowProblem | null> {
  const { rows } = await db.execute<{ row: SessionRowText }>(
    sql`SELECT ${ROW_TEXT} AS row FROM checkout_sessions s WHERE s.id = ${sessionId}`,
  );
  return rows[0] === undefined ? null : problemOfRow(rows[0].row);
}

/** Rows looked at in one turn; which ones is left to chance, so that rows that stay wrong do not hide the others. */
const MOST_LOOKED_AT = 200;

/**
 * Sessions whose row was not one, whose backend has corrected it since, and that settle has not seen again: the attention is
 * open, or a person answered it and the session is not in the work list with its deadline.
 */
export async function correctedSessions(db: Db): Promise<string[]> {
  const { rows } = await db.execute<{ id: string; row: SessionRowText }>(sql`
    SELECT s.id, ${ROW_TEXT} AS row FROM settlement.attention t
    JOIN checkout_sessions s ON s.id = t.subject::uuid
    WHERE t.kind = 'not_a_session' AND ${looksLikeSession('s')} AND (t.resolved_at IS NULL
      OR (t.resolved_by <> 'settle' AND NOT ${over('s')} AND NOT EXISTS (
        SELECT FROM settlement.active_sessions a WHERE a.session_id = s.id AND a.deadline IS NOT NULL)))
    ORDER BY random() LIMIT ${MOST_LOOKED_AT}`);
  return [...new Set(rows.filter(({ row }) => problemOfRow(row) === null).map(({ id }) => id))];
}
