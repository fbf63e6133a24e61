/**
 * The lines in which a session's deliveries wait, one for each endpoint. Everything here reads as many rows as there are
 * endpoints, however many deliveries wait: the index webhook_deliveries_waiting leads from one line to the next.
 */
import { sql, type SQL, type SQLWrapper } from 'drizzle-orm';

/** A delivery of ours that is neither accepted nor given up; `d` is its alias. The index says the same. */
export const isOpen = (d: string): SQL =>
  sql.raw(`${d}.event_id IS NOT NULL AND ${d}.status IN ('pending', 'failed')`);

/** The endpoints at which a delivery of the session is open: rows of one column, `endpoint_id`. */
export const openLines = (session: SQLWrapper): SQL => sql`(
  WITH RECURSIVE line AS (
    (SELECT d.endpoint_id FROM webhook_deliveries d
      WHERE d.session_id = ${session} AND ${isOpen('d')} ORDER BY d.endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.endpoint_id FROM webhook_deliveries d
      WHERE d.session_id = ${session} AND ${isOpen('d')} AND d.endpoint_id > line.endpoint_id
      ORDER BY d.endpoint_id LIMIT 1)
    FROM line WHERE line.endpoint_id IS NOT NULL)
  SELECT endpoint_id FROM line WHERE endpoint_id IS NOT NULL)`;

/**
 * Whether the session's payment.confirmed waits behind the delivery with the alias `d`. It is asked for by its event, of
 * which a session has one.
 */
export const confirmedWaits = (d: string): SQL => sql`EXISTS (
  SELECT FROM settlement.events c JOIN webhook_deliveries o ON o.event_id = c.id
  WHERE c.session_id = ${sql.raw(d)}.session_id AND c.type = 'payment.confirmed'
    AND o.endpoint_id = ${sql.raw(d)}.endpoint_id AND o.delivery_id <> ${sql.raw(d)}.delivery_id AND ${isOpen('o')})`;

/** When the delivery with the alias `d` was first tried since it was made or asked for again. */
export const firstAttemptAt = (d: string): SQL => sql`(
  SELECT min(since.started_at) FROM (
    SELECT t.started_at FROM settlement.delivery_attempts t WHERE t.delivery_id = ${sql.raw(d)}.delivery_id
    ORDER BY t.attempt DESC LIMIT ${sql.raw(d)}.attempts) since)`;
