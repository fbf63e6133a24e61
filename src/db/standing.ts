/** How the whole stands now, for dashboards and alerts: what waits, for how long, and what is wrong. Reads only. */
import { sql } from 'drizzle-orm';
import type { Db } from './connection.ts';
import { proven, readOnly } from './coverage.ts';

/** Numbers that an operator watches. Ages in seconds; 0 when there is nothing. */
export type Standing = {
  /** Deliveries that are to be sent now. */
  readonly eventsDue: number;
  /** How long the oldest of them has been due. */
  readonly oldestEventDue: number;
  /** Dead letters that nobody has asked to send again. */
  readonly deadLetters: number;
  /** Ledger payments without a verdict. */
  readonly undecided: number;
  readonly openSessions: number;
  /** Since any account was read; 0 when none is watched. */
  readonly sinceReading: number;
  /** When a run of reconciliation last ended; before the first, when a worker first ran. Seconds since 1970; null: neither. */
  readonly reconciledAt: number | null;
  /** What needs a person, by kind. */
  readonly attention: Readonly<Record<string, number>>;
  /** Watched accounts that cannot be read. */
  readonly unreadable: number;
  /** By account with open sessions: how far the proven reading is behind the clock, where that is over two minutes. */
  readonly coverageLag: Readonly<Record<string, number>>;
};

/** Coverage that is this much behind is not worth a word: evidence is taken once a minute. */
const WORTH_TELLING_S = 120;
/** Accounts told by name; a dashboard with more tells nobody anything. */
const MOST_ACCOUNTS = 50;

/** Reads all of it in one statement. */
export async function readStanding(db: Db): Promise<Standing> {
  const { rows } = await db.execute<{ standing: Standing }>(sql`
    SELECT json_build_object(
      'eventsDue', due.n, 'oldestEventDue', coalesce(extract(epoch FROM now() - due.oldest), 0)::float8,
      'deadLetters', (SELECT count(*) FROM webhook_dead_letters WHERE retried_at IS NULL),
      'undecided', (SELECT count(*) FROM settlement.undecided_payments),
      'openSessions', (SELECT count(*) FROM settlement.active_sessions WHERE deadline IS NOT NULL),
      'sinceReading', coalesce((SELECT extract(epoch FROM now() - greatest(max(read_at),
          (SELECT read_at FROM settlement.network_reading))) FROM settlement.watched_accounts), 0)::float8,
      'reconciledAt', (SELECT extract(epoch FROM coalesce(
          (SELECT r.finished_at FROM settlement.reconcile_runs r ORDER BY r.id DESC LIMIT 1), n.adopted_at))::float8
        FROM settlement.network n),
      'attention', coalesce((SELECT json_object_agg(kind, n) FROM (SELECT kind, count(*) AS n
        FROM settlement.attention WHERE resolved_at IS NULL GROUP BY kind) a), '{}'),
      'unreadable', (SELECT count(*) FROM settlement.watched_accounts WHERE problem IS NOT NULL),
      'coverageLag', coalesce((SELECT json_object_agg(account, lag) FROM (
        SELECT a.account, max(extract(epoch FROM now() - covered.at))::float8 AS lag
        FROM (SELECT DISTINCT account, asset FROM settlement.active_sessions WHERE deadline IS NOT NULL) a
        CROSS JOIN LATERAL (SELECT upper(${proven(sql`a.account`, sql`a.asset`)} + ${readOnly(sql`a.account`)}) - 1 AS ledger) t
        LEFT JOIN LATERAL (SELECT le.closed_at AS at FROM settlement.ledgers le WHERE le.sequence <= t.ledger
          ORDER BY le.sequence DESC LIMIT 1) covered ON true
        GROUP BY a.account
        HAVING max(extract(epoch FROM now() - covered.at)) > ${WORTH_TELLING_S}
        ORDER BY lag DESC LIMIT ${MOST_ACCOUNTS}) l), '{}')) AS standing
    FROM (SELECT count(*) AS n, min(coalesce(d.next_retry_at, d.created_at)) AS oldest
      FROM webhook_deliveries d LEFT JOIN settlement.endpoint_state e ON e.endpoint_id = d.endpoint_id
      WHERE d.status IN ('pending', 'failed') AND d.event_id IS NOT NULL
        AND coalesce(d.next_retry_at, d.created_at) <= now()
        AND (e.paused_until IS NULL OR e.paused_until < now())) due`);
  const [row] = rows;
  if (row === undefined) throw new Error('PostgreSQL gave no row for a SELECT without FROM.');
  return row.standing;
}
