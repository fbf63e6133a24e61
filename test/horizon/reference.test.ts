import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { muxedAddress, muxedId } from '../../src/horizon/address.ts';
import { decodeRecord } from '../../src/horizon/decode.ts';
import { recorded, SHOP, type Json } from './records.ts';

const U64_MAX = 18_446_744_073_709_551_615n;
const HASH_BASE64 = '3q2+796tvu/erb7v3q2+796tvu/erb7v3q2+796tvu8=';
const HASH_HEX = 'deadbeef'.repeat(8);
const base64 = (...bytes: number[]) => Buffer.from(bytes).toString('base64');
const ascii = (text: string) => Buffer.from(text).toString('base64');

/** How a payment with these fields, in a transaction with this memo, names its session. */
function referenceOf(memo: Json, fields: Json = {}): (string | null)[] {
  const none = { memo: undefined, memo_bytes: undefined };
  const record = recorded('payment', fields, { ...none, ...memo });
  const { payments, undecoded } = decodeRecord(record, new Set([SHOP]));
  expect(undecoded).toEqual([]);
  expect(payments).toHaveLength(1);
  return payments.flatMap(({ reference, referenceSource }) => [reference, referenceSource]);
}

describe('a memo names the session', () => {
  test.each<[string, Json, string, string]>([
    ['an id', { memo_type: 'id', memo: '4242' }, '4242', 'memo_id'],
    ['the id 0', { memo_type: 'id', memo: '0' }, '0', 'memo_id'],
    ['the largest id', { memo_type: 'id', memo: `${U64_MAX}` }, `${U64_MAX}`, 'memo_id'],
    [
      'an id typed as text',
      { memo_type: 'text', memo: '4242', memo_bytes: ascii('4242') },
      '4242',
      'memo_text',
    ],
    [
      'text, which is what was signed and not its rendering',
      { memo_type: 'text', memo: 'caf?', memo_bytes: ascii('café') },
      'café',
      'memo_text',
    ],
    [
      'text with leading zeros, which are not taken away',
      { memo_type: 'text', memo: '0042', memo_bytes: ascii('0042') },
      '0042',
      'memo_text',
    ],
    [
      'text with a byte order mark, which belongs to it',
      { memo_type: 'text', memo: '4242', memo_bytes: base64(0xef, 0xbb, 0xbf, 0x34) },
      '\u{feff}4',
      'memo_text',
    ],
    ['text of an old node without memo_bytes', { memo_type: 'text', memo: 'A' }, 'A', 'memo_text'],
    ['a hash', { memo_type: 'hash', memo: HASH_BASE64 }, HASH_HEX, 'memo_hash'],
    ['a return hash', { memo_type: 'return', memo: HASH_BASE64 }, HASH_HEX, 'memo_return'],
  ])('%s', (_, memo, reference, source) => {
    expect(referenceOf(memo)).toEqual([reference, source]);
  });
});

describe('a memo names nothing, and the payment is read all the same', () => {
  test.each<[string, Json]>([
    ['none', { memo_type: 'none' }],
    ['an id above u64', { memo_type: 'id', memo: `${U64_MAX + 1n}` }],
    ['an id that is no number', { memo_type: 'id', memo: '-1' }],
    ['an empty text', { memo_type: 'text', memo: '', memo_bytes: '' }],
    [
      'text with NUL, which PostgreSQL cannot store',
      { memo_type: 'text', memo: 'a\u0000b', memo_bytes: base64(0x61, 0, 0x62) },
    ],
    ['text with NUL, without memo_bytes', { memo_type: 'text', memo: 'a\u0000b' }],
    [
      'text that is no UTF-8',
      { memo_type: 'text', memo: '\u{fffd}42', memo_bytes: base64(0xff, 0x34, 0x32) },
    ],
    [
      'text that ends in the middle of a character',
      { memo_type: 'text', memo: 'caf\u{fffd}', memo_bytes: base64(0x63, 0x61, 0x66, 0xc3) },
    ],
    ['a hash of 31 bytes', { memo_type: 'hash', memo: base64(...Array<number>(31).fill(7)) }],
    ['a kind that does not exist yet', { memo_type: 'haiku', memo: '4242' }],
  ])('%s', (_, memo) => {
    expect(referenceOf(memo)).toEqual([null, null]);
  });
});

describe('a muxed address names the session', () => {
  const id = { memo_type: 'id', memo: '9' };

  test.each<[string, Json]>([
    ['any memo', id],
    ['a text memo', { memo_type: 'text', memo: '4242', memo_bytes: ascii('4242') }],
    ['no memo', { memo_type: 'none' }],
  ])('and wins over %s', (_, memo) => {
    const fields = { to_muxed: muxedAddress(SHOP, 7n), to_muxed_id: '7' };
    expect(referenceOf(memo, fields)).toEqual(['7', 'muxed']);
  });

  test('a muxed address of the payer says nothing about the session', () => {
    const fields = { from_muxed: muxedAddress(SHOP, 7n), from_muxed_id: '7' };
    expect(referenceOf(id, fields)).toEqual(['9', 'memo_id']);
  });

  test('any id comes back out of its address, whether or not Horizon wrote it out', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, U64_MAX), fc.boolean(), (number, written) => {
        const address = muxedAddress(SHOP, number);
        expect(muxedId(address)).toBe(`${number}`);
        const fields = { to_muxed: address, ...(written ? { to_muxed_id: `${number}` } : {}) };
        expect(referenceOf(id, fields)).toEqual([`${number}`, 'muxed']);
      }),
    );
  });
});
