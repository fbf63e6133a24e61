/** The effects Horizon's ingestion writes for operations that move money (effects_processor.go). */
import { StrKey } from '@stellar/stellar-sdk';
import { amount, assetDetails, sendAmount } from './operation-row.ts';
import type { Applied, AssetEvent, Details } from './operation-row.ts';

/** One effect; the account may be muxed. */
export type Effect = { readonly account: string; readonly type: number; readonly details: Details };

/** history.EffectType. */
const TYPE = { created: 0, removed: 1, credited: 2, debited: 3, signerCreated: 10 };
const [CONTRACT_CREDITED, CONTRACT_DEBITED] = [96, 97];

/** Effects in their order. Trades of path payments, and operations that move nothing, are left out. */
export function effectsOf({ operation: { body }, source, result, events }: Applied): Effect[] {
  if (!result) return [];
  const inner = result.op_inner;
  if (body.create_account) {
    const { destination, starting_balance } = body.create_account;
    const balance = amount(starting_balance);
    const signer = { public_key: destination, weight: 1 };
    return [
      { account: destination, type: TYPE.created, details: { starting_balance: balance } },
      { account: source, type: TYPE.debited, details: { asset_type: 'native', amount: balance } },
      { account: destination, type: TYPE.signerCreated, details: signer },
    ];
  }
  if (body.payment) {
    const details = {
      amount: amount(body.payment.amount),
      ...assetDetails(body.payment.asset),
    };
    return moved(body.payment.destination, details, source, details);
  }
  if (body.account_merge) {
    const details = {
      amount: amount(inner?.account_merge?.success ?? '0'),
      asset_type: 'native',
    };
    return [
      { account: source, type: TYPE.debited, details },
      { account: body.account_merge, type: TYPE.credited, details },
      { account: source, type: TYPE.removed, details: {} },
    ];
  }
  const path = body.path_payment_strict_send ?? body.path_payment_strict_receive;
  if (path) {
    const success = (inner?.path_payment_strict_send ?? inner?.path_payment_strict_receive)
      ?.success;
    const sent = body.path_payment_strict_send?.send_amount ?? sendAmount(result);
    return moved(
      path.destination,
      { amount: amount(success?.last.amount ?? '0'), ...assetDetails(path.dest_asset) },
      source,
      { amount: amount(sent), ...assetDetails(path.send_asset) },
    );
  }
  return body.invoke_host_function ? events.flatMap((event) => contractEffects(event, source)) : [];
}

function moved(to: string, received: Details, from: string, sent: Details): Effect[] {
  return [
    { account: to, type: TYPE.credited, details: received },
    { account: from, type: TYPE.debited, details: sent },
  ];
}

/** addInvokeHostFunctionEffects: what a contract holds is booked on the source account, with the contract's name. */
function contractEffects({ from, to, asset, ...event }: AssetEvent, source: string): Effect[] {
  const details = { ...assetDetails(asset), amount: amount(String(event.amount)) };
  const effects: Effect[] = [];
  if (from !== undefined) {
    effects.push(
      StrKey.isValidContract(from)
        ? { account: source, type: CONTRACT_DEBITED, details: { ...details, contract: from } }
        : { account: from, type: TYPE.debited, details },
    );
  }
  if (to !== undefined) {
    effects.push(
      StrKey.isValidContract(to)
        ? { account: source, type: CONTRACT_CREDITED, details: { ...details, contract: to } }
        : { account: muxed(to, event.memoId), type: TYPE.credited, details },
    );
  }
  return effects;
}

function muxed(account: string, id: string | undefined): string {
  if (id === undefined) return account;
  const bytes = Buffer.alloc(40);
  bytes.set(StrKey.decodeEd25519PublicKey(account));
  bytes.writeBigUInt64BE(BigInt(id), 32);
  return StrKey.encodeMed25519PublicKey(bytes);
}
