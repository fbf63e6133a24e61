/** What stellar-core checks before a transaction may enter a ledger. Refused ones cost nothing and consume nothing. */
import { extractBaseAddress } from '@stellar/stellar-sdk';
import { isSignedBy, operationSource, strangeSignatures } from './envelope.ts';
import type { Operation, Submission } from './envelope.ts';
import { minimumBalance } from './entries.ts';
import type { AccountReader } from './entries.ts';
import { issuerOf } from './balances.ts';
import { failed, notTried, operationName } from './result.ts';
import type { OperationResult, TransactionOutcome } from './result.ts';

/** Stroops for one operation. */
export const BASE_FEE = 100n;

/** What is charged: the base fee for each operation, and one more for a fee bump. */
export function feeOf({ transaction, feeBump }: Submission): bigint {
  return BASE_FEE * BigInt(transaction.operations.length + (feeBump ? 1 : 0));
}

/** The moment a transaction is checked for: the close time it would get, and the sequence it must follow. */
export type Moment = { readonly closeTime: number; readonly sequence: bigint | null };

/** Why a transaction cannot enter the next ledger, or null when it can. Order as in TransactionFrame::commonValid. */
export function refusal(
  submission: Submission,
  accounts: AccountReader,
  moment: Moment,
): TransactionOutcome | null {
  const outer = feeBumpRefusal(submission, accounts);
  if (outer !== null) return { kind: 'rejected', code: outer, by: 'outer' };
  const code = transactionRefusal(submission, accounts, moment);
  if (code !== null) return { kind: 'rejected', code, by: submission.feeBump ? 'inner' : 'outer' };
  const operations = submission.transaction.operations.map(
    (operation) => operationRefusal(operation, submission) ?? null,
  );
  if (operations.every((result) => result === null)) return null;
  const results = operations.map((result, i) => {
    const type = submission.transaction.operations[i]?.type ?? '';
    return result ?? { ok: true, code: 'op_success', json: emptySuccess(type) };
  });
  return { kind: 'applied', operations: results };
}

/** A fee bump is checked first; what is wrong with the transaction inside is reported as the inner result. */
function feeBumpRefusal(submission: Submission, accounts: AccountReader): string | null {
  const { feeBump, feeSource } = submission;
  if (!feeBump) return null;
  if (BigInt(feeBump.fee) < feeOf(submission)) return 'tx_insufficient_fee';
  const payer = accounts.account(feeSource);
  if (!payer) return 'tx_no_account';
  if (!isSignedBy(feeBump, feeSource)) return 'tx_bad_auth';
  if (payer.balance - minimumBalance(payer) < feeOf(submission)) return 'tx_insufficient_balance';
  return strangeSignatures(feeBump, [feeSource]) > 0 ? 'tx_bad_auth_extra' : null;
}

function transactionRefusal(
  submission: Submission,
  accounts: AccountReader,
  moment: Moment,
): string | null {
  const { transaction, feeBump, source } = submission;
  if (transaction.operations.length === 0) return 'tx_missing_operation';
  const bounds = transaction.timeBounds;
  if (bounds && BigInt(bounds.minTime) > BigInt(moment.closeTime)) return 'tx_too_early';
  if (bounds && BigInt(bounds.maxTime) > 0n && BigInt(bounds.maxTime) < BigInt(moment.closeTime)) {
    return 'tx_too_late';
  }
  if (!feeBump && BigInt(transaction.fee) < feeOf(submission)) return 'tx_insufficient_fee';
  const entry = accounts.account(source);
  if (moment.sequence === null || !entry) return 'tx_no_account';
  if (BigInt(transaction.sequence) !== moment.sequence + 1n) return 'tx_bad_seq';
  if (!isSignedBy(transaction, source)) return 'tx_bad_auth';
  if (!feeBump && entry.balance - minimumBalance(entry) < feeOf(submission)) {
    return 'tx_insufficient_balance';
  }
  const signers = transaction.operations.map((one) => operationSource(one, submission));
  if (strangeSignatures(transaction, [source, ...signers]) > 0) return 'tx_bad_auth_extra';
  const calls = transaction.operations.some(({ type }) => type === 'invokeHostFunction');
  if (calls && (transaction.operations.length > 1 || transaction.memo.type !== 'none')) {
    return 'tx_soroban_invalid';
  }
  return null;
}

function operationRefusal(operation: Operation, submission: Submission): OperationResult | null {
  const source = operationSource(operation, submission);
  if (source !== submission.source && !isSignedBy(submission.transaction, source)) {
    return notTried('bad_auth');
  }
  if (!SUPPORTED.has(operation.type)) return notTried('not_supported');
  return isMalformed(operation, source) ? failed(operationName(operation.type), 'malformed') : null;
}

const SUPPORTED: ReadonlySet<string> = new Set([
  'accountMerge',
  'bumpSequence',
  'changeTrust',
  'createAccount',
  'invokeHostFunction',
  'manageData',
  'pathPaymentStrictReceive',
  'pathPaymentStrictSend',
  'payment',
  'setOptions',
]);

/** What an envelope can say but no ledger takes: nothing to move, less than nothing, or to oneself. */
function isMalformed(op: Operation, source: string): boolean {
  if (op.type === 'payment') return !isPositive(op.amount);
  if (op.type === 'pathPaymentStrictSend') {
    return !isPositive(op.sendAmount) || !isPositive(op.destMin);
  }
  if (op.type === 'pathPaymentStrictReceive') {
    return !isPositive(op.destAmount) || !isPositive(op.sendMax);
  }
  if (op.type === 'createAccount') {
    return op.destination === source || op.startingBalance.startsWith('-');
  }
  if (op.type === 'accountMerge') return extractBaseAddress(op.destination) === source;
  if (op.type === 'changeTrust') {
    return issuerOf(op.line.toString()) === source || op.limit.startsWith('-');
  }
  return false;
}

/** XDR amounts are signed, so an envelope can carry a negative one. */
function isPositive(amount: string): boolean {
  return /[1-9]/.test(amount) && !amount.startsWith('-');
}

/** Operations beside the refused one get a success arm in the result, as far as that arm is empty. */
function emptySuccess(type: string): unknown {
  const name = operationName(type);
  const plain = ['payment', 'create_account', 'change_trust', 'manage_data', 'set_options'];
  return { op_inner: { [plain.includes(name) ? name : 'bump_sequence']: 'success' } };
}
