/** Payments that are held are told one by one at first, and then together: what is told is a function of the ledger. */
import { describe, expect, test } from '@jest/globals';
import { parseAmount } from '../../src/domain/money.ts';
import { ranksToldTogether } from '../../src/domain/exceptions.ts';
import { decide } from '../../src/domain/settle.ts';
import { apply, facts, FAKE_USDC, ledgerOf, minute, pay, READ } from './build.ts';

const dust = (n: number, from = 1) =>
  Array.from({ length: n }, (_, i) => pay(from + i, '0.0000001', { asset: FAKE_USDC }));

function told(payments: ReturnType<typeof dust>, known: Parameters<typeof facts>[0] = {}) {
  return decide(facts({ payments, ...known })).newEvents;
}

test('the ranks are the 21st and each doubling of what lies behind the first twenty', () => {
  expect(ranksToldTogether(20)).toEqual([]);
  expect(ranksToldTogether(21)).toEqual([21]);
  expect(ranksToldTogether(161)).toEqual([21, 41, 81, 161]);
  expect(ranksToldTogether(20_481).at(-1)).toBe(20_481);
  // A sum costs what it sums up: there is a last one, however many come.
  expect(ranksToldTogether(500_000)).toEqual(ranksToldTogether(20_481));
  expect(ranksToldTogether(500_000)).toHaveLength(11);
});

describe('payments that a session cannot use', () => {
  test('twenty are told one by one', () => {
    const events = told(dust(20));
    expect(events).toHaveLength(20);
    expect(events.every(({ data }) => !('together' in data))).toBe(true);
  });

  test('hundreds are told with their sums, and a person is asked', () => {
    const decision = decide(facts({ payments: dust(300) }));
    expect(decision.verdicts).toHaveLength(300);
    expect(decision.newEvents).toHaveLength(20 + 4);
    expect(decision.newEvents.at(-1)).toMatchObject({
      type: 'payment.exception',
      fact: 'together:wrong_asset:161',
      data: {
        txHash: pay(161, '1').txHash,
        together: {
          payments: 161,
          sums: [
            { asset: 'USDC', assetIssuer: FAKE_USDC.issuer, amount: '0.0000161', payments: 161 },
          ],
          furtherAssets: 0,
        },
      },
    });
    expect(decision.newAttention.map(({ kind }) => kind)).toEqual(['many_exceptions']);
  });

  test('the same events in whatever portions they come, and nothing is told twice', () => {
    const all = dust(100);
    const atOnce = told(all);
    let known = facts();
    const inPortions = [];
    for (let i = 0; i < 100; i += 7) {
      known = { ...known, payments: [...known.payments, ...all.slice(i, i + 7)] };
      const decision = decide(known);
      inPortions.push(...decision.newEvents);
      known = apply(known, decision);
    }
    const byFact = (events: typeof atOnce) =>
      events.toSorted((a, b) => (a.fact < b.fact ? -1 : 1)).map((e) => JSON.stringify(e));
    expect(byFact(inPortions)).toEqual(byFact(atOnce));
    expect(decide(known).changes).toBe(false);
  });

  test('a sum is told when everything before its last payment is read', () => {
    const payments = dust(30);
    const behind = { ...READ, readThrough: ledgerOf(4) };
    expect(told(payments, { coverage: behind }).map(({ fact }) => fact)).not.toContain(
      'together:wrong_asset:21',
    );
    expect(told(payments).map(({ fact }) => fact)).toContain('together:wrong_asset:21');
  });

  test('what an earlier version told one by one is not told again as a sum', () => {
    const payments = dust(60).map((p) => ({ ...p, verdict: 'wrong_asset' as const }));
    const existingEvents = new Set(
      payments.map((p) => `payment.exception ${p.txHash}:0:0:wrong_asset`),
    );
    expect(told(payments, { existingEvents })).toEqual([]);
  });

  test('reasons are counted by themselves, and of many assets the first ten are summed', () => {
    const assets = Array.from({ length: 25 }, (_, i) =>
      pay(i + 1, '1', { asset: { code: `A${i}`, issuer: FAKE_USDC.issuer } }),
    );
    const late = Array.from({ length: 25 }, (_, i) => pay(100 + i, '1', { closedAt: minute(31) }));
    const events = told([...assets, ...late]);
    const sums = events.flatMap(({ fact, data }) =>
      'together' in data ? [[fact, data['together']] as const] : [],
    );
    expect(sums.map(([fact]) => fact)).toEqual(['together:wrong_asset:21', 'together:late:21']);
    expect(sums[0]?.[1]).toMatchObject({
      payments: 21,
      sums: assets.slice(0, 10).map(({ asset }) => ({ asset: asset.code, payments: 1 })),
      furtherAssets: 11,
    });
  });

  test('what counted in a session that ended short is told likewise', () => {
    const payments = Array.from({ length: 45 }, (_, i) => pay(i + 1, '0.1'));
    const ended = facts({
      payments,
      coverage: { ...READ, provenThrough: ledgerOf(40), endLedger: ledgerOf(30) + 1 },
    });
    const decision = decide(ended);
    expect(decision.status).toBe('expired');
    expect(decision.newEvents.map(({ type }) => type)).toContain('session.expired');
    expect(decision.newEvents).toHaveLength(1 + 20 + 2);
    expect(decision.newEvents[0]?.data).toMatchObject({ received: '4.5000000' });
    expect(parseAmount('4.5')).toBe(decision.judgement.credited);
  });
});
