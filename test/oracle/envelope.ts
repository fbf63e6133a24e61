/** Envelopes and results read by way of XDR's own JSON (SEP-51): a second reader beside the sandbox's. */
import { xdr } from '@stellar/stellar-sdk';

/** `native`, or one of the two kinds of issued assets. */
export type XdrAsset =
  | 'native'
  | { credit_alphanum4: { asset_code: string; issuer: string } }
  | { credit_alphanum12: { asset_code: string; issuer: string } };

/** The operations of which the copy knows what Horizon makes of them. Amounts are stroops. */
export type Body = {
  create_account?: { destination: string; starting_balance: string };
  payment?: { destination: string; asset: XdrAsset; amount: string };
  path_payment_strict_send?: {
    send_asset: XdrAsset;
    send_amount: string;
    destination: string;
    dest_asset: XdrAsset;
    dest_min: string;
    path: XdrAsset[];
  };
  path_payment_strict_receive?: {
    send_asset: XdrAsset;
    send_max: string;
    destination: string;
    dest_asset: XdrAsset;
    dest_amount: string;
    path: XdrAsset[];
  };
  account_merge?: string;
  change_trust?: { line: XdrAsset; limit: string };
  manage_data?: { data_name: string; data_value: string | null };
  set_options?: { home_domain: string | null };
  bump_sequence?: { bump_to: string };
  invoke_host_function?: {
    host_function: {
      invoke_contract: { contract_address: string; function_name: string; args: XdrScVal[] };
    };
  };
};

/** An argument of a contract call; the copy reads these two kinds. */
export type XdrScVal = { address?: string; i128?: string };

type Signature = { signature: string };

/** One operation of an envelope. */
export type XdrOperation = { source_account: string | null; body: Body };

/** A transaction; its source may be muxed. */
export type XdrTransaction = {
  source_account: string;
  fee: number;
  seq_num: string;
  cond: 'none' | { time: { min_time: string; max_time: string } };
  memo: 'none' | { id?: string; text?: string; hash?: string; return?: string };
  operations: XdrOperation[];
};

/** An envelope; a fee bump has `outer`, and its own signatures there. Signatures are base64. */
export type Envelope = {
  readonly tx: XdrTransaction;
  readonly signatures: string[];
  readonly outer: { feeSource: string; fee: string; signatures: string[] } | null;
};

type Inner = { tx: XdrTransaction; signatures: Signature[] };
type EnvelopeJson = {
  tx?: Inner;
  tx_fee_bump?: {
    tx: { fee_source: string; fee: string; inner_tx: { tx: Inner } };
    signatures: Signature[];
  };
};

/** Decodes a base64 envelope. */
export function readEnvelope(base64: string): Envelope {
  const json = xdr.TransactionEnvelope.fromXdr(base64, 'base64').toJson() as EnvelopeJson;
  const bump = json.tx_fee_bump;
  const inner = bump?.tx.inner_tx.tx ?? json.tx;
  if (!inner) throw new Error('An envelope of a kind that the copy does not know.');
  const outer = bump && {
    feeSource: bump.tx.fee_source,
    fee: bump.tx.fee,
    signatures: inBase64(bump.signatures),
  };
  return { tx: inner.tx, signatures: inBase64(inner.signatures), outer: outer ?? null };
}

function inBase64(signatures: Signature[]): string[] {
  return signatures.map(({ signature }) => Buffer.from(signature, 'hex').toString('base64'));
}

/** What an operation's result says, as far as details and effects need it. */
export type XdrOperationResult = {
  op_inner?: {
    account_merge?: { success: string };
    path_payment_strict_send?: { success: PathSuccess };
    path_payment_strict_receive?: { success: PathSuccess };
  };
};

type PathSuccess = {
  offers: { order_book: { asset_bought: XdrAsset; amount_bought: string } }[];
  last: { amount: string };
};

type ResultJson = {
  fee_charged: string;
  result: {
    tx_success?: XdrOperationResult[];
    tx_fee_bump_inner_success?: { result: { result: { tx_success: XdrOperationResult[] } } };
  };
};

/** The fee charged, and the operations' results: null when the transaction failed. */
export function readResult(base64: string): {
  feeCharged: string;
  operations: XdrOperationResult[] | null;
} {
  const { fee_charged, result } = xdr.TransactionResult.fromXdr(
    base64,
    'base64',
  ).toJson() as ResultJson;
  const bumped = result.tx_fee_bump_inner_success?.result.result.tx_success;
  return { feeCharged: fee_charged, operations: result.tx_success ?? bumped ?? null };
}
