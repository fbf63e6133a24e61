/** What a request asks for beside paging, checked as Horizon checks it (actions/validators.go, gorilla/schema). */
import { StrKey } from '@stellar/stellar-sdk';
import { invalidField } from './problem.ts';

const [MAX_UINT32, MAX_UINT64] = [2n ** 32n - 1n, 2n ** 64n - 1n];

/** Go's strconv.ParseBool, and `on`. */
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'TRUE', 'true', 'True', 'on'].map((text) => [text, true] as const),
  ...['0', 'f', 'F', 'FALSE', 'false', 'False', ''].map((text) => [text, false] as const),
]);

/** Whether failed transactions are wanted, too. */
export function includesFailed(query: URLSearchParams): boolean {
  const value = BOOLEANS.get(query.get('include_failed') ?? '');
  if (value === undefined) throw invalidField('include_failed', 'Filter should be true or false');
  return value;
}

/** Whether each operation is to bring its transaction. */
export function joinsTransactions(query: URLSearchParams): boolean {
  const join = query.get('join') ?? '';
  if (join === '' || join === 'transactions') return join !== '';
  throw invalidField('join', 'Accepted values: transactions');
}

/** Only G addresses: a muxed address in the path is refused (facts: poll the base account). */
export function accountId(id: string): string {
  if (StrKey.isValidEd25519PublicKey(id)) return id;
  const reason = 'Account ID must start with `G` and contain 56 alphanum characters';
  throw invalidField('account_id', reason);
}

/** A transaction's hash, outer or inner. */
export function transactionHash(hash: string): string {
  if (/^[0-9a-f]{64}$/.test(hash)) return hash;
  throw invalidField('tx_id', 'Transaction hash must be a hex-encoded, lowercase SHA-256 hash');
}

/** A ledger's number. From 2^31 on it is negative, as it is in Horizon. */
export function ledgerId(text: string): number {
  if (/^\d+$/.test(text) && BigInt(text) <= MAX_UINT32) return Number(text) | 0;
  throw invalidField('ledger_id', 'Ledger ID must be an integer higher than 0');
}

/** An operation's id, named `id` or `op_id` depending on the path. */
export function operationId(text: string, field: 'id' | 'op_id'): bigint {
  if (/^\d+$/.test(text) && BigInt(text) <= MAX_UINT64) return BigInt(text);
  const known = 'Operation ID must be an integer higher than 0';
  throw invalidField(field, field === 'op_id' ? known : 'schema: error converting value for "id"');
}
