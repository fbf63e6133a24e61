import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { Decoded, WholeLedger } from '../domain/evidence.ts';
import type { AccountPage } from '../domain/account-page.ts';
import {
  ledgerPaymentKey,
  type LedgerPayment,
  type UndecodedRecord,
} from '../domain/ledger-payment.ts';
import { reasonOf } from '../domain/failure.ts';
import { formatAmount } from '../domain/money.ts';
import { storableJson } from '../domain/text.ts';
import { onClient, type Db } from './connection.ts';
import { addCoverage, EVERY_ASSET } from './coverage.ts';
import { endHoles } from './holes.ts';
import { CommitRefused, underContention } from './serializable.ts';
import { classify } from './sqlstate.ts';

/** Rows of the inbox: payments, and records that could not be read. */
export type Findings = Decoded;

/**
 * Stores a page of an account: rows and progress in one transaction. Returns false, and stores nothing, when the reading
 * does not stand where this page begins (another watcher was faster). A row that cannot be stored is parked.
 */
export async function storePage(pool: Pool, page: AccountPage): Promise<boolean> {
  const { account, start, next, throughLedger } = page;
  return inTransaction(pool, async (tx) => {
    const moved = await tx.execute(sql`
      UPDATE settlement.watched_accounts SET known_record = ${next.known}, through_ledger = ${next.afterLedger},
        read_ledgers = read_ledgers + CASE WHEN ${throughLedger}::bigint > ${start.afterLedger}::bigint
          THEN int8multirange(int8range(${start.afterLedger + 1}, ${throughLedger + 1})) ELSE '{}' END,
        read_at = now(), problem = NULL
      WHERE account = ${account} AND through_ledger = ${start.afterLedger}
        AND known_record IS NOT DISTINCT FROM ${start.known}`);
    if (moved.rowCount === 0) return false;
    await storeRecords(tx, page);
    return true;
  });
}

/**
 * Stores a ledger that was read whole for some accounts: rows and coverage in one transaction. Returns the new rows. By a
 * count that has grown meanwhile it is not whole: its rows are stored, and prove nothing.
 */
export async function storeWhole(pool: Pool, whole: WholeLedger): Promise<number> {
  return inTransaction(pool, async (tx) => {
    const stored = await storeRecords(tx, whole);
    const { sequence } = whole;
    if (await hasGrown(tx, whole)) return stored;
    await addCoverage(tx, [...whole.accounts], EVERY_ASSET, { from: sequence, through: sequence });
    await endHoles(tx, [...whole.accounts], sequence);
    await tx.execute(sql`
      DELETE FROM settlement.recounted_ledgers
      WHERE ledger = ${sequence} AND account = ANY(${sql.param([...whole.accounts])}::text[])`);
    return stored;
  });
}

/**
 * Whether the chain counts more operations in a ledger than it was read by. Until the transaction ends the count stays:
 * \`storeRun\` withdraws what is committed before it grows.
 */
export async function hasGrown(tx: Db, whole: WholeLedger): Promise<boolean> {
  const { rows } = await tx.execute<{ has_grown: boolean }>(sql`
    SELECT operation_count > ${whole.operationCount} AS has_grown
    FROM settlement.ledgers WHERE sequence = ${whole.sequence} FOR SHARE`);
  return rows[0]?.has_grown ?? false;
}

/** Stores rows that were decoded anew (`settle payments parked`). They are no coverage. Returns how many were new. */
export async function storeFindings(pool: Pool, findings: Findings): Promise<number> {
  if (findings.payments.length === 0 && findings.undecoded.length === 0) return 0;
  return inTransaction(pool, (tx) => storeRecords(tx, findings));
}

/** Of these ledger payments, those that the inbox lacks. */
export async function missingPayments(
  db: Db,
  payments: readonly LedgerPayment[],
): Promise<LedgerPayment[]> {
  if (payments.length === 0) return [];
  const { rows } = await db.execute<{ key: string }>(sql`
    SELECT concat_ws(':', tx_hash, op_index, sub_index) AS key
    FROM jsonb_populate_recordset(NULL::settlement.ledger_payments, ${JSON.stringify(payments.map(row))}::jsonb) p
    WHERE NOT EXISTS (SELECT FROM settlement.ledger_payments lp
      WHERE (lp.tx_hash, lp.op_index, lp.sub_index) = (p.tx_hash, p.op_index, p.sub_index))`);
  const missing = new Set(rows.map(({ key }) => key));
  return payments.filter((p) => missing.has(ledgerPaymentKey(p)));
}

