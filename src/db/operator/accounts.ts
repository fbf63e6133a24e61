/** Watched accounts: how far each is proven to be read, and a person's hand on which are. */
import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { Refusal } from '../../domain/failure.ts';
import type { Db } from '../connection.ts';
import { proven, readOnly } from '../coverage.ts';
import { serializable } from '../serializable.ts';
import { registerAccount, type Registration } from '../watching.ts';
import { writeDown, type By } from './decision.ts';

/** An account as it stands. Ledgers are sequence numbers, times ISO 8601. */
export type Account = {
  readonly account: string;
  /** What is read without a hole up to now, from this ledger on; null while nothing is. */
  readonly fromLedger: number | null;
  readonly throughLedger: number;
  /** When that ledger closed; null where the chain does not know it. */
  readonly throughTime: string | null;
  readonly readAt: string | null;
  readonly openSessions: number;
  /** Records that could not be read; one holds back every ending. */
  readonly parked: number;
  /** Why it cannot be read now; null while all is well. */
  readonly problem: string | null;
};

/** What is proven of one asset: the last ledgers without a hole, as endings need it. */
export type AssetCoverage = {
  readonly asset: string;
  readonly fromLedger: number;
  readonly throughLedger: number;
};

const READ = sql`(SELECT r FROM unnest(${proven(sql`w.account`, sql`'*'`)} + ${readOnly(sql`w.account`)}
  + coalesce((SELECT range_agg(c.ledgers) FROM settlement.coverage c WHERE c.account = w.account), '{}')) AS r
  ORDER BY r DESC LIMIT 1)`;

/** Every watched account, the one that is furthest behind first; or one. */
export async function accounts(db: Db, account: string | null = null): Promise<Account[]> {
  const { rows } = await db.execute<Account & { readAt: string | null }>(sql`
    SELECT w.account, lower(read.r)::int AS "fromLedger",
      greatest(upper(read.r) - 1, w.through_ledger)::int AS "throughLedger",
      (SELECT to_char(le.closed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') FROM settlement.ledgers le
        WHERE le.sequence = greatest(upper(read.r) - 1, w.through_ledger)) AS "throughTime",
      w.read_at::text AS "readAt", w.problem,
      (SELECT count(*)::int FROM settlement.active_sessions a
        WHERE a.account = w.account AND a.deadline IS NOT NULL) AS "openSessions",
      (SELECT count(*)::int FROM settlement.parked_records r
        WHERE r.account = w.account AND r.resolved_at IS NULL) AS parked
    FROM settlement.watched_accounts w CROSS JOIN LATERAL (SELECT ${READ} AS r) read
    WHERE ${account}::text IS NULL OR w.account = ${account}
    ORDER BY w.problem IS NULL, "throughLedger", w.account`);
  return rows.map((row) => ({
    ...row,
    readAt: row.readAt === null ? null : new Date(row.readAt).toISOString(),
  }));
}

/** One account with what is proven of single assets. @throws Refusal InvalidInput when it is not watched */
export async function showAccount(
  db: Db,
  account: string,
): Promise<Account & { readonly assets: readonly AssetCoverage[] }> {
  const [found] = await accounts(db, account);
  if (!found) {
    throw new Refusal('InvalidInput', `The account ${account} is not watched.`, 'account');
  }
  const { rows } = await db.execute<AssetCoverage>(sql`
    SELECT c.asset, lower(last.r)::int AS "fromLedger", (upper(last.r) - 1)::int AS "throughLedger"
    FROM settlement.coverage c
    CROSS JOIN LATERAL (SELECT r FROM unnest(c.ledgers) AS r ORDER BY r DESC LIMIT 1) last
    WHERE c.account = ${account} ORDER BY c.asset`);
  return { ...found, assets: rows };
}

/** Begins to watch an account before it has a session; one that is watched already stays as it is. */
export async function addAccount(
  pool: Pool,
  registration: Registration,
  by: By,
): Promise<Account & { readonly isNew: boolean }> {
  const { account, start } = registration;
  const { value } = await serializable(pool, async (tx) => {
    const [known] = await accounts(tx, account);
    if (known) return { ...known, isNew: false };
    await registerAccount(tx, registration);
    const subject = `account ${account}`;
    await writeDown(tx, by, {
      action: 'account added',
      subject,
      detail: { afterLedger: start.afterLedger },
    });
    const [made] = await accounts(tx, account);
    if (!made) throw new Error(`Account ${account} was added and is not there.`);
    return { ...made, isNew: true };
  });
  return value;
}
