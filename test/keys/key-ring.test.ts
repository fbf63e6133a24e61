import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { assert, nat, property, string, uint8Array } from 'fast-check';
import { parseKeyRing, seal, unseal } from '../../src/keys/key-ring.ts';

const key = (bytes = 32) => randomBytes(bytes).toString('base64');
const plain = uint8Array({ maxLength: 300 });

describe('a key ring', () => {
  test('has the first key first, whatever separates the entries', () => {
    const [a, b] = [key(), key()];
    for (const text of [`new:${a},old:${b}`, `new:${a}\nold:${b}\n`, ` new:${a} ,\n old:${b}`]) {
      const ring = parseKeyRing(text);
      expect(ring.first.id).toBe('new');
      expect([...ring.byId.keys()]).toEqual(['new', 'old']);
    }
  });

  test.each([
    ['', 'contains no key'],
    [key(), 'entry (number 1)'],
    [`a:${key()},nonsense`, 'entry (number 2)'],
    [`a:${key(16)}`, 'of 16 bytes'],
    [`a:${key()},a:${key()}`, 'two keys with one id'],
    [`a b:${key()}`, 'entry (number 1)'],
  ])('%s is none, and the reason does not show a key', (text, reason) => {
    expect(() => parseKeyRing(text)).toThrow(reason);
    for (const part of text.split(/[:,]/).filter((p) => p.length > 10)) {
      expect(() => parseKeyRing(text)).not.toThrow(part);
    }
  });
});

describe('what is sealed', () => {
  const ring = parseKeyRing(`k:${key()},other:${key()}`);
  const other = ring.byId.get('other') ?? ring.first;

  test('is read again under the same key and binding, and contains nothing of what it was', () => {
    assert(
      property(plain, string(), (bytes, boundTo) => {
        const sealed = seal(ring.first, bytes, boundTo);
        expect(unseal(ring.first, sealed, boundTo).equals(bytes)).toBe(true);
        if (bytes.length > 3) expect(sealed.includes(Buffer.from(bytes))).toBe(false);
      }),
    );
  });

  test('differs each time', () => {
    expect(seal(ring.first, Buffer.from('x'))).not.toEqual(seal(ring.first, Buffer.from('x')));
  });

  test('is read under no other key or binding, and not with one bit changed or missing', () => {
    assert(
      property(plain, nat(), (bytes, n) => {
        const sealed = seal(ring.first, bytes, 'mine');
        const flipped = Buffer.from(sealed);
        const at = n % flipped.length;
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (n % 8));
        expect(() => unseal(ring.first, flipped, 'mine')).toThrow();
        expect(() => unseal(ring.first, sealed.subarray(0, -1), 'mine')).toThrow();
        expect(() => unseal(ring.first, sealed, 'yours')).toThrow();
        expect(() => unseal(other, sealed, 'mine')).toThrow();
      }),
    );
  });
});
