/** The events that the contract of an asset emits, which the sandbox does not keep (CAP-67). */
import { extractBaseAddress } from '@stellar/stellar-sdk';
import type { Chain } from '../../src/sandbox/ledger/chain.ts';
import type { BalanceChange } from '../../src/sandbox/ledger/contract-call.ts';
import type { Body, XdrAsset, XdrOperationResult } from './envelope.ts';
import { muxedId, type AssetEvent } from './operation-row.ts';

/** The events of an operation: the dictated ones, or those of a `transfer` of an asset's own contract. */
export function assetEvents(
  chain: Chain,
  body: Body,
  result: XdrOperationResult | null,
  dictated: readonly BalanceChange[] | undefined,
): AssetEvent[] {
  if (dictated) return dictated.map(asEvent);
  const call = body.invoke_host_function?.host_function.invoke_contract;
  const asset = call && chain.contracts.get(call.contract_address);
  if (!call || !asset || !result) return [];
  const [from, to, amount] = call.args;
  const [sender, receiver] = [from?.address ?? '', to?.address ?? ''];
  const issuer = asset.split(':')[1];
  const change = { asset, amount: BigInt(amount?.i128 ?? 0) };
  if (sender === issuer) return [asEvent({ ...change, type: 'mint', to: receiver })];
  if (extractBaseAddress(receiver) === issuer) {
    return [asEvent({ ...change, type: 'burn', from: sender })];
  }
  return [asEvent({ ...change, type: 'transfer', from: sender, to: receiver })];
}

function asEvent({ asset, type, from, to, amount }: BalanceChange): AssetEvent {
  const receiver = to === undefined || muxedId(to) === null ? to : extractBaseAddress(to);
  const memoId = to === undefined ? null : muxedId(to);
  const common = { type, asset: xdrAsset(asset), from, to: receiver, amount };
  return memoId === null ? common : { ...common, memoId };
}

/** From `CODE:ISSUER` to how XDR's JSON writes it. */
export function xdrAsset(asset: string): XdrAsset {
  if (asset === 'native') return 'native';
  const [code = '', issuer = ''] = asset.split(':');
  const parts = { asset_code: code, issuer };
  return code.length <= 4 ? { credit_alphanum4: parts } : { credit_alphanum12: parts };
}
