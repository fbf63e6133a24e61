/** What a stranger wrote, as a terminal gets it. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { shownDeep, shownLines, shownText } from '../../src/domain/shown.ts';
import { shownUrl, withoutSecretsOf } from '../../src/domain/shown-url.ts';

const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

describe('text of a stranger', () => {
  test.each([
    ['ESC', '\u001b[2J', '\\u001b[2J'],
    ['a line feed', 'a\nb', 'a\\nb'],
    ['a carriage return', 'a\rb', 'a\\rb'],
    ['a tab', 'a\tb', 'a\\tb'],
    ['NUL', 'a\0b', 'a\\u0000b'],
    ['DEL', 'a\u007fb', 'a\\u007fb'],
    ['CSI in one byte (C1)', '\u009b2J', '\\u009b2J'],
    ['a bidi override', '\u202egnp', '\\u202egnp'],
    ['a bidi isolate', '\u2066a', '\\u2066a'],
    ['a zero-width space', 'a\u200bb', 'a\\u200bb'],
    ['a line separator', 'a\u2028b', 'a\\u2028b'],
    ['half a surrogate pair', 'a\ud83d', 'a\\ud83d'],
    ['a tag character, of two units', '\u{e0041}', '\\udb40\\udc41'],
    ['what is not hidden', 'Café “7” 日本 🎉', 'Café “7” 日本 🎉'],
  ])('%s', (_, text, shown) => {
    expect(shownText(text)).toBe(shown);
  });

  test('never leaves anything hidden, wherever it stands in a value', () => {
    fc.assert(
      fc.property(fc.object({ key: anyText, values: [anyText, fc.integer()] }), (value) => {
        const shown = JSON.stringify(shownDeep(value));
        expect(shown).not.toMatch(HIDDEN);
      }),
    );
  });

  test('does not change what JSON says, and leaves only line feeds in it', () => {
    fc.assert(
      fc.property(fc.object({ key: anyText, values: [anyText, fc.integer()] }), (value) => {
        const plain = JSON.stringify(value, null, 2);
        const printed = shownLines(plain);
        expect(printed.replaceAll('\n', '')).not.toMatch(HIDDEN);
        expect(JSON.parse(printed)).toEqual(JSON.parse(plain));
      }),
    );
  });

  test('leaves what is no text as it is', () => {
    const at = new Date(0);
    expect(shownDeep({ at, n: 1, none: null, list: [true, undefined] })).toEqual({
      at,
      n: 1,
      none: null,
      list: [true, undefined],
    });
  });
});

const anyText = fc.string({ unit: 'binary' });

describe('a URL', () => {
  test.each([
    ['https://merchant.example/hook', 'https://merchant.example/hook'],
    ['https://merchant.example:8443/api/v1', 'https://merchant.example:8443/api/v1'],
    ['https://merchant.example/', 'https://merchant.example/'],
    ['https://hooks.example/services/T012/B034/x9Yz', 'https://hooks.example/services/…'],
    ['https://hooks.example/9f8a7b6c5d4e/in', 'https://hooks.example/…'],
    ['https://merchant.example/hook?token=s3cret', 'https://merchant.example/hook?…'],
    ['https://user:s3cret@merchant.example/hook', 'https://merchant.example/hook'],
    ['https://merchant.example/a/b/c', 'https://merchant.example/a/b/…'],
    ['s3cret', '(not a URL)'],
  ])('%s is shown as %s', (url, shown) => {
    expect(shownUrl(url)).toBe(shown);
  });

  test('is not repeated by the page that a receiver answers with', () => {
    const url = new URL('https://u:password1@m.example/hook/s3cr%C3%A9tpath?token=s3cretvalue');
    const page = 'Cannot POST /hook/s3cr%C3%A9tpath?token=s3cretvalue (s3crétpath, password1)';
    const shown = withoutSecretsOf(url, page);
    expect(shown).not.toMatch(/s3cr|password1/);
    expect(shown).toContain('Cannot POST ');
    expect(withoutSecretsOf(new URL('https://m.example/hook'), 'no /hook')).toBe('no /hook');
  });
});
