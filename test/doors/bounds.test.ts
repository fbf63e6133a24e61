/** Each bound of a request at its edge: what just fits is taken, one more is refused by its field. */
import { describe, expect, test } from '@jest/globals';
import { Refusal } from '../../src/domain/failure.ts';
import { hashOfWake, partOf } from '../../src/doors/messages.ts';
import { readOpenRequest, requireFuture } from '../../src/doors/open-request.ts';

const ACCOUNT = 'GAAZI4TCR3TY5OJHCTJC2A4QSY6CJWJH5IAJTGKIN2ER7LBNVKOCCWN7';
const good = {
  merchantId: '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
  amount: '10',
  asset: { code: 'XLM', issuer: null },
  receivingAccount: ACCOUNT,
  expiresAt: '2999-01-01T00:00:00Z',
};

/** `taken`, or the field that is refused. */
function outcome(changes: Record<string, unknown>): string {
  try {
    readOpenRequest({ ...good, ...changes });
    return 'taken';
  } catch (error) {
    if (error instanceof Refusal) return error.field ?? '';
    throw error;
  }
}

const nested = (levels: number): unknown =>
  Array.from({ length: levels - 1 }).reduce((inner: unknown) => ({ a: inner }), {});
const values = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, 0]));
/** Metadata of so many bytes as PostgreSQL writes it: `{"a": "…"}`. */
const ofBytes = (n: number) => ({ a: 'x'.repeat(n - '{"a": ""}'.length) });
const url = (units: number) => `https://shop.example/${'x'.repeat(units - 21)}`;

describe('a request', () => {
  test.each<[string, string, unknown, unknown]>([
    ['metadata', 'nested in 32 levels', nested(32), nested(33)],
    ['metadata', 'of 1,000 values', values(1_000), values(1_001)],
    ['metadata', 'of 16,384 bytes', ofBytes(16_384), ofBytes(16_385)],
    ['metadata', 'of 16,384 bytes in UTF-8', ofBytes(16_384), { a: `${ofBytes(16_383).a}é` }],
    ['metadata', 'of text', { a: '😀' }, { a: '\ud83d' }],
    ['metadata', 'without NUL', { a: 'x' }, { 'a\0': 'x' }],
    ['successUrl', 'of 2,048 bytes', url(2_048), url(2_049)],
    ['cancelUrl', 'of 2,048 bytes in UTF-8', url(2_048), `${url(2_040)}${'é'.repeat(8)}`],
    ['successUrl', 'without control characters', url(40), `${url(40)}\t`],
    ['successUrl', 'without half characters', url(40), `${url(40)}\ud800`],
    ['successUrl', 'of http(s)', 'http://shop.example/', 'javascript:alert(1)'],
    ['amount', 'of 20 characters', '922337203685.4775807', '922337203685.47758070'],
    ['amount', 'above zero', '0.0000001', '0.0000000'],
    ['memo', 'of 28 bytes', 'x'.repeat(28), 'x'.repeat(29)],
    ['expiresAt', 'until the year 9999', '9999-12-31T23:59:59Z', '9999-12-31T23:59:59-00:01'],
    ['expiresAt', 'from the year 1 on', '0001-01-01T00:00:00Z', '0001-01-01T00:00:00+00:01'],
    ['expiresAt', 'that exists', '2999-02-28T00:00:00Z', '2999-02-29T00:00:00Z'],
  ])('%s %s is taken, and no more', (field, _, fits, exceeds) => {
    expect(outcome({ [field]: fits })).toBe('taken');
    expect(outcome({ [field]: exceeds })).toBe(field);
  });

  test.each(['amount', 'memo', 'expiresAt', 'receivingAccount', 'successUrl'])(
    'whose %s is wrong is refused in a short sentence, however long it is',
    (field) => {
      const refused = () => readOpenRequest({ ...good, [field]: '9'.repeat(10_000) });
      expect(refused).toThrow(/^.{1,300}$/su);
    },
  );

  test('for an asset that is not native names its issuer', () => {
    expect(outcome({ asset: { code: 'USDC', issuer: ACCOUNT } })).toBe('taken');
    expect(outcome({ asset: { code: 'USDC', issuer: null } })).toBe('asset.issuer');
  });

  test('with a field that nobody knows is refused by it, also within a part', () => {
    expect(outcome({ price: '10' })).toBe('price');
    expect(outcome({ asset: { code: 'XLM', issuer: null, free: true } })).toBe('asset.free');
  });

  test('whose deadline was over when the newest ledger closed is refused by it', () => {
    const at = new Date('2026-03-01T12:00:00Z');
    expect(() => requireFuture(new Date(at.getTime() + 1), at)).not.toThrow();
    expect(() => requireFuture(at, at)).toThrow(/^expiresAt: is in the past/);
  });
});

test('a wake has a hash of its own, or none', () => {
  const hash = 'ab'.repeat(32);
  expect(hashOfWake({ txHash: hash })).toBe(hash);
  for (const wake of [
    { txHash: 'ab' },
    { txHash: hash.toUpperCase() },
    Object.create({ txHash: hash }),
  ]) {
    expect(hashOfWake(wake)).toBeNull();
  }
  expect(partOf({}, 'toString')).toBeUndefined();
});
