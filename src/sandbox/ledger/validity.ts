/** What stellar-core checks before a transaction may enter a ledger. Refused ones cost nothing and consume nothing. */
import { isSignedBy, operationSource, strangeSignatures } from './envelope.ts';
import type { Operation, Submission } from './envelope.ts';
import { minimumBalance } from './entries.ts';
import type { AccountReader } from './entries.ts';
import { issuerOf } from './balances.ts';
import { failed, notTried } from './result.ts';
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
  const code = transactionRefusal(submission, accounts, moment);
  if (code !== null) return { kind: 'rejected', code };
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

function transactionRefusal(
  submission: Submission,
  accounts: AccountReader,
  moment: Moment,
): string | null {
  const { transaction, feeBump, source, feeSource } = submission;
  if (transaction.operations.length === 0) return 'tx_missing_operation';
  const bounds = transaction.timeBounds;
  if (bounds && BigInt(bounds.minTime) > BigInt(moment.closeTime)) return 'tx_too_early';
  if (bounds && BigInt(bounds.maxTime) > 0n && BigInt(bounds.maxTime) < BigInt(moment.closeTime)) {
    return 'tx_too_late';
  }
  if (BigInt((feeBump ?? transaction).fee) < feeOf(submission)) return 'tx_insufficient_fee';
  const payer = accounts.account(feeSource);
  if (moment.sequence === null || !payer) return 'tx_no_account';
  if (BigInt(transaction.sequence) !== moment.sequence + 1n) return 'tx_bad_seq';
  if (!isSignedBy(transaction, source)) return 'tx_bad_auth';
  if (feeBump && !isSignedBy(feeBump, feeSource)) return 'tx_bad_auth';
  if (payer.balance - minimumBalance(payer) < feeOf(submission)) return 'tx_insufficient_balance';
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
  switch (operation.type) {
    case 'payment':
      return isZero(operation.amount) ? failed('payment', 'malformed') : null;
    case 'pathPaymentStrictSend':
      return isZero(operation.sendAmount) || isZero(operation.destMin)
        ? failed('path_payment_strict_send', 'malformed')
        : null;
    case 'pathPaymentStrictReceive':
      return isZero(operation.destAmount) || isZero(operation.sendMax)
        ? failed('path_payment_strict_receive', 'malformed')
        : null;
    case 'createAccount':
      return operation.destination === source ? failed('create_account', 'malformed') : null;
    case 'accountMerge':
      return operation.destination === source ? failed('account_merge', 'malformed') : null;
    case 'changeTrust':
      return issuerOf(operation.line.toString()) === source
        ? failed('change_trust', 'malformed')
        : null;
    case 'manageData':
    case 'setOptions':
    case 'bumpSequence':
    case 'invokeHostFunction':
      return null;
    default:
      return notTried('not_supported');
  }
}

function isZero(amount: string): boolean {
  return /^[0.]*$/.test(amount);
}

/** Operations beside the refused one get a success arm in the result, as far as that arm is empty. */
function emptySuccess(type: string): unknown {
  const name = type.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const plain = ['payment', 'create_account', 'change_trust', 'manage_data', 'set_options'];
  return { op_inner: { [plain.includes(name) ? name : 'bump_sequence']: 'success' } };
}
