/** The chain of ledgers: what closed when, each ledger named by the one after it. */
import { sql } from 'drizzle-orm';
import type { HeaderRun, LedgerHeader } from '../domain/evidence.ts';
import type { Database, Db } from './connection.ts';
import { EVERY_ASSET } from './coverage.ts';
import { inTransaction } from './inbox.ts';

/** A ledger with everything that is needed to read it whole; the days that are kept are `pruneLedgers`'. */
type LedgerRow = {
  sequence: string;
  hash: string;
  prev_hash: string | null;
  closed_at: string;
  operation_count: number;
};

const COLUMNS = sql`sequence, hash, prev_hash, closed_at::text, operation_count`;

function toHeader(row: LedgerRow): LedgerHeader {
  return {
    sequence: Number(row.sequence),
    hash: row.hash,
    previousHash: row.prev_hash ?? '',
    closedAt: new Date(row.closed_at),
    operationCount: row.operation_count,
  };
}

/** The newest ledger of the chain; null before the first. */
export async function newestLedger(db: Db): Promise<LedgerHeader | null> {
  const { rows } = await db.execute<LedgerRow>(
    sql`SELECT ${COLUMNS} FROM settlement.ledgers ORDER BY sequence DESC LIMIT 1`,
  );
  return rows[0] === undefined ? null : toHeader(rows[0]);
}

/** The first ledger of the chain's newest unbroken piece: where it can be extended backwards. */
export async function firstLedger(db: Db): Promise<LedgerHeader | null> {
  const { rows } = await db.execute<LedgerRow>(
    sql`SELECT ${COLUMNS} FROM settlement.ledgers WHERE prev_hash IS NULL ORDER BY sequence DESC LIMIT 1`,
  );
  return rows[0] === undefined ? null : toHeader(rows[0]);
}

/** Headers of the chain, in order; those that it lacks are left out. */
export async function ledgerHeaders(db: Db, sequences: readonly number[]): Promise<LedgerHeader[]> {
  const { rows } = await db.execute<LedgerRow>(sql`
    SELECT ${COLUMNS} FROM settlement.ledgers
    WHERE sequence = ANY(${sql.param(sequences)}::bigint[]) ORDER BY sequence`);
  return rows.map(toHeader);
}

/** The last ledger of the chain that closed before `time`; null when the chain begins later. */
export async function lastLedgerBefore(db: Db, time: Date): Promise<LedgerHeader | null> {
  const { rows } = await db.execute<LedgerRow>(sql`
    SELECT ${COLUMNS} FROM settlement.ledgers WHERE closed_at < ${time.toISOString()}
    ORDER BY closed_at DESC, sequence DESC LIMIT 1`);
  return rows[0] === undefined ? null : toHeader(rows[0]);
}

/**
 * Stores ledgers that are chained to what is stored. The foreign key refuses one that does not fit; one that is there
 * already stays, with the larger count (a node that filters counts too few). Whatever was read whole by a smaller count
 * is withdrawn with it. `isAnchor`: nothing before it is known.
 */
export async function storeRun(
  { db, pool }: Pick<Database, 'db' | 'pool'>,
  run: HeaderRun,
  { isAnchor = false } = {},
): Promise<void> {
  if (run.headers.length === 0) return;
  if ((await countedTooFew(db, run.headers)).length === 0) {
    return storeHeaders(db, run.headers, isAnchor);
  }
  await inTransaction(pool, async (tx) => {
    // First, as storeLedger does.
    await tx.execute(sql`SELECT FROM settlement.network_reading FOR UPDATE`);
    const grown = await countedTooFew(tx, run.headers);
    await storeHeaders(tx, run.headers, isAnchor);
    for (const ledger of grown) await withdraw(tx, ledger);
  });
}

/** Ledgers of the chain whose stored count is smaller than the one shown now. */
async function countedTooFew(db: Db, headers: readonly LedgerHeader[]): Promise<number[]> {
  const shown = headers.map((h) => ({
    sequence: h.sequence,
    hash: h.hash,
    operation_count: h.operationCount,
  }));
  const { rows } = await db.execute<{ sequence: string }>(sql`
    SELECT known.sequence FROM jsonb_to_recordset(${JSON.stringify(shown)}::jsonb)
      AS x(sequence bigint, hash text, operation_count int)
    JOIN settlement.ledgers known ON known.sequence = x.sequence AND known.hash = x.hash
    WHERE known.operation_count < x.operation_count ORDER BY known.sequence`);
  return rows.map(({ sequence }) => Number(sequence));
}

/**
 * Takes back that a ledger was read whole, for every account, and asks for it to be read once more. What the entries of
 * accounts prove stays: they rest on no count. The caller holds the network's reading, and has raised the count.
 */
