/**
 * Events that stand in the outbox and that no settle has made. A settle writes an event in the transaction that writes its fact,
 * together with a delivery for each endpoint that asks for it. An event without a delivery that is older than its fact was
 * inserted by another writer: it must not keep the true event from being sent.
 */
import { sql, type SQL } from 'drizzle-orm';

/** What the journal says of a session whose event was made again. */
export const MADE_AGAIN = 'event made again';

/** When the fact of the event `e` of the session `s` was written, by the database's clock; null: it is not written. */
const FACT_WRITTEN = sql`CASE
  -- A row that no settle has found yet has no event yet.
  WHEN e.type = 'payment.confirmed' THEN (SELECT CASE WHEN p.settled_at IS NOT NULL THEN p.created_at END FROM payments p
    WHERE p.session_id = s.id AND p.superseded_by IS NULL LIMIT 1)
  WHEN e.fact = 'ended' THEN (SELECT min(j.at) FROM settlement.session_journal j
    WHERE j.session_id = s.id AND j.ledger = s.closed_through_ledger)
  -- An event about several payments names none of them in its fact: it stands.
  WHEN e.fact LIKE 'together:%' THEN e.created_at
  ELSE (SELECT lp.decided_at FROM settlement.ledger_payments lp
    WHERE lp.tx_hash = split_part(e.fact, ':', 1) AND lp.op_index::text = split_part(e.fact, ':', 2)
      AND lp.sub_index::text = split_part(e.fact, ':', 3)) END`;

/**
 * Of a session `s`: `type` and `fact` of such events, as a JSON list or null. One that was made again within the last minute is
 * left out: where its delivery cannot be written, a session must not be settled in a circle.
 */
export const UNSENT_EVENTS: SQL = sql`(
  SELECT json_agg(e.type || ' ' || e.fact) FROM settlement.events e
  -- Both sides are read once, however many they are.
  WHERE e.id IN (SELECT o.id FROM settlement.events o WHERE o.session_id = s.id
    EXCEPT SELECT d.event_id FROM webhook_deliveries d WHERE d.session_id = s.id)
    AND e.created_at < coalesce(${FACT_WRITTEN}, 'infinity')
    AND NOT EXISTS (SELECT FROM settlement.session_journal j WHERE j.session_id = s.id
      AND j.cause = ${sql.raw(`'${MADE_AGAIN}'`)} AND j.at > now() - interval '1 minute'))`;
