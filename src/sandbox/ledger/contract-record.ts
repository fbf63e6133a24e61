/** Test only: a contract call whose balance changes the test dictates, several of them if it likes. */
import {
  Account,
  Contract,
  StrKey,
  TransactionBuilder,
  extractBaseAddress,
  hash,
} from '@stellar/stellar-sdk';
import type { xdr } from '@stellar/stellar-sdk';
import { credit, debit, issuerOf } from './balances.ts';
import { callDetails, changeEffects, holders } from './contract-call.ts';
import type { BalanceChange } from './contract-call.ts';
import type { Workspace } from './entries.ts';
import { decodeEnvelope } from './envelope.ts';
import type { Submission } from './envelope.ts';
import { toid } from './history.ts';
import type { LedgerRecord } from './history.ts';
import { succeeded } from './result.ts';
import { transactionRecord } from './transaction-record.ts';

/** A call by `source` (a G address) of some contract, and what it did to balances. `nonce` tells calls apart. */
export type ContractCall = {
  readonly source: string;
  readonly changes: readonly BalanceChange[];
  readonly nonce: bigint;
};

/** RangeError for a call that no ledger could record: closing it would fail, and every ledger after it. */
export function checkContractCall(source: string, changes: readonly BalanceChange[]): void {
  if (!StrKey.isValidEd25519PublicKey(source)) throw new RangeError(`Not an account: ${source}.`);
  for (const { from, to, asset, amount } of changes) {
    for (const id of [from, to]) {
      if (id !== undefined && !isHolder(id)) throw new RangeError(`Not an account: ${id}.`);
    }
    if (asset !== 'native' && !StrKey.isValidEd25519PublicKey(issuerOf(asset) ?? '')) {
      throw new RangeError(`Neither native nor CODE:ISSUER: ${asset}.`);
    }
    if (amount < 0n) throw new RangeError(`Less than nothing: ${amount}.`);
  }
}

function isHolder(id: string): boolean {
  const account = StrKey.isValidEd25519PublicKey(id) || StrKey.isValidMed25519PublicKey(id);
  return account || StrKey.isValidContract(id);
}

/** Puts the call into the ledger. Balances move where the account can take or give; no signature is asked for. */
export function recordContractCall(
  call: ContractCall,
  ws: Workspace,
  ledger: LedgerRecord,
  passphrase: string,
): void {
  const envelope = contractEnvelope(call, passphrase);
  const submission = decodeEnvelope(envelope, passphrase);
  for (const { from, to, asset, amount } of call.changes) {
    if (from !== undefined && ws.account(from)) debit(ws, from, asset, amount);
    if (to !== undefined && !StrKey.isValidContract(to))
      credit(ws, extractBaseAddress(to), asset, amount);
  }
  const value = '00'.repeat(32);
  const result = succeeded('invoke_host_function', value);
  const outcome = { kind: 'applied' as const, operations: [result] };
  const order = ledger.transactions.length + 1;
  const record = transactionRecord(submission, outcome, ledger, order);
  ledger.transactions.push(record);
  ledger.operations.push({
    id: toid(ledger.sequence, order, 1),
    transaction: record,
    ledger,
    source: call.source,
    type: 'invoke_host_function',
    details: callDetails(invocation(submission), call.changes),
    isPayment: call.changes.length > 0,
    participants: [call.source, ...holders(call.changes)],
    effects: call.changes.flatMap((change) => changeEffects(change, call.source)),
    raw: null,
  });
}

function invocation({ transaction }: Submission): xdr.InvokeContractArgs {
  const [operation] = transaction.operations;
  if (operation?.type === 'invokeHostFunction') {
    const { func } = operation;
    if (func.type === 'hostFunctionTypeInvokeContract') return func.invokeContract;
  }
  throw new Error('A dictated call is a call of a contract.');
}

/** The hash under which the call will be found. */
export function contractCallHash(call: ContractCall, passphrase: string): string {
  return decodeEnvelope(contractEnvelope(call, passphrase), passphrase).hash;
}

function contractEnvelope(call: ContractCall, networkPassphrase: string): string {
  const contract = new Contract(StrKey.encodeContract(hash(Buffer.from('a sandbox contract'))));
  return new TransactionBuilder(new Account(call.source, String(call.nonce)), {
    fee: '100',
    networkPassphrase,
  })
    .addOperation(contract.call('pay'))
    .setTimeout(0)
    .build()
    .toXdr();
}
