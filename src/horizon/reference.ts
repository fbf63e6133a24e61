import type { ReferenceSource } from '../domain/ledger-payment.ts';
import { muxedId } from './address.ts';
import type { JoinedTransaction } from './records.ts';

/** How the payer named the session; both null when nothing readable was said. */
export type Reference = {
  readonly reference: string | null;
  readonly referenceSource: ReferenceSource | null;
};

const NONE: Reference = { reference: null, referenceSource: null };

/** The reference of a movement to a muxed address, which wins over any memo (one memo covers all operations). */
export function fromMuxed(address: string): Reference {
  return { reference: muxedId(address), referenceSource: 'muxed' };
}

/** The same where a contract call gives the number itself. @throws RangeError when it is none */
export function fromMuxedId(id: string): Reference {
  const number = u64(id);
  if (number === null) throw new RangeError(`Not a muxed id: ${JSON.stringify(id)}.`);
  return { reference: number, referenceSource: 'muxed' };
}

/**
 * The reference in a memo. Text is at most 28 bytes of anything: where the bytes are no UTF-8, or contain NUL
 * (PostgreSQL cannot store it), the memo names nothing. Hash and return become 64 hex digits.
 */
export function fromMemo(transaction: JoinedTransaction): Reference {
  const { memo_type: type, memo = '' } = transaction;
  switch (type) {
    case 'none':
      return NONE;
    case 'id': {
      const id = u64(memo);
      return id === null ? NONE : { reference: id, referenceSource: 'memo_id' };
    }
    case 'text': {
      const text = memoText(transaction);
      return text === null ? NONE : { reference: text, referenceSource: 'memo_text' };
    }
    case 'hash':
    case 'return': {
      const bytes = Buffer.from(memo, 'base64');
      if (bytes.length !== 32) return NONE;
      return { reference: bytes.toString('hex'), referenceSource: `memo_${type}` };
    }
    default:
      // A kind of memo that this version does not know names nothing that it could have given out.
      return NONE;
  }
}

/** `memo_bytes` is what was signed; `memo` is Horizon's printable rendering of it, lossy where it is no UTF-8. */
function memoText({ memo = '', memo_bytes: encoded }: JoinedTransaction): string | null {
  const bytes = encoded === undefined ? Buffer.from(memo) : Buffer.from(encoded, 'base64');
  if (bytes.length === 0 || bytes.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

const U64_MAX = 18_446_744_073_709_551_615n;

/** The canonical decimal of a u64, or null. */
function u64(text: string): string | null {
  if (!/^\d{1,20}$/.test(text)) return null;
  const value = BigInt(text);
  return value <= U64_MAX ? value.toString() : null;
}
