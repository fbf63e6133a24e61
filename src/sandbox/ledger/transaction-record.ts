/** From an applied transaction to the record that history keeps. */
import type { Transaction } from '@stellar/stellar-sdk';
import { BASE_FEE, feeOf } from './validity.ts';
import { signaturesOf } from './envelope.ts';
import type { Submission } from './envelope.ts';
import { toid } from './history.ts';
import type { Json, LedgerRecord, TransactionRecord } from './history.ts';
import { isSuccess, resultCodes, resultXdr } from './result.ts';
import type { TransactionOutcome } from './result.ts';

/** The record of a transaction which entered a ledger as number `order` (from 1). */
export function transactionRecord(
  submission: Submission,
  outcome: TransactionOutcome,
  ledger: LedgerRecord,
  order: number,
): TransactionRecord {
  const { transaction, feeBump, innerHash } = submission;
  const feeCharged = feeOf(submission);
  const inner = signaturesOf(transaction);
  return {
    id: toid(ledger.sequence, order),
    hash: submission.hash,
    innerHash,
    ledger,
    successful: isSuccess(outcome),
    source: transaction.source,
    sequence: BigInt(transaction.sequence),
    feeAccount: feeBump?.feeSource ?? transaction.source,
    feeCharged: feeCharged > BASE_FEE ? feeCharged : BASE_FEE,
    maxFee: BigInt((feeBump ?? transaction).fee),
    innerMaxFee: BigInt(transaction.fee),
    operationCount: transaction.operations.length,
    envelopeXdr: submission.envelopeXdr,
    resultXdr: resultXdr(outcome, feeCharged, innerHash),
    resultCodes: resultCodes(outcome, innerHash),
    memo: memoFields(transaction),
    preconditions: preconditions(transaction),
    signatures: feeBump ? signaturesOf(feeBump) : inner,
    innerSignatures: inner,
    hidden: false,
  };
}

/**
 * `memo_type`, `memo` and, for texts, `memo_bytes`. Only the bytes are exact: Horizon replaces what is not
 * UTF-8 and drops NUL from `memo` (history/transaction_batch_insert_builder.go).
 */
function memoFields({ memo }: Transaction): Json {
  switch (memo.type) {
    case 'none':
      return { memo_type: 'none' };
    case 'id':
      return { memo_type: 'id', memo: String(memo.value) };
    case 'text': {
      const bytes = Buffer.from(memo.value ?? '');
      const text = scrub(bytes).replaceAll('\0', '');
      return { memo_type: 'text', memo_bytes: bytes.toString('base64'), memo: text };
    }
    case 'hash':
    case 'return':
      return { memo_type: memo.type, memo: Buffer.from(memo.value ?? '').toString('base64') };
    default:
      throw new Error(`Stellar has no memo of type ${String(memo.type)}.`);
  }
}

/** Well-formed UTF-8, of one to four bytes (RFC 3629), or else any byte. */
const CHARACTER =
  /([^\x80-\xff]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})|[^]/g;

/** Go replaces each byte that begins no character; JavaScript would replace a broken sequence once. */
function scrub(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replaceAll(CHARACTER, (_, character?: string) =>
      character === undefined ? '\uFFFD' : Buffer.from(character, 'latin1').toString('utf8'),
    );
}

function preconditions(transaction: Transaction): Json | null {
  const { timeBounds } = transaction;
  if (!timeBounds) return null;
  const { minTime, maxTime } = timeBounds;
  const bounds = {
    min_time: minTime,
    ...(maxTime === '0' ? {} : { max_time: maxTime }),
  };
  return { timebounds: bounds };
}
