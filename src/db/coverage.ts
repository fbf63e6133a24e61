/**
 * How far the ledger is covered, from three kinds of reading: of the account page by page, of one asset by its ledger
 * entry, of the network ledger by ledger. The last one counts where it joins on without a gap.
 */
import { sql } from 'drizzle-orm';

/** The asset of the session that the statement calls `s`, as domain/asset.ts assetKey has it. */
export const ASSET_KEY = sql`CASE WHEN s.asset_issuer IS NULL AND s.asset_code = 'XLM' THEN 'native'
  ELSE s.asset_code || ':' || coalesce(s.asset_issuer, '') END`;

/** To be joined where the statement calls the account `w` (watched_accounts) and its asset's coverage `c`. */
export const JOIN_NETWORK = sql`
  LEFT JOIN settlement.network_reading n
    ON w.network_from <= greatest(w.through_ledger, c.through_ledger) + 1`;

/** The last ledger that is covered. */
export const THROUGH_LEDGER = sql`greatest(w.through_ledger, c.through_ledger, n.through_ledger)`;

/** The close time through which everything is in the inbox. */
export const THROUGH_TIME = sql`greatest(w.through_time, c.through_time, n.through_time)`;
