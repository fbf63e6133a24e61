/** Rows as the version wrote them that covered accounts by their pages (through migration 4). */
import type { TestDatabase } from '../support/database.ts';
import { minute, USDC } from '../domain/build.ts';
import { ledgerAt, newAccount, paymentFor } from './build.ts';

/** The record that pages go on from: the first of minute 20. */
export const RECORD = ((BigInt(ledgerAt(20)) << 32n) + 4097n).toString();

/** An account that was read from minute 0 through minute 20; by the network's ledgers from minute 30 on, if `network`. */
export async function watch(
  database: TestDatabase,
  { cursor = RECORD, from = 0, network = false } = {},
): Promise<string> {
  const account = newAccount();
  await database.rows(
    `INSERT INTO settlement.watched_accounts (account, cursor, from_ledger, from_time, through_ledger, through_time, network_from)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [
      account,
      cursor,
      ledgerAt(from),
      minute(from),
      ledgerAt(20),
      minute(20),
      network ? ledgerAt(30) : null,
    ],
  );
  return account;
}

type Fields = {
  status: string;
  createdAt: Date;
  expiresAt: Date;
  closed: number | null;
};

/** A session in care: by default open, from minute 1 to minute 60. Returns its id. */
export async function session(
  database: TestDatabase,
  merchantId: string,
  { account, reference }: { account: string; reference: string },
  fields: Partial<Fields> = {},
): Promise<string> {
  const { status, createdAt, expiresAt, closed } = {
    status: 'pending',
    createdAt: minute(1),
    expiresAt: minute(60),
    closed: null,
    ...fields,
  };
  const [row] = await database.rows<{ id: string }>(
    `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, asset_issuer, receiving_account, memo, status,
       expires_at, created_at, closed_through_ledger) VALUES ($1, 10, 'USDC', $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
    [merchantId, USDC.issuer, account, reference, status, expiresAt, createdAt, closed],
  );
  const id = row?.id ?? '';
  await database.rows(
    `INSERT INTO settlement.active_sessions (session_id, account, asset, deadline) VALUES ($1, $2, $3, $4)`,
    [id, account, `USDC:${USDC.issuer}`, closed === null && status !== 'paid' ? expiresAt : null],
  );
  return id;
}

/** A ledger payment of a minute, with the verdict it had. Returns its hash. */
export async function judged(
  database: TestDatabase,
  to: { account: string; reference: string },
  amount: string,
  { at, verdict, id }: { at: number; verdict: string | null; id: string },
): Promise<string> {
  const p = paymentFor(to, amount, { closedAt: minute(at), ledger: ledgerAt(at) });
  await database.rows(
    `INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at, type, account,
       sender, asset_code, asset_issuer, amount, reference, reference_source, verdict, session_id)
     VALUES ($1, 0, 0, $2, $3, $4, 'payment', $5, $6, 'USDC', $7, $8, $9, 'memo_id', $10, $11)`,
    [
      p.txHash,
      p.operationId,
      p.ledger,
      p.closedAt,
      to.account,
      p.sender,
      USDC.issuer,
      amount,
      to.reference,
      verdict,
      verdict === null ? null : id,
    ],
  );
  if (verdict === null) {
    await database.rows(
      'INSERT INTO settlement.undecided_payments (tx_hash, op_index, sub_index) VALUES ($1, 0, 0)',
      [p.txHash],
    );
  }
  return p.txHash;
}
