/** Applying one operation: the change of entries, the result, and what Horizon's history keeps of it. */
import { extractBaseAddress } from '@stellar/stellar-sdk';
import { formatAmount, parseAmount } from '../../domain/money.ts';
import { applyAccountOperation, isAccountOperation } from './account-operations.ts';
import { credit, debit } from './balances.ts';
import { applyContractCall } from './contract-call.ts';
import { accountFields, assetFields } from './details.ts';
import { BASE_RESERVE } from './entries.ts';
import type { Operation } from './envelope.ts';
import { applyPathPayment, isPathPayment } from './path-payment.ts';
import { failed, notTried, operationName, succeeded } from './result.ts';
import type { OperationResult } from './result.ts';
import { moved } from './stage.ts';
import type { Applied, Stage } from './stage.ts';

/** Applies one operation to the workspace; on failure the caller throws the workspace away. */
export function applyOperation(operation: Operation, stage: Stage): Applied {
  if (!stage.ws.account(stage.source)) return untried(operation, stage, 'no_account');
  if (operation.type === 'createAccount') return createAccount(operation, stage);
  if (operation.type === 'payment') return payment(operation, stage);
  if (operation.type === 'accountMerge') return accountMerge(operation, stage);
  if (isPathPayment(operation)) return applyPathPayment(operation, stage);
  if (operation.type === 'invokeHostFunction') return applyContractCall(operation, stage);
  if (isAccountOperation(operation)) return applyAccountOperation(operation, stage);
  return untried(operation, stage, 'not_supported');
}

function untried(operation: Operation, stage: Stage, why: 'no_account' | 'not_supported'): Applied {
  const type = operationName(operation.type);
  const result = notTried(why);
  return { type, result, details: {}, participants: [stage.source], effects: [], isPayment: false };
}

function createAccount(op: Extract<Operation, { type: 'createAccount' }>, stage: Stage): Applied {
  const { ws, source } = stage;
  const balance = parseAmount(op.startingBalance);
  let failure: string | null = null;
  if (ws.account(op.destination)) failure = 'already_exist';
  else if (balance < 2n * BASE_RESERVE) failure = 'low_reserve';
  else failure = debit(ws, source, 'native', balance);
  if (failure === null) {
    ws.put({
      id: op.destination,
      balance,
      sequence: BigInt(ws.ledger) << 32n,
      sequenceLedger: 0,
      sequenceTime: 0,
      lastModified: ws.ledger,
      homeDomain: '',
      data: new Map(),
      trustlines: new Map(),
    });
  }
  const amount = formatAmount(balance);
  return {
    type: 'create_account',
    result: outcome('create_account', failure),
    details: {
      ...accountFields('funder', stage.address),
      account: op.destination,
      starting_balance: amount,
    },
    participants: [source, op.destination],
    effects: [
      { account: op.destination, type: 'account_created', details: { starting_balance: amount } },
      moved('account_debited', stage.address, 'native', amount),
      {
        account: op.destination,
        type: 'signer_created',
        details: { weight: 1, public_key: op.destination, key: '' },
      },
    ],
    isPayment: true,
  };
}

function payment(op: Extract<Operation, { type: 'payment' }>, stage: Stage): Applied {
  const asset = op.asset.toString();
  const amount = parseAmount(op.amount);
  const destination = extractBaseAddress(op.destination);
  // Lumens to oneself change nothing, not even the entry (PaymentOpFrame::doApply).
  const idle = asset === 'native' && destination === stage.source;
  const failure = idle
    ? null
    : (credit(stage.ws, destination, asset, amount) ??
      debit(stage.ws, stage.source, asset, amount));
  return {
    type: 'payment',
    result: outcome('payment', failure),
    details: {
      ...accountFields('from', stage.address),
      ...accountFields('to', op.destination),
      amount: formatAmount(amount),
      ...assetFields(asset),
    },
    participants: [stage.source, destination],
    effects: [
      moved('account_credited', op.destination, asset, formatAmount(amount)),
      moved('account_debited', stage.address, asset, formatAmount(amount)),
    ],
    isPayment: true,
  };
}

function accountMerge(op: Extract<Operation, { type: 'accountMerge' }>, stage: Stage): Applied {
  const { ws, source } = stage;
  const destination = extractBaseAddress(op.destination);
  const entry = ws.touchAccount(source);
  const balance = entry?.balance ?? 0n;
  let failure: string | null = null;
  if (!ws.account(destination)) failure = 'no_account';
  else if (entry && entry.trustlines.size + entry.data.size > 0) failure = 'has_sub_entries';
  else if (credit(ws, destination, 'native', balance) !== null) failure = 'dest_full';
  else ws.remove(source);
  const amount = formatAmount(balance);
  return {
    type: 'account_merge',
    result:
      failure === null
        ? succeeded('account_merge', String(balance))
        : failed('account_merge', failure),
    details: {
      ...accountFields('account', stage.address),
      ...accountFields('into', op.destination),
    },
    participants: [source, destination],
    effects: [
      moved('account_debited', stage.address, 'native', amount),
      moved('account_credited', op.destination, 'native', amount),
      { account: stage.address, type: 'account_removed', details: {} },
    ],
    isPayment: true,
  };
}

function outcome(type: string, failure: string | null): OperationResult {
  return failure === null ? succeeded(type) : failed(type, failure);
}