async function withdraw(tx: Db, ledger: number): Promise<void> {
  // The reading of the network is one interval: what it covers is written into the accounts, which join it anew behind it.
  await tx.execute(sql`
    INSERT INTO settlement.coverage AS c (account, asset, ledgers)
    SELECT w.account, ${EVERY_ASSET}, int8multirange(int8range(w.network_from, n.through_ledger + 1))
    FROM settlement.watched_accounts w, settlement.network_reading n
    WHERE ${ledger}::bigint BETWEEN w.network_from AND n.through_ledger ORDER BY w.account
    ON CONFLICT (account, asset) DO UPDATE SET ledgers = c.ledgers + excluded.ledgers`);
  await tx.execute(sql`
    UPDATE settlement.watched_accounts w SET network_from = n.through_ledger + 1
    FROM settlement.network_reading n WHERE ${ledger}::bigint BETWEEN w.network_from AND n.through_ledger`);
  await tx.execute(sql`
    WITH withdrawn AS (
      UPDATE settlement.coverage c SET ledgers = c.ledgers - int8multirange(int8range(${ledger}, ${ledger + 1}))
      WHERE c.asset = ${EVERY_ASSET} AND c.ledgers @> ${ledger}::bigint RETURNING c.account)
    INSERT INTO settlement.recounted_ledgers (ledger, account)
    SELECT ${ledger}, account FROM withdrawn ON CONFLICT DO NOTHING`);
}

/** Ledgers read again at once for this reason: three minutes of them. */
const MOST_READ_AGAIN = 36;

/**
 * Ledgers that are to be read once more because their count has grown, with the accounts they were read for. Which of them
 * is left to chance, so that some that no node shows do not hide the others.
 */
export async function recountedLedgers(
  db: Db,
): Promise<{ readonly sequence: number; readonly accounts: readonly string[] }[]> {
  const { rows } = await db.execute<{ ledger: string; accounts: string[] }>(sql`
    SELECT ledger, array_agg(account ORDER BY account) AS accounts FROM settlement.recounted_ledgers
    GROUP BY ledger ORDER BY random() LIMIT ${MOST_READ_AGAIN}`);
  return rows.map(({ ledger, accounts }) => ({ sequence: Number(ledger), accounts }));
}

/** Begins the chain, or begins it anew behind a gap: believed as it is, since nothing before it is known. */
export async function storeAnchor(db: Db, header: LedgerHeader): Promise<void> {
  await storeHeaders(db, [header], true);
}

async function storeHeaders(
  db: Db,
  headers: readonly LedgerHeader[],
  isAnchor: boolean,
): Promise<void> {
  const document = JSON.stringify(
    headers.map((h, i) => ({
      sequence: h.sequence,
      hash: h.hash,
      prev_hash: isAnchor && i === 0 ? null : h.previousHash,
      closed_at: h.closedAt,
      operation_count: h.operationCount,
    })),
  );
  await db.execute(sql`
    INSERT INTO settlement.ledgers AS known (sequence, hash, prev_hash, closed_at, operation_count)
    SELECT sequence, hash, prev_hash, closed_at, operation_count
    FROM jsonb_to_recordset(${document}::jsonb) AS x(sequence bigint, hash text, prev_hash text,
      closed_at timestamptz, operation_count int)
    ON CONFLICT (sequence) DO UPDATE SET
      operation_count = greatest(known.operation_count, excluded.operation_count),
      prev_hash = coalesce(known.prev_hash, excluded.prev_hash)
    WHERE known.hash = excluded.hash AND (known.operation_count < excluded.operation_count
      OR (known.prev_hash IS NULL AND excluded.prev_hash IS NOT NULL))`);
}

/** How long headers are kept: longer than any session that Horizon can still be asked about within its usual budget. */
const KEPT = '30 days';

/** Forgets headers that no session in care can need any more. Returns how many. */
export async function pruneLedgers(db: Db): Promise<number> {
  const { rows } = await db.execute<{ n: number }>(sql`
    WITH bound AS (
      SELECT least((SELECT max(closed_at) FROM settlement.ledgers) - ${KEPT}::interval, (
        SELECT l.closed_at FROM settlement.ledgers l WHERE l.sequence >= (
          SELECT min(s.opened_after) FROM settlement.active_sessions a
          JOIN checkout_sessions s ON s.id = a.session_id WHERE a.deadline IS NOT NULL)
        ORDER BY l.sequence LIMIT 1)) AS at),
    first AS (SELECT l.sequence FROM settlement.ledgers l, bound WHERE l.closed_at >= bound.at
      ORDER BY l.sequence LIMIT 1),
    anchored AS (UPDATE settlement.ledgers l SET prev_hash = NULL FROM first
      WHERE l.sequence = first.sequence AND l.prev_hash IS NOT NULL),
    unread AS (DELETE FROM settlement.recounted_ledgers r USING first WHERE r.ledger < first.sequence),
    gone AS (DELETE FROM settlement.ledgers l USING first WHERE l.sequence < first.sequence RETURNING 1)
    SELECT count(*)::int AS n FROM gone`);
  return rows[0]?.n ?? 0;
}
