/**
 * Horizon's JSON as we read it: our own schemas, only the fields we use, so that a new field breaks nothing and a
 * missing one is noticed. Source: stellar-horizon, protocols/horizon/{main,operations}.go.
 */
import { z } from 'zod';

const digits = z.string().regex(/^\d{1,19}$/, 'is no number of up to 19 digits');
const hash = z.string().regex(/^[0-9a-f]{64}$/, 'is no hash');
/** In whole seconds, as the ledger has them: another version of Horizon may print milliseconds. */
const instant = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(Math.floor(Date.parse(text) / 1000) * 1000));

/** The transaction an operation belongs to, joined by `join=transactions`. The memo stands only here. */
export const transactionSchema = z.object({
  hash,
  ledger: z.int().positive(),
  created_at: instant,
  successful: z.boolean(),
  memo_type: z.string(),
  memo: z.string().optional(),
  memo_bytes: z.string().optional(),
  result_xdr: z.string().optional(),
  fee_bump_transaction: z.object({ hash }).optional(),
  inner_transaction: z.object({ hash }).optional(),
});

/** What every operation has. `id` is a TOID: ledger << 32 | transaction << 12 | operation, from 1. */
export const operationSchema = z.object({
  id: digits,
  transaction_successful: z.boolean(),
  type: z.string(),
  created_at: instant,
  transaction_hash: hash,
});

/** What counting the operations of a ledger needs of each of them. */
export const placedOperationSchema = z.object({
  transaction_successful: z.boolean().optional(),
  created_at: instant,
});

/** The same with its transaction, which every record of ours must bring. */
export const joinedSchema = operationSchema.extend({ transaction: transactionSchema });

const asset = {
  asset_type: z.string(),
  asset_code: z.string().optional(),
  asset_issuer: z.string().optional(),
};

export const paymentSchema = z.object({
  from: z.string(),
  from_muxed: z.string().optional(),
  to: z.string(),
  to_muxed: z.string().optional(),
  amount: z.string(),
  ...asset,
});

export const createAccountSchema = z.object({
  funder: z.string(),
  funder_muxed: z.string().optional(),
  account: z.string(),
  starting_balance: z.string(),
});

/** As far as it says whose account it creates. */
export const creationSchema = z.object({ type: z.literal('create_account'), account: z.string() });

export const accountMergeSchema = z.object({
  account: z.string(),
  account_muxed: z.string().optional(),
  into: z.string(),
  into_muxed: z.string().optional(),
});

export const contractCallSchema = z.object({
  asset_balance_changes: z.array(
    z.object({
      type: z.string(),
      from: z.string().optional(),
      to: z.string().optional(),
      amount: z.string(),
      destination_muxed_id: z.string().optional(),
      ...asset,
    }),
  ),
});

/** A page; its records are looked at one by one, so that one bad record spoils no other. */
export const pageSchema = z.object({ _embedded: z.object({ records: z.array(z.unknown()) }) });

export const rootSchema = z.object({
  history_latest_ledger: z.int().positive(),
  history_latest_ledger_closed_at: instant,
  history_elder_ledger: z.int().nonnegative(),
  network_passphrase: z.string(),
  horizon_version: z.string().optional(),
});

/** A header (resourceadapter/ledger.go). Ledger 1 follows none, so its `prev_hash` is left out. */
export const ledgerSchema = z.object({
  sequence: z.int().positive(),
  hash,
  prev_hash: hash.optional(),
  closed_at: instant,
  operation_count: z.int().nonnegative(),
});

/** The place of an operation in the ledger: both are its TOID. */
export const placeSchema = z.union([
  z.object({ paging_token: digits }).transform((record) => record.paging_token),
  z.object({ id: digits }).transform((record) => record.id),
]);

export const accountSchema = z.object({
  account_id: z.string(),
  last_modified_ledger: z.int().positive(),
  /** Null where the history no longer has that ledger. */
  last_modified_time: instant.nullish(),
  balances: z.array(
    z.object({
      ...asset,
      last_modified_ledger: z.int().positive().optional(),
      is_authorized: z.boolean().optional(),
    }),
  ),
  data: z.record(z.string(), z.string()).default({}),
});

export type JoinedTransaction = z.infer<typeof transactionSchema>;
export type JoinedOperation = z.infer<typeof joinedSchema>;
