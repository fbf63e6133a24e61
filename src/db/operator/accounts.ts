/** Watched accounts: how far each is proven to be read, and a person's hand on which are. */
import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { Refusal } from '../../domain/failure.ts';
import type { Db } from '../connection.ts';
import { JOIN_NETWORK, THROUGH_LEDGER, THROUGH_TIME } from '../coverage.ts';
import { serializable } from '../serializable.ts';
import { registerAccount, type Registration } from '../watching.ts';
import { writeDown, type By } from './decision.ts';

/** An account as it stands. Ledgers are sequence numbers, times ISO 8601. */
export type Account = {
  readonly account: string;
  /** Coverage: everything between is in the inbox, whatever the asset. */
  readonly fromLedger: number;
  readonly throughLedger: number;
  readonly throughTime: string;
  readonly readAt: string | null;
  readonly openSessions: number;
  /** Records that could not be read; one holds back every ending. */
  readonly parked: number;
  /** Why it cannot be read now; null while all is well. */
  readonly problem: string | null;
};

/** Coverage of one asset, where its entry proves more than the pages did. */
export type AssetCoverage = Pick<Account, 'throughLedger' | 'throughTime'> & {
  readonly asset: string;
};

/** Every watched account, the one that is furthest behind first; or one. */
export async function accounts(db: Db, account: string | null = null): Promise<Account[]> {
  const { rows } = await db.execute<Account & { throughTime: string; readAt: string | null }>(sql`
    SELECT w.account, w.from_ledger::int AS "fromLedger", (${THROUGH_LEDGER})::int AS "throughLedger",
      (${THROUGH_TIME})::text AS "throughTime", w.read_at::text AS "readAt", w.problem,
      (SELECT count(*)::int FROM settlement.active_sessions a
        WHERE a.account = w.account AND a.deadline IS NOT NULL) AS "openSessions",
      (SELECT count(*)::int FROM settlement.parked_records r
        WHERE r.account = w.account AND r.resolved_at IS NULL) AS parked
    FROM settlement.watched_accounts w
    LEFT JOIN settlement.asset_coverage c ON false
    ${JOIN_NETWORK}
    WHERE ${account}::text IS NULL OR w.account = ${account}
    ORDER BY w.problem IS NULL, (${THROUGH_TIME}), w.account`);
  return rows.map((row) => ({
    ...row,
    throughTime: new Date(row.throughTime).toISOString(),
    readAt: row.readAt === null ? null : new Date(row.readAt).toISOString(),
  }));
}

/** One account with what is proven of single assets. @throws Refusal InvalidInput when nobody watches it */
export async function showAccount(
  db: Db,
  account: string,
): Promise<Account & { readonly assets: readonly AssetCoverage[] }> {
  const [found] = await accounts(db, account);
  if (!found) {
    throw new Refusal('InvalidInput', `Nobody watches the account ${account}.`, 'account');
  }
  const { rows } = await db.execute<AssetCoverage>(sql`
    SELECT asset, through_ledger::int AS "throughLedger", through_time::text AS "throughTime"
    FROM settlement.asset_coverage WHERE account = ${account} ORDER BY asset`);
  const assets = rows.map((row) => ({
    ...row,
    throughTime: new Date(row.throughTime).toISOString(),
  }));
  return { ...found, assets };
}

/** Begins to watch an account before it has a session; one that is watched already stays as it is. */
export async function addAccount(
  pool: Pool,
  registration: Registration,
  by: By,
): Promise<Account & { readonly isNew: boolean }> {
  const { account, fromLedger } = registration;
  const { value } = await serializable(pool, async (tx) => {
    const [known] = await accounts(tx, account);
    if (known) return { ...known, isNew: false };
    await registerAccount(tx, registration);
    const subject = `account ${account}`;
    await writeDown(tx, by, { action: 'account added', subject, detail: { fromLedger } });
    const [made] = await accounts(tx, account);
    if (!made) throw new Error(`Account ${account} was added and is not there.`);
    return { ...made, isNew: true };
  });
  return value;
}
