/** The columns of history_transactions that come from the envelope (history/transaction_batch_insert_builder.go). */
import { StrKey, extractBaseAddress } from '@stellar/stellar-sdk';
import type { Envelope, XdrTransaction } from './envelope.ts';

/** transactionToRow, as far as it needs nothing but the envelope. */
export function transactionRow({ tx, signatures, outer }: Envelope): Record<string, unknown> {
  return {
    account: extractBaseAddress(tx.source_account),
    account_muxed: muxed(tx.source_account),
    account_sequence: tx.seq_num,
    max_fee: tx.fee,
    operation_count: tx.operations.length,
    time_bounds: timeBounds(tx.cond),
    ...memo(tx.memo),
    signatures: outer?.signatures ?? signatures,
    inner_signatures: outer ? signatures : null,
    fee_account: outer ? extractBaseAddress(outer.feeSource) : null,
    fee_account_muxed: outer ? muxed(outer.feeSource) : null,
    new_max_fee: outer?.fee ?? null,
  };
}

/** The address itself if it is muxed, else nothing. */
export function muxed(address: string): string | null {
  return StrKey.isValidMed25519PublicKey(address) ? address : null;
}

/** formatTimeBounds: no upper bound is none. */
function timeBounds(cond: XdrTransaction['cond']): string | null {
  if (cond === 'none') return null;
  const { min_time: min, max_time: max } = cond.time;
  return `[${min},${max === '0' ? '' : max})`;
}

function memo(value: XdrTransaction['memo']): Record<string, unknown> {
  if (value === 'none') return { memo_type: 'none', memo: null };
  if (value.id !== undefined) return { memo_type: 'id', memo: value.id };
  if (value.text !== undefined) {
    return { memo_type: 'text', memo: scrub(unescaped(value.text)).replaceAll('\0', '') };
  }
  const [type, hash] = value.hash === undefined ? ['return', value.return] : ['hash', value.hash];
  return { memo_type: type, memo: Buffer.from(hash ?? '', 'hex').toString('base64') };
}

/** The bytes of a string in XDR's JSON (SEP-51). */
function unescaped(text: string): Buffer {
  const plain: Record<string, number> = { '0': 0, t: 9, n: 10, r: 13, '\\': 92 };
  const bytes: number[] = [];
  for (const [, hex, short, other] of text.matchAll(/\\x([0-9a-f]{2})|\\(.)|([^\\])/gs)) {
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else if (short !== undefined) bytes.push(plain[short] ?? 0);
    else bytes.push(...Buffer.from(other ?? ''));
  }
  return Buffer.from(bytes);
}

/** utf8.Scrub: Go replaces every byte that begins no character by U+FFFD, not every broken sequence by one. */
function scrub(bytes: Buffer): string {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const [character, length] = firstCharacter(bytes.subarray(at, at + 4), strict);
    text += character;
    at += length;
  }
  return text;
}

function firstCharacter(bytes: Buffer, strict: InstanceType<typeof TextDecoder>): [string, number] {
  for (let length = 1; length <= bytes.length; length += 1) {
    try {
      return [strict.decode(bytes.subarray(0, length)), length];
    } catch {
      continue; // cut short, or broken
    }
  }
  return ['\uFFFD', 1];
}
