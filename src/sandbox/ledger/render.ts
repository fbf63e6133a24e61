/** Operations, transactions and effects as Horizon's JSON (resourceadapter/operations.go, transaction.go). */
import { MuxedAccount, StrKey, extractBaseAddress } from '@stellar/stellar-sdk';
import type { EffectRecord, Json, OperationRecord, TransactionRecord } from './history.ts';

const PAGED = '{?cursor,limit,order}';

const TYPE_NUMBERS: Readonly<Record<string, number>> = {
  create_account: 0,
  payment: 1,
  path_payment_strict_receive: 2,
  set_options: 5,
  change_trust: 6,
  account_merge: 8,
  manage_data: 10,
  bump_sequence: 11,
  path_payment_strict_send: 13,
  invoke_host_function: 24,
};

const EFFECT_NUMBERS: Readonly<Record<string, number>> = {
  account_created: 0,
  account_removed: 1,
  account_credited: 2,
  account_debited: 3,
  signer_created: 10,
  contract_credited: 96,
  contract_debited: 97,
};

/** A time as Horizon writes it: UTC, whole seconds. */
export function isoSeconds(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

/** One operation. `join` puts the transaction in; `base` is the address for links. */
export function operationJson(operation: OperationRecord, base: string, join: boolean): Json {
  if (operation.raw) return operation.raw;
  const id = String(operation.id);
  const { transaction } = operation;
  return {
    _links: {
      self: { href: `${base}/operations/${id}` },
      transaction: { href: `${base}/transactions/${transaction?.hash ?? ''}` },
      effects: { href: `${base}/operations/${id}/effects` },
      succeeds: { href: `${base}/effects?order=desc&cursor=${id}` },
      precedes: { href: `${base}/effects?order=asc&cursor=${id}` },
    },
    id,
    paging_token: id,
    transaction_successful: transaction?.successful ?? true,
    ...muxedFields('source_account', operation.source),
    type: operation.type,
    type_i: TYPE_NUMBERS[operation.type] ?? -1,
    created_at: isoSeconds(operation.ledger.closedAt),
    transaction_hash: transaction?.hash ?? '',
    ...(join && transaction
      ? { transaction: transactionJson(transaction, transaction.hash, base) }
      : {}),
    ...operation.details,
  };
}

/** One transaction, asked for by its outer or inner hash: `hash` and `id` are the hash that was asked for. */
export function transactionJson(record: TransactionRecord, asked: string, base: string): Json {
  const self = `${base}/transactions/${asked}`;
  const id = String(record.id);
  const byInner = asked !== record.hash;
  return {
    _links: {
      self: { href: self },
      account: { href: `${base}/accounts/${extractBaseAddress(record.source)}` },
      ledger: { href: `${base}/ledgers/${record.ledger.sequence}` },
      operations: { href: `${self}/operations${PAGED}`, templated: true },
      effects: { href: `${self}/effects${PAGED}`, templated: true },
      precedes: { href: `${base}/transactions?order=asc&cursor=${id}` },
      succeeds: { href: `${base}/transactions?order=desc&cursor=${id}` },
      transaction: { href: self },
    },
    id: asked,
    paging_token: id,
    successful: record.successful,
    hash: asked,
    ledger: record.ledger.sequence,
    created_at: isoSeconds(record.ledger.closedAt),
    ...muxedFields('source_account', record.source, 'account'),
    source_account_sequence: String(record.sequence),
    ...muxedFields('fee_account', record.feeAccount),
    fee_charged: String(record.feeCharged),
    max_fee: String(record.maxFee),
    operation_count: record.operationCount,
    envelope_xdr: record.envelopeXdr,
    result_xdr: record.resultXdr,
    fee_meta_xdr: '',
    ...record.memo,
    signatures: byInner ? record.innerSignatures : record.signatures,
    ...(record.preconditions ? { preconditions: record.preconditions } : {}),
    ...feeBumpFields(record),
  };
}

function feeBumpFields(record: TransactionRecord): Json {
  if (record.innerHash === null) return {};
  return {
    fee_bump_transaction: { hash: record.hash, signatures: record.signatures },
    inner_transaction: {
      hash: record.innerHash,
      signatures: record.innerSignatures,
      max_fee: String(record.innerMaxFee),
    },
  };
}

/** The effects of an operation. Their ids are made of the operation's and a number from 1. */
export function effectsJson(operation: OperationRecord, base: string): Json[] {
  const id = String(operation.id);
  return operation.effects.map((effect: EffectRecord, i) => {
    const token = `${id}-${i + 1}`;
    return {
      _links: {
        operation: { href: `${base}/operations/${id}` },
        succeeds: { href: `${base}/effects?order=desc&cursor=${token}` },
        precedes: { href: `${base}/effects?order=asc&cursor=${token}` },
      },
      id: `${id.padStart(19, '0')}-${String(i + 1).padStart(10, '0')}`,
      paging_token: token,
      ...muxedFields('account', effect.account),
      type: effect.type,
      type_i: EFFECT_NUMBERS[effect.type] ?? -1,
      created_at: isoSeconds(operation.ledger.closedAt),
      ...effect.details,
    };
  });
}

/** An account and, when it was muxed, the address and the id, which Horizon leaves out when it is 0. */
function muxedFields(name: string, address: string, muxedName = name): Json {
  if (!StrKey.isValidMed25519PublicKey(address)) return { [name]: address };
  const id = MuxedAccount.fromAddress(address, '0').id();
  return {
    [name]: extractBaseAddress(address),
    [`${muxedName}_muxed`]: address,
    ...(id === '0' ? {} : { [`${muxedName}_muxed_id`]: id }),
  };
}
