/** The inbox, as the comparison with Horizon reads it: how far it claims to be complete, and what it holds. */
import { sql } from 'drizzle-orm';
import { assetKey, type Asset } from '../domain/asset.ts';
import {
  ledgerPaymentKey,
  type LedgerPayment,
  type UndecodedRecord,
} from '../domain/ledger-payment.ts';
import { formatAmount } from '../domain/money.ts';
import type { Db } from './connection.ts';
import { JOIN_NETWORK, THROUGH_LEDGER } from './coverage.ts';
import { parseStored } from './inbox-payment.ts';

/** How far an account was read. */
export type Bounds = {
  readonly account: string;
  /** Its reading begins after this ledger. */
  readonly fromLedger: number;
  /** The last record that was stored. */
  readonly cursor: bigint;
  /** The last ledger of which anything is claimed. */
  readonly throughLedger: number;
  /** The ledgers through which everything is claimed to be there, by asset; the empty text: for every asset. */
  readonly covered: ReadonlyMap<string, number>;
};

/** A row of the inbox, as far as the ledger can say it. */
export type InboxFact = Pick<LedgerPayment, 'ledger' | 'closedAt' | 'amount' | 'reference'> & {
  readonly key: string;
  readonly asset: Asset;
};

/** Accounts or rows read in one statement. */
const PAGE = 500;

/** The watched accounts, or one of them, in their order. */
export async function* boundsOf(db: Db, account: string | null): AsyncGenerator<Bounds> {
  for (let after = ''; ;) {
    const { rows } = await db.execute<{
      account: string;
      cursor: string;
      from_ledger: string;
      covered: { asset: string; through: number }[];
    }>(sql`
      SELECT w.account, w.cursor, w.from_ledger, (
        SELECT json_agg(json_build_object('asset', c.asset, 'through', ${THROUGH_LEDGER})) FROM (
          SELECT '' AS asset, w.through_ledger
          UNION ALL SELECT asset, through_ledger FROM settlement.asset_coverage
          WHERE account = w.account) c ${JOIN_NETWORK}) AS covered
      FROM settlement.watched_accounts w
      WHERE w.account > ${after} AND (${account}::text IS NULL OR w.account = ${account})
      ORDER BY w.account LIMIT ${PAGE}`);
    for (const row of rows) {
      const cursor = BigInt(row.cursor);
      const through = row.covered.map((c) => c.through);
      yield {
        account: row.account,
        fromLedger: Number(row.from_ledger),
        cursor,
        throughLedger: Math.max(Number(cursor >> 32n), ...through),
        covered: new Map(row.covered.map((c) => [c.asset, c.through])),
      };
    }
    const last = rows.at(-1);
    if (!last) return;
    after = last.account;
  }
}

/** Whether the inbox must have this payment. */
export function isClaimed({ cursor, covered }: Bounds, payment: LedgerPayment): boolean {
  if (BigInt(payment.operationId) <= cursor) return true;
  const through = covered.get(assetKey(payment.asset)) ?? covered.get('') ?? 0;
  return payment.ledger <= through;
}

/** What the inbox has of an account after one place in the ledger and through another. What a reset took away is left out. */
export async function* inboxRows(
  db: Db,
  account: string,
  after: bigint,
  until: bigint,
): AsyncGenerator<InboxFact> {
  for (let [operation, sub] = [after.toString(), 2 ** 31 - 1]; ;) {
    const { rows } = await db.execute<{
      key: string;
      operation_id: string;
      sub_index: number;
      ledger: string;
      closed_at: string;
      code: string;
      issuer: string | null;
      amount: string;
      reference: string | null;
    }>(sql`
      SELECT concat_ws(':', lp.tx_hash, lp.op_index, lp.sub_index) AS key, lp.operation_id::text, lp.sub_index,
        lp.ledger, lp.closed_at::text, lp.asset_code AS code, lp.asset_issuer AS issuer, lp.amount::text, lp.reference
      FROM settlement.ledger_payments lp
      WHERE lp.account = ${account} AND (lp.operation_id, lp.sub_index) > (${operation}::bigint, ${sub}::int)
        AND lp.operation_id <= ${until.toString()}::bigint
        AND lp.seen_at >= coalesce((SELECT n.reset_at FROM settlement.network n), '-infinity')
      ORDER BY lp.operation_id, lp.sub_index LIMIT ${PAGE}`);
    for (const { key, ledger, closed_at, code, issuer, amount, reference } of rows) {
      yield {
        key,
        reference,
        ledger: Number(ledger),
        closedAt: new Date(closed_at),
        asset: { code, issuer },
        amount: parseStored(amount),
      };
    }
    const last = rows.at(-1);
    if (!last || rows.length < PAGE) return;
    [operation, sub] = [last.operation_id, last.sub_index];
  }
}

/** Of what Horizon shows and the inbox lacks, what was not kept for a person either (settle payments parked). */
export async function unkept(
  db: Db,
  bounds: Bounds,
  payments: readonly LedgerPayment[],
  undecoded: readonly UndecodedRecord[],
): Promise<{ subject: string; what: string }[]> {
  const lacking = [
    ...payments.map((p) => ({
      subject: `payment ${ledgerPaymentKey(p)}`,
      what: `${formatAmount(p.amount)} ${assetKey(p.asset)} in ledger ${p.ledger}`,
      // What the database refused was parked under the second of these.
      ids: [p.operationId, `${p.operationId}:${p.subIndex}`],
    })),
    ...undecoded
      .filter(({ ledger }) => ledger < Number(bounds.cursor >> 32n))
      .map(({ operationId, ledger }) => ({
        subject: `record ${operationId}`,
        what: `A record of ledger ${ledger} that cannot be read`,
        ids: [operationId],
      })),
  ];
  if (lacking.length === 0) return [];
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT operation_id AS id FROM settlement.parked_records WHERE account = ${bounds.account}
      AND operation_id = ANY(${sql.param(lacking.flatMap(({ ids }) => ids))}::text[])`);
  const parked = new Set(rows.map(({ id }) => id));
  return lacking.filter(({ ids }) => !ids.some((id) => parked.has(id)));
}
