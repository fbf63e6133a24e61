import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { muxedAddress, muxedId } from '../../src/horizon/address.ts';
import { decodeRecord } from '../../src/horizon/decode.ts';
import { addressOf, digest, muxed } from '../oracle/cast.ts';
import { changed, operation, SHOP, transactionOf, type Json } from './records.ts';

const U64_MAX = 18_446_744_073_709_551_615n;
const base64 = (...bytes: number[]) => Buffer.from(bytes).toString('base64');
const sha256 = (text: string) => digest(text).toString('hex');

/** How the payment of a transaction of the play names its session, some fields of both replaced. */
function referenceOf(name: string, transaction: Json = {}, fields: Json = {}): (string | null)[] {
  const record = changed(operation(name), fields, transaction);
  const { payments, undecoded } = decodeRecord(record, new Set([SHOP]));
  expect(undecoded).toEqual([]);
  expect(payments).toHaveLength(1);
  return payments.flatMap(({ reference, referenceSource }) => [reference, referenceSource]);
}

describe('a memo names the session', () => {
  test.each<[string, string, Json, string, string]>([
    ['an id', 'strict send', {}, '77', 'memo_id'],
    ['the id 0', 'id memo 0', {}, '0', 'memo_id'],
    ['the largest id', 'id memo', {}, `${U64_MAX}`, 'memo_id'],
    ['an id typed as text', 'id typed as text', {}, '42', 'memo_text'],
    [
      'text, with all that must be escaped on its way',
      'text memo',
      {},
      'order 7 – für <dich> & m',
      'memo_text',
    ],
    [
      'text, which is what was signed and not its rendering',
      'text memo',
      { memo: 'order 7 ? f?r <dich> & m' },
      'order 7 – für <dich> & m',
      'memo_text',
    ],
    ['text with leading zeros, which are not taken away', 'digits memo', {}, '0042', 'memo_text'],
    [
      'text with a byte order mark, which belongs to it',
      'byte order mark memo',
      {},
      '\u{feff}4',
      'memo_text',
    ],
    [
      'text of an old node without memo_bytes',
      'digits memo',
      { memo_bytes: undefined },
      '0042',
      'memo_text',
    ],
    ['a hash', 'hash memo', {}, sha256('hash'), 'memo_hash'],
    ['a return hash', 'return memo', {}, sha256('return'), 'memo_return'],
  ])('%s', (_, name, transaction, reference, source) => {
    expect(referenceOf(name, transaction)).toEqual([reference, source]);
  });
});

describe('a memo names nothing, and the payment is read all the same', () => {
  test.each<[string, string, Json]>([
    ['none', 'no memo', {}],
    ['an id above u64', 'id memo', { memo: `${U64_MAX + 1n}` }],
    ['an id that is no number', 'id memo', { memo: '-1' }],
    ['an empty text', 'empty text memo', {}],
    ['text with NUL, which PostgreSQL cannot store', 'NUL memo', {}],
    ['text with NUL, without memo_bytes', 'NUL memo', { memo_bytes: undefined, memo: 'a\u0000b' }],
    ['text that is no UTF-8', 'not UTF-8 memo', {}],
    ['text that is no UTF-8 in several ways', 'cut short memo', {}],
    [
      'text that ends in the middle of a character',
      'text memo',
      { memo: 'caf\u{fffd}', memo_bytes: base64(0x63, 0x61, 0x66, 0xc3) },
    ],
    ['a hash of 31 bytes', 'hash memo', { memo: base64(...Array<number>(31).fill(7)) }],
    ['a kind that does not exist yet', 'id memo', { memo_type: 'haiku' }],
  ])('%s', (_, name, transaction) => {
    expect(referenceOf(name, transaction)).toEqual([null, null]);
  });
});

describe('a muxed address names the session', () => {
  test('and wins over the memo beside it', () => {
    expect(transactionOf(operation('to muxed 0'))).toMatchObject({ memo_type: 'id', memo: '5' });
    expect(referenceOf('to muxed 0')).toEqual(['0', 'muxed']);
  });

  test.each(['no memo', 'id memo', 'text memo', 'hash memo'])('and wins over %s', (name) => {
    const { memo_type, memo, memo_bytes } = transactionOf(operation(name));
    const reference = referenceOf('to muxed', { memo_type, memo, memo_bytes });
    expect(reference).toEqual(['9007199254740993', 'muxed']);
  });

  test('a muxed address of the payer says nothing about the session', () => {
    const from = muxed(addressOf('customer'), '0');
    expect(operation('operation from muxed 0')['from_muxed']).toBe(from);
    expect(referenceOf('operation from muxed 0')).toEqual(['9', 'memo_id']);
  });

  test('any id comes back out of its address, whether or not Horizon wrote it out', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, U64_MAX), fc.boolean(), (number, written) => {
        const address = muxedAddress(SHOP, number);
        expect(muxedId(address)).toBe(`${number}`);
        const to_muxed_id = written ? `${number}` : undefined;
        const fields = { to_muxed: address, to_muxed_id };
        expect(referenceOf('to muxed', {}, fields)).toEqual([`${number}`, 'muxed']);
      }),
    );
  });
});
