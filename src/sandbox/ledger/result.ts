/** Result codes: as Horizon names them, and as XDR for `result_xdr`. */
import { xdr } from '@stellar/stellar-sdk';
import type { Stroops } from '../../domain/money.ts';
import type { Json } from './history.ts';

/** The result of one operation: the code Horizon shows and the XDR-JSON of OperationResult. */
export type OperationResult = {
  readonly ok: boolean;
  readonly code: string;
  readonly json: unknown;
};

/** Horizon's spelling where it is not `op_` and the XDR name (services/horizon/internal/codes). */
const SPELLING: Readonly<Record<string, string>> = {
  already_exist: 'op_already_exists',
  over_sendmax: 'op_over_source_max',
  under_destmin: 'op_under_dest_min',
  name_not_found: 'op_data_name_not_found',
  trapped: 'function_trapped',
};

/** The operation was done; `value` is what the success arm carries, if it carries anything. */
export function succeeded(type: string, value?: unknown): OperationResult {
  const inner = value === undefined ? 'success' : { success: value };
  return { ok: true, code: 'op_success', json: { op_inner: { [type]: inner } } };
}

/** The operation failed for one of its own reasons, such as `no_trust`. */
export function failed(type: string, reason: string): OperationResult {
  const code = SPELLING[reason] ?? `op_${reason}`;
  return { ok: false, code, json: { op_inner: { [type]: reason } } };
}

/** The operation was not even tried. */
export function notTried(reason: 'bad_auth' | 'no_account' | 'not_supported'): OperationResult {
  const code = reason === 'no_account' ? 'op_no_source_account' : `op_${reason}`;
  return { ok: false, code, json: `op_${reason}` };
}

/** The SDK's name of an operation type as XDR and Horizon write it: `pathPaymentStrictSend` with underscores. */
export function operationName(type: string): string {
  return type.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * The result of a transaction: an own code such as `tx_bad_seq` (of the fee bump, or of what is inside it),
 * or the results of its operations.
 */
export type TransactionOutcome =
  | { readonly kind: 'rejected'; readonly code: string; readonly by: 'outer' | 'inner' }
  | { readonly kind: 'applied'; readonly operations: readonly OperationResult[] };

/** Whether every operation was done. */
export function isSuccess(outcome: TransactionOutcome): boolean {
  return outcome.kind === 'applied' && outcome.operations.every((operation) => operation.ok);
}

/** `extras.result_codes` of Horizon's transaction_failed problem. */
export function resultCodes(outcome: TransactionOutcome, innerHash: string | null): Json {
  const own = outcome.kind === 'rejected' ? horizonCode(outcome.code) : applied(outcome);
  const operations =
    outcome.kind === 'applied' ? { operations: outcome.operations.map(({ code }) => code) } : {};
  if (innerHash === null) return { transaction: own, ...operations };
  const outer = isSuccess(outcome) ? 'tx_fee_bump_inner_success' : 'tx_fee_bump_inner_failed';
  return { transaction: outer, inner_transaction: own, ...operations };
}

/** The TransactionResult as base64 XDR. Fee bumps wrap the inner result, whose own fee is zero. */
export function resultXdr(
  outcome: TransactionOutcome,
  feeCharged: Stroops,
  innerHash: string | null,
): string {
  const result =
    outcome.kind === 'rejected'
      ? outcome.code
      : { [applied(outcome)]: outcome.operations.map(({ json }) => json) };
  const own = { fee_charged: innerHash === null ? String(feeCharged) : '0', result, ext: 'v0' };
  if (innerHash === null) return encode(own);
  const arm = isSuccess(outcome) ? 'tx_fee_bump_inner_success' : 'tx_fee_bump_inner_failed';
  const pair = { transaction_hash: innerHash, result: own };
  return encode({ fee_charged: String(feeCharged), result: { [arm]: pair }, ext: 'v0' });
}

function encode(json: object): string {
  type XdrJson = Parameters<typeof xdr.TransactionResult.fromJson>[0];
  return xdr.TransactionResult.fromJson(json as XdrJson).toXdr('base64');
}

function applied(outcome: TransactionOutcome): string {
  return isSuccess(outcome) ? 'tx_success' : 'tx_failed';
}

function horizonCode(code: string): string {
  return code === 'tx_no_account' ? 'tx_no_source_account' : code;
}
