/**
 * What is read of the ledger for an account and an asset. Two grades, by what each rests on:
 * - *proven*: ledgers read whole, and ledgers in which the entry did not move. Endings rest on it alone.
 * - *read*: the same, the overlapping pages of the account, and holes that nothing can fill. Crediting rests on it.
 */
import { sql, type SQL } from 'drizzle-orm';
import type { Unmoved } from '../domain/evidence.ts';
import type { Db } from './connection.ts';

/** The asset of the session that the statement calls `s`, as domain/asset.ts assetKey has it. */
export const ASSET_KEY = sql`CASE WHEN s.asset_issuer IS NULL AND s.asset_code = 'XLM' THEN 'native'
  ELSE s.asset_code || ':' || coalesce(s.asset_issuer, '') END`;

/** The asset under which coverage holds for every asset of an account. */
export const EVERY_ASSET = '*';

/** Ledgers of which it is proven what they brought `account` in `asset`, as a set. */
export function proven(account: SQL, asset: SQL): SQL {
  return sql`(
    coalesce((SELECT range_agg(c.ledgers) FROM settlement.coverage c
      WHERE c.account = ${account} AND c.asset IN ('*', ${asset})), '{}')
    + coalesce((SELECT int8multirange(int8range(wn.network_from, n.through_ledger + 1))
      FROM settlement.watched_accounts wn, settlement.network_reading n
      WHERE wn.account = ${account} AND wn.network_from <= n.through_ledger), '{}'))`;
}

/** Ledgers that crediting may rest on besides the proven ones, as a set. */
export function readOnly(account: SQL): SQL {
  return sql`(
    coalesce((SELECT wr.read_ledgers FROM settlement.watched_accounts wr
      WHERE wr.account = ${account}), '{}')
    + coalesce((SELECT range_agg(h.ledgers) FROM settlement.history_holes h
      WHERE h.account = ${account} AND ${isHole(sql`h`)}), '{}'))`;
}

/**
 * What one node does not show, another may: only what was asked for again this long after, and not shown then either,
 * counts as a hole.
 */
const HOLE_AFTER = sql.raw("interval '10 minutes'");

/** Whether a row of history_holes, which the statement calls `hole`, has stood for long enough. */
export function isHole(hole: SQL): SQL {
  return sql`${hole}.asked_at > ${hole}.noted_at + ${HOLE_AFTER}`;
}

/** The last ledger up to which a set has no hole after `after`; `after` itself where the set begins later. */
export function through(set: SQL, after: SQL): SQL {
  return sql`coalesce((SELECT upper(r) - 1 FROM unnest(${set}) AS r WHERE r @> ${after} + 1), ${after})`;
}

/**
 * The first ledger of the chain that closed strictly after an instant, and lies behind the opening of the session; null
 * while there is none. Before the opening the chain may grow backwards, and the ledger of an ending must not depend on
 * how far it has.
 */
export function firstLedgerAfter(instant: SQL, openedAfter: SQL): SQL {
  return sql`(SELECT le.sequence FROM settlement.ledgers le
    WHERE le.closed_at > ${instant} AND le.sequence > coalesce(${openedAfter}, 0)
    ORDER BY le.closed_at, le.sequence LIMIT 1)`;
}

/**
 * Sessions in the work list whose effective deadline the chain has passed, and where their reading begins; null where
 * nothing dates that, or the session is over. PostgreSQL takes half a range for a third of the table, and a whole one
 * for a two-hundredth (DEFAULT_RANGE_INEQ_SEL), as it is; a join would read every session for these few.
 */
export const OVER_BY_NOW = sql`(
  SELECT d.session_id, d.merchant_id, d.account, d.asset, d.deadline, (
    SELECT o.opened_after FROM checkout_sessions o WHERE o.id = d.session_id
      AND o.closed_through_ledger IS NULL AND o.status <> 'paid') AS opened_after
  FROM settlement.active_sessions d WHERE d.deadline BETWEEN '-infinity' AND
    (SELECT max(closed_at) - interval '1 microsecond' FROM settlement.ledgers) OFFSET 0)`;

/** Coverage older than this many ledgers before the newest is kept only where a session in care still needs it. */
const KEPT_LEDGERS = 120_960;

/**
 * Adds ledgers to what is proven of one account and asset. The order of adding does not matter. What no session in care
 * can need any more is forgotten, so that the set stays small however often the account moves.
 */
export async function addCoverage(
  tx: Db,
  accounts: readonly string[],
  asset: string,
  { from, through: to }: { from: number; through: number },
): Promise<void> {
  if (to < from || accounts.length === 0) return;
  await tx.execute(sql`
    INSERT INTO settlement.coverage AS c (account, asset, ledgers)
    SELECT account, ${asset}, int8multirange(int8range(${from}, ${to + 1}))
    FROM unnest(${sql.param(accounts)}::text[]) AS account ORDER BY account
    ON CONFLICT (account, asset) DO UPDATE SET ledgers = (c.ledgers + excluded.ledgers)
      * int8multirange(int8range(least(${to - KEPT_LEDGERS}::bigint, (
          SELECT min(s.opened_after) FROM settlement.active_sessions a
          JOIN checkout_sessions s ON s.id = a.session_id
          WHERE a.account = c.account AND a.deadline IS NOT NULL)), NULL))`);
}

/** Adds the ledgers in which the entry of an asset did not move, as far as the chain is known. */
export async function storeUnmoved(
  db: Db,
  account: string,
  { asset, since, through: to }: Unmoved,
  newest: number,
): Promise<void> {
  await addCoverage(db, [account], asset, { from: since + 1, through: Math.min(to, newest) });
}
