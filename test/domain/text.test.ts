import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { storable, storableJson } from '../../src/domain/text.ts';

const anyText = fc.string({ unit: 'binary' });
/** Any sequence of UTF-16 units, halves of pairs and NUL among them. */
const illFormed = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0, max: 0xffff }),
      fc.constantFrom(0, 0xd83d, 0xde00, 0xd800, 0xdfff),
    ),
    { maxLength: 40 },
  )
  .map((units) => String.fromCharCode(...units));

describe('text that is stored', () => {
  test.each<{ text: string; most?: number; stored: string; because: string }>([
    { text: 'für ☕', stored: 'für ☕', because: 'it is well-formed' },
    { text: 'a\0b', stored: 'a\uFFFDb', because: 'PostgreSQL has no NUL' },
    { text: 'a\ud83d', stored: 'a\uFFFD', because: 'it ends in half a character' },
    { text: '\ude00a', stored: '\uFFFDa', because: 'it begins with half a character' },
    { text: 'ab😀', most: 4, stored: 'ab😀', because: 'it fits' },
    { text: 'ab😀', most: 3, stored: 'ab', because: 'a cut never halves a character' },
    { text: 'ab😀', most: 2, stored: 'ab', because: 'it is cut' },
    { text: '😀', most: 1, stored: '', because: 'no character fits' },
    { text: 'a', most: 0, stored: '', because: 'nothing fits' },
  ])('$text becomes $stored, because $because', ({ text, most, stored }) => {
    expect(storable(text, most)).toBe(stored);
  });

  test('is well-formed, without NUL, no longer than allowed, and a beginning of what was sent', () => {
    fc.assert(
      fc.property(fc.oneof(illFormed, anyText), fc.nat(50), (text, most) => {
        const stored = storable(text, most);
        expect(stored.isWellFormed()).toBe(true);
        expect(stored).not.toContain('\0');
        expect(stored.length).toBeLessThanOrEqual(most);
        expect(stored.length).toBeGreaterThanOrEqual(Math.min(most, text.length) - 1);
        expect(storable(text).startsWith(stored)).toBe(true);
        expect(storable(text)).toHaveLength(text.length);
      }),
    );
  });

  test('well-formed text without NUL is stored as it is', () => {
    fc.assert(
      fc.property(
        anyText.filter((text) => !text.includes('\0')),
        (text) => {
          expect(storable(text)).toBe(text);
        },
      ),
    );
  });

  test('JSON has storable keys and strings at every depth, and is JSON.stringify of the rest', () => {
    const time = new Date(0);
    const value = {
      'a\0': ['\ud83d', { 'b\udc00': 'c\0' }],
      n: 1,
      no: null,
      time,
      absent: undefined,
    };
    expect(JSON.parse(storableJson(value))).toEqual({
      'a\uFFFD': ['\uFFFD', { 'b\uFFFD': 'c\uFFFD' }],
      n: 1,
      no: null,
      time: time.toISOString(),
    });
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        const text = storableJson(json);
        if (!/\\u0000|\\ud[89a-f]/.test(JSON.stringify(json))) {
          expect(text).toBe(JSON.stringify(json));
        }
      }),
    );
  });
});
