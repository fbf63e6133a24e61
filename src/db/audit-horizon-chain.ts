/** The chain of ledgers against what a Horizon shows: hashes, close times and numbers of operations. */
import { sql } from 'drizzle-orm';
import type { LedgerHeader } from '../domain/evidence.ts';
import { Refusal } from '../domain/failure.ts';
import type { Head, LedgerSource } from '../domain/ledger-source.ts';
import { createCount, type Counted } from './audit-excuses.ts';
import type { Collector } from './audit-findings.ts';
import type { Db } from './connection.ts';

/** Ledgers of the chain, both included. Null: without a bound. */
export type ChainRange = { readonly fromLedger: number | null; readonly toLedger: number | null };

/** How many headers were compared, how many Horizon did not show, and which count fewer operations there. */
export type HeadersCompared = {
  readonly compared: number;
  readonly notShown: number;
  /** No broken promise: a Horizon may filter. */
  readonly fewer: Counted;
};

type Shown = Pick<LedgerSource, 'ledger'>;
type Stored = { sequence: string; hash: string; closed_at: string; operation_count: number };

/** Headers asked for at most: each is a request, and every hash names all that come before it. */
const MOST_HEADERS = 500;
/** Headers beside those that something rests on, evenly spread. */
const SAMPLE = 100;

/** One ledger of the chain as it is stored; null when the chain lacks it. */
export async function storedHeader(db: Db, ledger: number): Promise<LedgerHeader | null> {
  const { rows } = await db.execute<Stored & { prev_hash: string | null }>(sql`
    SELECT sequence, hash, prev_hash, closed_at::text, operation_count
    FROM settlement.ledgers WHERE sequence = ${ledger}`);
  const [row] = rows;
  return row === undefined ? null : { ...header(row), previousHash: row.prev_hash ?? '' };
}

/** @throws Refusal when Horizon shows the newest ledger that it has in common with the chain under another hash */
export async function refuseOtherLedger(db: Db, source: Shown, head: Head): Promise<void> {
  const { rows } = await db.execute<Stored>(sql`
    SELECT sequence, hash, closed_at::text, operation_count FROM settlement.ledgers
    WHERE sequence BETWEEN ${head.oldestLedger} AND ${head.latestLedger} ORDER BY sequence DESC LIMIT 1`);
  const [newest] = rows;
  if (newest === undefined) return;
  const shown = await source.ledger(Number(newest.sequence));
  if (shown === null || shown.hash === newest.hash) return;
  throw new Refusal(
    'InvalidInput',
    `Horizon shows ledger ${newest.sequence} with another hash than the one that was read: the network was reset, or HORIZON_URL leads to another one.`,
  );
}

/**
 * Compares the ledgers on which endings rest, the first and the last of each piece of the chain, and an even sample of
 * the others. A smaller count here is this Horizon's filter; a larger one means that the chain's own came from one.
 */
export async function auditChainAgainst(
  db: Db,
  source: Shown,
  collector: Collector,
  { fromLedger, toLedger }: ChainRange,
): Promise<HeadersCompared> {
  const { rows } = await db.execute<Stored>(sql`
    WITH inside AS MATERIALIZED (
      SELECT l.*, row_number() OVER (ORDER BY l.sequence) AS place, count(*) OVER () AS total,
        prev_hash IS NULL OR lead(l.sequence) OVER (ORDER BY l.sequence) IS DISTINCT FROM l.sequence + 1 AS is_edge
      FROM settlement.ledgers l
      WHERE l.sequence >= coalesce(${fromLedger}::bigint, 0) AND l.sequence <= coalesce(${toLedger}::bigint, l.sequence)),
    ends AS (
      SELECT e FROM (SELECT closed_through_ledger FROM checkout_sessions WHERE closed_through_ledger IS NOT NULL
        ORDER BY closed_through_ledger DESC LIMIT ${MOST_HEADERS}) c,
        unnest(ARRAY[closed_through_ledger, closed_through_ledger - 1]) AS e)
    SELECT sequence, hash, closed_at::text, operation_count FROM inside
    WHERE is_edge OR sequence IN (SELECT e FROM ends) OR place % (1 + total / ${SAMPLE}) = 0
    ORDER BY is_edge DESC, sequence DESC LIMIT ${MOST_HEADERS}`);
  let notShown = 0;
  const fewer = createCount();
  for (const stored of rows) {
    const expected = header(stored);
    const { sequence, operationCount } = expected;
    const shown = await source.ledger(sequence);
    if (shown === null) {
      notShown += 1;
      continue;
    }
    collector.add(differencesOf(expected, shown).map((problem) => found(sequence, problem)));
    if (shown.operationCount >= operationCount) continue;
    const problem = `${shown.operationCount} operations there, ${operationCount} in the chain.`;
    fewer.add([{ subject: `ledger ${sequence}`, problem }]);
  }
  return { compared: rows.length - notShown, notShown, fewer: fewer.result() };
}

function found(ledger: number, problem: string) {
  return { promise: 'P4', check: 'chain', subject: `ledger ${ledger}`, problem } as const;
}

function differencesOf(stored: Omit<LedgerHeader, 'previousHash'>, shown: LedgerHeader): string[] {
  if (stored.hash !== shown.hash) {
    return [`Its hash is ${shown.hash} on the ledger, and ${stored.hash} in the chain.`];
  }
  const problems: string[] = [];
  if (stored.closedAt.getTime() !== shown.closedAt.getTime()) {
    problems.push(
      `It closed at ${shown.closedAt.toISOString()} on the ledger, and at ${stored.closedAt.toISOString()} in the chain.`,
    );
  }
  if (stored.operationCount < shown.operationCount) {
    problems.push(
      `It has ${shown.operationCount} operations on the ledger, but the chain counts ${stored.operationCount}.`,
    );
  }
  return problems;
}

function header(row: Stored): Omit<LedgerHeader, 'previousHash'> {
  return {
    sequence: Number(row.sequence),
    hash: row.hash,
    closedAt: new Date(row.closed_at),
    operationCount: row.operation_count,
  };
}
