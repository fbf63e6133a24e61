/** What a payer needs to know, as wallets read it. */
import { isNative, type Asset } from './asset.ts';
import { formatAmount, type Stroops } from './money.ts';
import { isStorable, utf8Length } from './text.ts';

const U64_MAX = 18_446_744_073_709_551_615n;

/** Whether a reference is a u64 in canonical decimal: then it serves as memo id and inside a muxed address, too. */
export function isU64(reference: string): boolean {
  return /^(0|[1-9]\d{0,19})$/.test(reference) && BigInt(reference) <= U64_MAX;
}

/** A text memo has at most 28 bytes (Stellar protocol), and a transaction carries one memo. */
const MEMO_TEXT_BYTES = 28;

/** Whether a payment can carry the reference as its memo: a u64 in decimal, or 1 to 28 bytes of text. */
export function isReference(text: string): boolean {
  // A character has at least one byte: nothing long is encoded only to be measured.
  if (text === '' || text.length > MEMO_TEXT_BYTES || !isStorable(text)) return false;
  return utf8Length(text) <= MEMO_TEXT_BYTES;
}

/** What a payment of a session must carry. */
export type PaymentRequest = {
  readonly destination: string;
  readonly amount: Stroops;
  readonly asset: Asset;
  readonly reference: string;
  /** Left out on the public network, where SEP-7 says so. */
  readonly networkPassphrase: string | null;
};

/**
 * The SEP-7 (v2.1.0) URI of a payment: what a wallet opens and a QR code shows. Every value is percent-encoded,
 * without slashes after the scheme; the asset is left out for lumens.
 */
export function paymentUri(request: PaymentRequest): string {
  const { destination, amount, asset, reference, networkPassphrase } = request;
  const fields: [string, string][] = [
    ['destination', destination],
    ['amount', formatAmount(amount)],
    ...(isNative(asset)
      ? []
      : ([
          ['asset_code', asset.code],
          ['asset_issuer', asset.issuer ?? ''],
        ] as [string, string][])),
    ['memo', reference],
    ['memo_type', isU64(reference) ? 'MEMO_ID' : 'MEMO_TEXT'],
    ...(networkPassphrase === null
      ? []
      : ([['network_passphrase', networkPassphrase]] as [string, string][])),
  ];
  const query = fields.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  return `web+stellar:pay?${query}`;
}
