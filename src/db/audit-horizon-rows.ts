/** The inbox, as the comparison with Horizon reads it: how far it claims to be complete, and what it holds. */
import { sql } from 'drizzle-orm';
import { assetKey, type Asset } from '../domain/asset.ts';
import { hasLedger, unionOf, type Interval } from '../domain/audit-intervals.ts';
import {
  ledgerPaymentKey,
  type LedgerPayment,
  type UndecodedRecord,
} from '../domain/ledger-payment.ts';
import { formatAmount } from '../domain/money.ts';
import {
  NOTHING_READ,
  readAccountLedgers,
  readLedgers,
  type AccountLedgers,
} from './audit-coverage.ts';
import type { Db } from './connection.ts';
import { parseStored } from './inbox-payment.ts';

/** What the inbox claims to have of an account. */
export type Claim = {
  readonly account: string;
  readonly ledgers: AccountLedgers;
  /** The first and the last ledger of which anything is claimed; `through` before `from` where nothing is. */
  readonly span: Interval;
};

/** A row of the inbox, as far as the ledger can say it. */
export type InboxFact = Pick<LedgerPayment, 'ledger' | 'closedAt' | 'amount' | 'reference'> & {
  readonly key: string;
  readonly asset: Asset;
};

/** Accounts or rows read in one statement. */
const PAGE = 500;

/** The watched accounts, or one of them, in their order. */
export async function* claimsOf(db: Db, account: string | null): AsyncGenerator<Claim> {
  for (let after = ''; ;) {
    const { rows } = await db.execute<{ account: string }>(sql`
      SELECT account FROM settlement.watched_accounts
      WHERE account > ${after} AND (${account}::text IS NULL OR account = ${account})
      ORDER BY account LIMIT ${PAGE}`);
    const accounts = rows.map((row) => row.account);
    const read = await readAccountLedgers(db, accounts);
    for (const name of accounts) {
      const ledgers = read.get(name) ?? NOTHING_READ;
      const all = unionOf([
        ...ledgers.whole,
        ...ledgers.pages,
        ...[...ledgers.unmoved.values()].flat(),
      ]);
      const span = { from: all[0]?.from ?? 1, through: all.at(-1)?.through ?? 0 };
      yield { account: name, ledgers, span };
    }
    const last = accounts.at(-1);
    if (last === undefined) return;
    after = last;
  }
}

/** Whether the inbox must have this payment. */
export function isClaimed({ ledgers }: Claim, { asset, ledger }: LedgerPayment): boolean {
  return hasLedger(readLedgers(ledgers, assetKey(asset)), ledger);
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
  { account, ledgers }: Claim,
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
      .filter(({ ledger }) => hasLedger(unionOf([...ledgers.whole, ...ledgers.pages]), ledger))
      .map(({ operationId, ledger }) => ({
        subject: `record ${operationId}`,
        what: `A record of ledger ${ledger} that cannot be read`,
        ids: [operationId],
      })),
  ];
  if (lacking.length === 0) return [];
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT operation_id AS id FROM settlement.parked_records WHERE account = ${account}
      AND operation_id = ANY(${sql.param(lacking.flatMap(({ ids }) => ids))}::text[])`);
  const parked = new Set(rows.map(({ id }) => id));
  return lacking.filter(({ ids }) => !ids.some((id) => parked.has(id)));
}
