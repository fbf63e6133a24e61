import { describe, expect, test } from '@jest/globals';
import { unchangedSince, type AccountEntries } from '../../src/domain/ledger-source.ts';
import { pageProves } from '../../src/horizon/coverage.ts';
import { OTHER, SHOP, USDC } from './records.ts';

const second = (s: number) => new Date(Date.UTC(2026, 2, 1, 12, 0, s));

describe('what a page proves', () => {
  test('nothing, when it is empty', () => {
    expect(pageProves(null, false)).toBeNull();
    expect(pageProves(null, true)).toBeNull();
  });

  test('a full one: everything before its last record, which may go on in the same ledger', () => {
    const covers = pageProves({ ledger: 100, closedAt: second(30) }, true);
    expect(covers).toEqual({ throughLedger: 99, throughTime: second(29) });
  });

  test('one that is not full is the end: its last ledger, too', () => {
    const covers = pageProves({ ledger: 100, closedAt: second(30) }, false);
    expect(covers).toEqual({ throughLedger: 100, throughTime: second(30) });
  });
});

describe('since when nothing can have arrived', () => {
  const entries: AccountEntries = {
    account: SHOP,
    asOfLedger: 500,
    accountModifiedLedger: 300,
    trustlines: new Map([
      [`USDC:${USDC.issuer}`, { lastModifiedLedger: 200, authorized: true }],
      [`SHOP:${SHOP}`, { lastModifiedLedger: 100, authorized: true }],
    ]),
    memoRequired: false,
  };

  test.each<[string, string, number]>([
    ['lumens stand in the account itself', 'native', 300],
    ['an asset in its trustline', `USDC:${USDC.issuer}`, 200],
    ['without a trustline, since the account last changed', `USDC:${OTHER}`, 300],
    ['the same in another case is another asset', `usdc:${USDC.issuer}`, 300],
  ])('%s', (_, asset, ledger) => {
    expect(unchangedSince(entries, asset)).toBe(ledger);
  });

  test('an issuer takes its own asset back without a trace: never', () => {
    expect(unchangedSince(entries, `SHOP:${SHOP}`)).toBeGreaterThan(entries.asOfLedger);
  });
});
