/** `transfer` of a Stellar Asset Contract, the one contract function the sandbox knows. */
import {
  Address,
  MuxedAccount,
  StrKey,
  extractBaseAddress,
  hash,
  scValToBigInt,
} from '@stellar/stellar-sdk';
import type { xdr } from '@stellar/stellar-sdk';
import { formatAmount } from '../../domain/money.ts';
import type { Stroops } from '../../domain/money.ts';
import { credit, debit, issuerOf } from './balances.ts';
import { assetFields } from './details.ts';
import type { AssetKey } from './entries.ts';
import { hex } from './envelope.ts';
import type { Operation } from './envelope.ts';
import type { EffectRecord, Json } from './history.ts';
import { failed, notTried, succeeded } from './result.ts';
import type { Applied, Stage } from './stage.ts';

type Call = Extract<Operation, { type: 'invokeHostFunction' }>;
type Transfer = { asset: AssetKey; from: string; to: string; amount: Stroops };

/** One entry of `asset_balance_changes`. `to` may be muxed; accounts that are contracts are kept as they are. */
export type BalanceChange = {
  readonly asset: AssetKey;
  readonly type: 'transfer' | 'mint' | 'burn' | 'clawback';
  readonly from?: string;
  readonly to?: string;
  readonly amount: Stroops;
};

/** Applies a call of `transfer`; any other call is op_not_supported, a transfer that cannot be done is trapped. */
export function applyContractCall(op: Call, stage: Stage): Applied {
  const type = 'invoke_host_function';
  const call = op.func.type === 'hostFunctionTypeInvokeContract' ? op.func.invokeContract : null;
  const transfer = call ? readTransfer(call, stage) : null;
  if (!call || !transfer) {
    const result = notTried('not_supported');
    return {
      type,
      result,
      details: {},
      participants: [stage.source],
      effects: [],
      isPayment: false,
    };
  }
  const { asset, from, to, amount } = transfer;
  const receiver = extractBaseAddress(to);
  const authorised = from === stage.source && amount >= 0n;
  const failure = authorised
    ? (credit(stage.ws, receiver, asset, amount) ?? debit(stage.ws, from, asset, amount))
    : 'not_authorised';
  const changes = failure === null ? [asEvent(transfer)] : [];
  const value = hex(hash(Buffer.from(`${from} ${to} ${amount}`)));
  return {
    type,
    result: failure === null ? succeeded(type, value) : failed(type, 'trapped'),
    details: callDetails(call, changes),
    participants: [stage.source, ...holders(changes)],
    effects: changes.flatMap((change) => changeEffects(change, stage.address)),
    isPayment: failure === null,
  };
}

/** The asset contract calls a transfer from its issuer a mint, and one to its issuer a burn (CAP-67). */
function asEvent({ asset, from, to, amount }: Transfer): BalanceChange {
  const issuer = issuerOf(asset);
  if (from === issuer) return { asset, type: 'mint', to, amount };
  if (extractBaseAddress(to) === issuer) return { asset, type: 'burn', from, amount };
  return { asset, type: 'transfer', from, to, amount };
}

function readTransfer(call: xdr.InvokeContractArgs, stage: Stage): Transfer | null {
  const asset = stage.contracts.get(Address.fromScAddress(call.contractAddress).toString());
  const [from, to, amount] = call.args;
  if (asset === undefined || Buffer.from(call.functionName.bytes).toString() !== 'transfer')
    return null;
  if (from?.type !== 'scvAddress' || to?.type !== 'scvAddress' || amount?.type !== 'scvI128') {
    return null;
  }
  const [sender, receiver] = [Address.fromScVal(from).toString(), Address.fromScVal(to).toString()];
  if (!isAccount(sender) || !isAccount(receiver)) return null;
  return { asset, from: sender, to: receiver, amount: scValToBigInt(amount) };
}

/** Contracts, claimable balances and pools hold nothing here. */
function isAccount(address: string): boolean {
  return StrKey.isValidEd25519PublicKey(address) || StrKey.isValidMed25519PublicKey(address);
}

/** What Horizon tells of a call. Balance changes are null, not an empty list, when there are none. */
export function callDetails(call: xdr.InvokeContractArgs, changes: readonly BalanceChange[]): Json {
  const text = { value: call.functionName.bytes, type: 'Sym' };
  const contract = Address.fromScAddress(call.contractAddress).toScVal();
  const name = { value: symbolXdr(text.value), type: text.type };
  return {
    function: 'HostFunctionTypeHostFunctionTypeInvokeContract',
    parameters: [
      { value: contract.toXdr('base64'), type: 'Address' },
      name,
      ...call.args.map((one) => ({ value: one.toXdr('base64'), type: one.type.slice(3) })),
    ],
    address: '',
    salt: '',
    asset_balance_changes: changes.length === 0 ? null : changes.map(balanceChange),
  };
}

/** ScVal of a symbol: the union's tag 15, the length, the text padded to four bytes. */
function symbolXdr(bytes: Uint8Array): string {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(15, 0);
  head.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([head, bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]).toString(
    'base64',
  );
}

/** The accounts (G addresses) that gave or got; contracts are not among Horizon's participants. */
export function holders(changes: readonly BalanceChange[]): string[] {
  return changes
    .flatMap(({ from, to }) => [from, to])
    .filter((id) => id !== undefined)
    .filter((id) => !StrKey.isValidContract(id))
    .map(extractBaseAddress);
}

/** The effects of a balance change; what a contract holds is booked on the source, under the contract's name. */
export function changeEffects({ from, to, asset, amount }: BalanceChange, source: string) {
  const side = (id: string | undefined, word: 'debited' | 'credited'): EffectRecord[] => {
    if (id === undefined) return [];
    const details = { ...assetFields(asset), amount: formatAmount(amount) };
    if (!StrKey.isValidContract(id)) return [{ account: id, type: `account_${word}`, details }];
    return [{ account: source, type: `contract_${word}`, details: { ...details, contract: id } }];
  };
  return [...side(from, 'debited'), ...side(to, 'credited')];
}

/** The JSON of one balance change; a muxed receiver becomes its account and `destination_muxed_id`. */
function balanceChange(change: BalanceChange): Json {
  const muxed = change.to !== undefined && StrKey.isValidMed25519PublicKey(change.to);
  return {
    ...assetFields(change.asset),
    type: change.type,
    ...(change.from === undefined ? {} : { from: change.from }),
    ...(change.to === undefined ? {} : { to: muxed ? extractBaseAddress(change.to) : change.to }),
    amount: formatAmount(change.amount),
    ...(muxed && change.to
      ? { destination_muxed_id: MuxedAccount.fromAddress(change.to, '0').id() }
      : {}),
  };
}
