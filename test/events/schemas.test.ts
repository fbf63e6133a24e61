/** What the schemas promise of events, and what domain/event.ts makes. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { schemaFiles } from '../../scripts/events/schemas.ts';
import type { Asset } from '../../src/domain/asset.ts';
import { dueEvents, eventBody } from '../../src/domain/event.ts';
import { judge, type InboxPayment } from '../../src/domain/judge.ts';
import type { Session } from '../../src/domain/session.ts';
import {
  EXCEPTION_REASONS,
  type PaymentConfirmed,
  type PaymentException,
  type SessionCancelled,
  type SessionExpired,
  type SettlementEvent,
} from '../../src/events.ts';
import { context, FAKE_USDC, minute, pay, row, session, USDC } from '../domain/build.ts';
import { expectEvent, problemsWith, publishedSchemas } from './bodies.ts';

const ID = '0f9c7e4a-6f0e-5b7e-9a58-8d4f1f6f7b3c';

/** Every body that the state of a session calls for. */
function bodies(fields: Partial<Session>, payments: InboxPayment[] = [], paid = '12'): string[] {
  const s = session(fields);
  const recorded = s.status === 'paid' ? row(1, paid) : null;
  const due = dueEvents(s, judge(s, payments, context()), recorded);
  return due.map((fact) => eventBody(ID, fact));
}

const NATIVE: Asset = { code: 'XLM', issuer: null };
const ENDED = { closedThroughLedger: 777 } as const;
const CANCELLED = { status: 'cancelled', cancelAt: minute(10), ...ENDED } as const;

test('docs/schemas is what src/events.ts says: `npm run docs:events` writes it', async () => {
  expect(publishedSchemas()).toEqual(await schemaFiles());
});

describe('a body made by domain/event.ts is exactly what its schema says', () => {
  test.each<[string, string[]]>([
    ['payment.confirmed', bodies({ status: 'paid' })],
    ['payment.confirmed', bodies({ status: 'paid', asset: NATIVE, metadata: null }, [], '10')],
    ['payment.confirmed', bodies({ status: 'paid', reference: null, metadata: [1, 'a', {}] })],
    ['session.expired', bodies({ status: 'expired', ...ENDED })],
    ['session.cancelled', bodies(CANCELLED)],
    ['payment.exception', bodies({}, [pay(1, '7', { asset: FAKE_USDC, opIndex: 3 })])],
    ['payment.exception', bodies({}, [pay(1, '7', { asset: NATIVE })])],
  ])('%s', (type, [body = '']) => {
    expect(expectEvent(body).type).toBe(type);
  });

  test('for every reason for which money is held', () => {
    const exceptions = [
      ...bodies({ status: 'paid' }, [pay(1, '12'), pay(2, '12')]),
      ...bodies({ status: 'expired', ...ENDED }, [
        pay(1, '4'),
        pay(2, '3', { closedAt: minute(31) }),
      ]),
      ...bodies({}, [pay(1, '10', { asset: FAKE_USDC }), pay(2, '0')]),
      ...bodies(CANCELLED, [pay(1, '10')]),
    ].map(expectEvent);
    const reasons = exceptions.flatMap((e) =>
      e.type === 'payment.exception' ? e.data.reason : [],
    );
    expect(reasons.sort()).toEqual(Object.keys(EXCEPTION_REASONS).sort());
  });

  test('for any amounts, metadata and payers', () => {
    const amounts = fc.bigInt({ min: 1n, max: 9_223_372_036_854_775_807n });
    const sessions = fc.record({
      price: amounts,
      asset: fc.constantFrom(USDC, NATIVE),
      reference: fc.option(fc.string({ maxLength: 28 })),
      metadata: fc.jsonValue(),
      status: fc.constantFrom('paid' as const, 'expired' as const, 'pending' as const),
      closedThroughLedger: fc.option(fc.nat()),
    });
    const payments = fc.array(
      fc.record({
        amount: amounts,
        asset: fc.constantFrom(USDC, NATIVE, FAKE_USDC),
        closedAt: fc.integer({ min: 0, max: 60 }).map(minute),
        opIndex: fc.nat(99),
      }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(sessions, payments, (fields, paid) => {
        for (const body of bodies(
          fields,
          paid.map((p, n) => pay(n + 1, '1', p)),
        ))
          expectEvent(body);
      }),
    );
  });
});

describe('docs/schemas/*.json', () => {
  const [confirmed = ''] = bodies({ status: 'paid' });
  const valid = JSON.parse(confirmed) as PaymentConfirmed;
  const broken = (change: Record<string, unknown>, data: Record<string, unknown> = {}) => ({
    ...valid,
    ...change,
    data: { ...valid.data, ...data },
  });

  test.each<[string, unknown, string]>([
    ['an amount that is a number', broken({}, { amount: 12 }), '/data/amount must be string'],
    ['an amount with six decimals', broken({}, { price: '1.000000' }), '/data/price must match'],
    ['a missing memo', broken({}, { memo: undefined }), "/data must have required property 'memo'"],
    ['no metadata at all', broken({}, { metadata: undefined }), "property 'metadata'"],
    ['another event’s name', broken({ event: 'session.expired' }), '/event must be equal to const'],
    [
      'a time without a zone',
      broken({ timestamp: '2026-03-01T12:00:00' }),
      '/timestamp must match',
    ],
    ['an upper-case hash', broken({}, { txHash: 'F'.repeat(64) }), '/data/txHash must match'],
  ])('refuse %s', (_, body, problem) => {
    const asSent = JSON.parse(JSON.stringify(body)) as unknown;
    expect(problemsWith(asSent, 'payment.confirmed.json')).toEqual([
      expect.stringContaining(problem),
    ]);
    expect(problemsWith(asSent, 'event.json')).not.toEqual([]);
  });

  test('let keys through that a later version may add', () => {
    const later = broken({ version: 2 }, { fee: '0.0000100' });
    expect(problemsWith(later, 'payment.confirmed.json')).toEqual([]);
    expect(problemsWith(later, 'event.json')).toEqual([]);
  });
});

test('the types tell the events apart: this compiles, and what is marked does not', () => {
  const told = (event: SettlementEvent): string => {
    switch (event.type) {
      case 'payment.confirmed':
        return event.data.overpaid satisfies PaymentConfirmed['data']['price'];
      case 'session.expired':
      case 'session.cancelled':
        return String(event.data.closedThroughLedger satisfies number);
      case 'payment.exception':
        return event.data.reason satisfies keyof typeof EXCEPTION_REASONS;
    }
  };
  const [body = ''] = bodies({ status: 'paid' });
  expect(told(expectEvent(body))).toBe('2.0000000');
  const other = JSON.parse(bodies(CANCELLED)[0] ?? '') as
    SessionExpired | SessionCancelled | PaymentException;
  // @ts-expect-error -- only a confirmed payment can be overpaid
  expect(other.data.overpaid).toBeUndefined();
});