/** Stores records that no other row holds yet, inside the caller's transaction. */
export async function storeRecords(tx: Db, findings: Findings): Promise<number> {
  await park(tx, findings.undecoded);
  if (findings.payments.length === 0) return 0;
  try {
    await tx.execute(sql`SAVEPOINT page`);
    return await insertPayments(tx, findings.payments);
  } catch (error) {
    if (classify(error) !== 'permanent') throw error;
    await tx.execute(sql`ROLLBACK TO SAVEPOINT page`);
    return insertOneByOne(tx, findings.payments);
  }
}

async function insertOneByOne(tx: Db, payments: readonly LedgerPayment[]): Promise<number> {
  let stored = 0;
  for (const payment of payments) {
    try {
      await tx.execute(sql`SAVEPOINT record`);
      stored += await insertPayments(tx, [payment]);
    } catch (error) {
      if (classify(error) !== 'permanent') throw error;
      await tx.execute(sql`ROLLBACK TO SAVEPOINT record`);
      await park(tx, [
        {
          operationId: `${payment.operationId}:${payment.subIndex}`,
          account: payment.account,
          ledger: payment.ledger,
          raw: JSON.stringify(row(payment)),
          problem: `The database refused it: ${reasonOf(error)}`,
        },
      ]);
    }
  }
  return stored;
}

async function insertPayments(tx: Db, payments: readonly LedgerPayment[]): Promise<number> {
  const { rows } = await tx.execute<{ stored: number }>(sql`
    WITH stored AS (
      INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, inner_tx_hash, operation_id,
        ledger, closed_at, type, account, sender, asset_code, asset_issuer, amount, reference, reference_source)
      SELECT tx_hash, op_index, sub_index, inner_tx_hash, operation_id, ledger, closed_at, type, account,
        sender, asset_code, asset_issuer, amount, reference, reference_source
      FROM jsonb_populate_recordset(NULL::settlement.ledger_payments, ${JSON.stringify(payments.map(row))}::jsonb)
      ON CONFLICT (tx_hash, op_index, sub_index) DO NOTHING
      RETURNING tx_hash, op_index, sub_index),
    undecided AS (
      INSERT INTO settlement.undecided_payments (tx_hash, op_index, sub_index) SELECT * FROM stored)
    SELECT count(*)::int AS stored FROM stored`);
  return rows[0]?.stored ?? 0;
}

async function park(tx: Db, undecoded: readonly UndecodedRecord[]): Promise<void> {
  if (undecoded.length === 0) return;
  // A record that cannot be stored elsewhere must be storable here.
  const document = storableJson(
    undecoded.map((r) => ({
      account: r.account,
      operation_id: r.operationId,
      ledger: r.ledger,
      raw: r.raw,
      problem: r.problem,
    })),
  );
  await tx.execute(sql`
    WITH parked AS (
      INSERT INTO settlement.parked_records (account, operation_id, ledger, raw, problem)
      SELECT account, operation_id, ledger, raw, problem
      FROM jsonb_populate_recordset(NULL::settlement.parked_records, ${document}::jsonb)
      ON CONFLICT (account, operation_id) DO NOTHING RETURNING account, problem)
    INSERT INTO settlement.attention (subject, kind, detail)
    SELECT DISTINCT ON (account) account, 'undecoded_record',
      'A record of Horizon could not be read; no session of this account can end until it is resolved: ' || problem
    FROM parked ON CONFLICT (subject, kind) WHERE resolved_at IS NULL DO NOTHING`);
}

function row(p: LedgerPayment) {
  return {
    tx_hash: p.txHash,
    op_index: p.opIndex,
    sub_index: p.subIndex,
    inner_tx_hash: p.innerTxHash,
    operation_id: p.operationId,
    ledger: p.ledger,
    closed_at: p.closedAt,
    type: p.type,
    account: p.account,
    sender: p.sender,
    asset_code: p.asset.code,
    asset_issuer: p.asset.issuer,
    amount: formatAmount(p.amount),
    reference: p.reference,
    reference_source: p.referenceSource,
  };
}

/**
 * Runs \`work\` in one transaction and commits; a rival's lock makes it run again from the start. READ COMMITTED is enough
 * here: the rows are facts, and the cursor's compare-and-set orders the writers.
 */
export function inTransaction<T>(pool: Pool, work: (tx: Db) => Promise<T>): Promise<T> {
  return underContention(() => runOnce(pool, work));
}

async function runOnce<T>(pool: Pool, work: (tx: Db) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let unusable: Error | undefined;
  try {
    await client.query('BEGIN');
    const value = await work(onClient(client));
    const { command } = await client.query('COMMIT');
    if (command !== 'COMMIT') throw new CommitRefused(command);
    return value;
  } catch (error) {
    unusable = await client.query('ROLLBACK').then(
      () => undefined,
      (lost: Error) => lost,
    );
    throw error;
  } finally {
    client.release(unusable);
  }
}
