/** Applying one transaction within a ledger: fee, sequence, then all of its operations or none. */
import { Workspace } from './entries.ts';
import type { AssetKey } from './entries.ts';
import { operationSource } from './envelope.ts';
import type { Submission } from './envelope.ts';
import { toid } from './history.ts';
import type { LedgerRecord } from './history.ts';
import { applyOperation } from './operations.ts';
import type { Rates } from './rates.ts';
import { isSuccess } from './result.ts';
import type { TransactionOutcome } from './result.ts';
import { transactionRecord } from './transaction-record.ts';
import { feeOf, refusal } from './validity.ts';

/** What applies to every transaction of the network. */
export type World = {
  readonly rates: Rates;
  readonly contracts: Map<string, AssetKey>;
  readonly passphrase: string;
};

/**
 * Applies a transaction and appends its record to the ledger. Answers the refusal instead when it is no
 * longer valid (too late by now, its sequence taken): then nothing is charged.
 */
export function applySubmission(
  submission: Submission,
  ledgerWs: Workspace,
  ledger: LedgerRecord,
  world: World,
): TransactionOutcome | null {
  const { transaction, source, feeSource } = submission;
  const sequence = ledgerWs.account(source)?.sequence ?? null;
  const refused = refusal(submission, ledgerWs, { closeTime: ledger.closedAt, sequence });
  if (refused) return refused;
  charge(submission, ledgerWs, ledger, feeSource);
  const ws = new Workspace(ledgerWs, ledger.sequence);
  const applied = transaction.operations.map((operation) => {
    // A workspace for each: what a failed operation did halfway must not show in the results of the next ones.
    const own = new Workspace(ws, ledger.sequence);
    const one = applyOperation(operation, {
      ...world,
      ws: own,
      source: operationSource(operation, submission),
      address: operation.source ?? transaction.source,
    });
    if (one.result.ok) ws.absorb(own);
    return one;
  });
  const outcome = { kind: 'applied' as const, operations: applied.map(({ result }) => result) };
  const successful = isSuccess(outcome);
  if (successful) ledgerWs.absorb(ws);
  const order = ledger.transactions.length + 1;
  const record = transactionRecord(submission, outcome, ledger, order);
  ledger.transactions.push(record);
  applied.forEach((one, i) => {
    ledger.operations.push({
      id: toid(ledger.sequence, order, i + 1),
      transaction: record,
      ledger,
      source: transaction.operations[i]?.source ?? transaction.source,
      type: one.type,
      details: one.details,
      isPayment: one.isPayment,
      participants: one.participants,
      effects: successful ? one.effects : [],
      raw: null,
    });
  });
  return null;
}

/** A failed transaction pays its fee and uses its sequence number all the same. */
function charge(
  submission: Submission,
  ws: Workspace,
  ledger: LedgerRecord,
  feeSource: string,
): void {
  const payer = ws.touchAccount(feeSource);
  if (payer) payer.balance -= feeOf(submission);
  const source = ws.touchAccount(submission.source);
  if (!source) return;
  source.sequence = BigInt(submission.transaction.sequence);
  source.sequenceLedger = ledger.sequence;
  source.sequenceTime = ledger.closedAt;
}
