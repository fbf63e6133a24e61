import { describe, expect, test } from '@jest/globals';
import {
  assetKey,
  isAssetCode,
  isNative,
  NATIVE,
  sameAsset,
  type Asset,
} from '../../src/domain/asset.ts';
import { FAKE_USDC, USDC } from './build.ts';

const ISSUED_XLM: Asset = { code: 'XLM', issuer: USDC.issuer };

describe('two assets are the same only when code and issuer are', () => {
  test.each<{ a: Asset; b: Asset; same: boolean }>`
    a         | b                                        | same
    ${NATIVE} | ${{ code: 'XLM', issuer: null }}         | ${true}
    ${USDC}   | ${{ ...USDC }}                           | ${true}
    ${USDC}   | ${FAKE_USDC}                             | ${false}
    ${USDC}   | ${{ code: 'usdc', issuer: USDC.issuer }} | ${false}
    ${USDC}   | ${{ code: 'USDC', issuer: null }}        | ${false}
    ${NATIVE} | ${ISSUED_XLM}                            | ${false}
    ${NATIVE} | ${{ code: 'native', issuer: null }}      | ${false}
  `('$a and $b: $same', ({ a, b, same }) => {
    expect(sameAsset(a, b)).toBe(same);
    expect(sameAsset(b, a)).toBe(same);
    expect(assetKey(a) === assetKey(b)).toBe(same);
  });
});

test('lumens are native, and an issued asset called XLM is not', () => {
  expect(isNative(NATIVE)).toBe(true);
  expect(isNative(ISSUED_XLM)).toBe(false);
  expect(isNative({ code: 'USDC', issuer: null })).toBe(false);
});

test('an asset is keyed as native, or by code and issuer', () => {
  expect(assetKey(NATIVE)).toBe('native');
  expect(assetKey(USDC)).toBe(`USDC:${USDC.issuer}`);
});

describe('an asset code has 1 to 12 letters and digits', () => {
  test.each(['X', 'USDC', 'yXLM', 'ABCDEFGHIJKL', '1'])('%j is one', (code) => {
    expect(isAssetCode(code)).toBe(true);
  });
  test.each(['', 'ABCDEFGHIJKLM', 'US DC', 'USD-C', 'ÜSD', 'USDC\n'])('%j is none', (code) => {
    expect(isAssetCode(code)).toBe(false);
  });
});
