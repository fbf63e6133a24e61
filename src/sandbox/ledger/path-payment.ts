/** Path payments: the rates that the caller has set stand in for the order books on the way. */
import { Keypair, extractBaseAddress } from '@stellar/stellar-sdk';
import { MAX_STROOPS, formatAmount, parseAmount } from '../../domain/money.ts';
import type { Stroops } from '../../domain/money.ts';
import { credit, debit } from './balances.ts';
import { accountFields, assetFields, assetXdrJson } from './details.ts';
import type { AssetKey } from './entries.ts';
import type { Operation } from './envelope.ts';
import { failed, succeeded } from './result.ts';
import { moved } from './stage.ts';
import type { Applied, Stage } from './stage.ts';

type PathPayment = Extract<
  Operation,
  { type: 'pathPaymentStrictSend' | 'pathPaymentStrictReceive' }
>;

/** The trader on the other side of every conversion, named in the claimed offers of the result. */
const MARKET_MAKER = Keypair.fromRawEd25519Seed(new Uint8Array(32).fill(7)).publicKey();

type Conversion = { readonly sent: Stroops | null; readonly received: Stroops | null };

/** Whether it is one of the two path payments. */
export function isPathPayment(op: Operation): op is PathPayment {
  return op.type === 'pathPaymentStrictSend' || op.type === 'pathPaymentStrictReceive';
}

/** Applies either kind: strict send fixes what leaves the payer, strict receive what arrives. */
export function applyPathPayment(op: PathPayment, stage: Stage): Applied {
  const strictSend = op.type === 'pathPaymentStrictSend';
  const type = strictSend ? 'path_payment_strict_send' : 'path_payment_strict_receive';
  const path = [op.sendAsset, ...op.path, op.destAsset].map(String);
  const conversion: Conversion = strictSend
    ? {
        sent: parseAmount(op.sendAmount),
        received: stage.rates.forward(path, parseAmount(op.sendAmount)),
      }
    : {
        sent: stage.rates.backward(path, parseAmount(op.destAmount)),
        received: parseAmount(op.destAmount),
      };
  const failure = transfer(op, stage, conversion);
  const ok = failure === null;
  const sent = formatAmount(conversion.sent ?? 0n);
  const received = formatAmount(conversion.received ?? 0n);
  const [sendAsset, destAsset] = [op.sendAsset.toString(), op.destAsset.toString()];
  return {
    type,
    result: ok
      ? succeeded(type, successArm(op, stage, path, conversion.sent ?? 0n))
      : failed(type, failure),
    details: {
      ...accountFields('from', stage.address),
      ...accountFields('to', op.destination),
      amount: strictSend && !ok ? '0.0000000' : received,
      source_amount: !strictSend && !ok ? '0.0000000' : sent,
      ...(strictSend
        ? { destination_min: formatAmount(parseAmount(op.destMin)) }
        : { source_max: formatAmount(parseAmount(op.sendMax)) }),
      ...assetFields(destAsset),
      ...assetFields(sendAsset, 'source_'),
      path: op.path.map((asset) => assetFields(asset.toString())),
    },
    participants: [stage.source, extractBaseAddress(op.destination)],
    effects: [
      moved('account_credited', op.destination, destAsset, received),
      moved('account_debited', stage.address, sendAsset, sent),
    ],
    isPayment: true,
  };
}

/** In stellar-core's order: the receiver of a strict receive is looked at first, the payer of a strict send. */
function transfer(op: PathPayment, stage: Stage, { sent, received }: Conversion): string | null {
  const destination = extractBaseAddress(op.destination);
  const [sell, buy]: [AssetKey, AssetKey] = [op.sendAsset.toString(), op.destAsset.toString()];
  if (!stage.ws.account(destination)) return 'no_destination';
  if (sent === null || received === null || received === 0n) return 'too_few_offers';
  if (sent > MAX_STROOPS || received > MAX_STROOPS) return 'too_few_offers';
  if (op.type === 'pathPaymentStrictSend') {
    const failure = debit(stage.ws, stage.source, sell, sent);
    if (failure !== null) return failure;
    if (received < parseAmount(op.destMin)) return 'under_destmin';
    return credit(stage.ws, destination, buy, received);
  }
  const failure = credit(stage.ws, destination, buy, received);
  if (failure !== null) return failure;
  if (sent > parseAmount(op.sendMax)) return 'over_sendmax';
  return debit(stage.ws, stage.source, sell, sent);
}

/** An offer is claimed at each step of the way: what is shown of a transaction grows with the length of its paths. */
function successArm(
  op: PathPayment,
  stage: Stage,
  path: readonly AssetKey[],
  sent: Stroops,
): unknown {
  const offers = path.slice(1).flatMap((buy, i) => {
    const sell = path[i] ?? buy;
    if (sell === buy) return [];
    const [bought, sold] = [i + 1, i + 2].map((to) => stage.rates.forward(path.slice(0, to), sent));
    const offer = {
      seller_id: MARKET_MAKER,
      offer_id: '1',
      asset_sold: assetXdrJson(buy),
      amount_sold: String(sold),
      asset_bought: assetXdrJson(sell),
      amount_bought: String(bought),
    };
    return [{ order_book: offer }];
  });
  const destination = extractBaseAddress(op.destination);
  const amount =
    op.type === 'pathPaymentStrictSend'
      ? stage.rates.forward(path, sent)
      : parseAmount(op.destAmount);
  return {
    offers,
    last: { destination, asset: assetXdrJson(op.destAsset.toString()), amount: String(amount) },
  };
}
