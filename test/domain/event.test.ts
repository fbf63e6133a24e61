import { describe, expect, test } from '@jest/globals';
import { DEFAULT_EVENTS, dueEvents, eventBody } from '../../src/domain/event.ts';
import { judge, type InboxPayment } from '../../src/domain/judge.ts';
import type { Session } from '../../src/domain/session.ts';
import { context, FAKE_USDC, minute, pay, PAYER, row, session, txHash, USDC } from './build.ts';

function due(fields: Partial<Session>, payments: InboxPayment[] = [], ambiguous = false) {
  const s = session(fields);
  const recorded = s.status === 'paid' ? row(1, '12') : null;
  return dueEvents(s, judge(s, payments, context({ ambiguous })), recorded);
}

const ENDED = { closedThroughLedger: 777 } as const;

test('an endpoint that asks for nothing in particular is not told of held money', () => {
  expect(DEFAULT_EVENTS).toEqual(['payment.confirmed', 'session.expired', 'session.cancelled']);
});

test('payment.confirmed says what was paid, by whom and for what', () => {
  expect(due({ status: 'paid' })).toEqual([
    {
      type: 'payment.confirmed',
      fact: 'paid',
      occurredAt: minute(5),
      data: {
        sessionId: session().id,
        txHash: txHash(1),
        amount: '12.0000000',
        asset: 'USDC',
        sender: PAYER,
        price: '10.0000000',
        overpaid: '2.0000000',
        assetIssuer: USDC.issuer,
        memo: '4242',
        metadata: { order: 'A-17' },
      },
    },
  ]);
});

test('a row of less than the price, as an older backend wrote them, is not overpaid', () => {
  const s = session({ status: 'paid' });
  const [event] = dueEvents(s, judge(s, [], context()), row(1, '9.9999999'));
  expect(event?.data).toMatchObject({ amount: '9.9999999', overpaid: '0.0000000' });
});

describe('the ending is told as of the effective deadline', () => {
  test('session.expired', () => {
    const counted = { verdict: 'credited' } as const;
    const [event, ...more] = due({ status: 'expired', ...ENDED }, [pay(1, '4', counted)]);
    expect(event).toMatchObject({ type: 'session.expired', fact: 'ended', occurredAt: minute(30) });
    expect(event?.data).toMatchObject({
      price: '10.0000000',
      received: '4.0000000',
      closedThroughLedger: 777,
    });
    expect(more.map(({ type }) => type)).toEqual(['payment.exception']);
  });

  test('says what counted when it ended: not what is found later, and what is returned later', () => {
    const counted = { verdict: 'credited' } as const;
    const [event] = due({ status: 'expired', ...ENDED }, [
      pay(1, '4', { ...counted, resolved: true }),
      pay(2, '1', { ...counted, placedAfter: 776 }),
      pay(3, '2', { ...counted, placedAfter: 777 }),
      pay(4, '3'),
    ]);
    expect(event?.data).toMatchObject({ received: '5.0000000' });
  });

  test('session.cancelled', () => {
    const [event] = due({ status: 'cancelled', cancelAt: minute(10), ...ENDED });
    expect(event).toMatchObject({
      type: 'session.cancelled',
      fact: 'ended',
      occurredAt: minute(10),
    });
  });

  test('not while it is not proven, and not when the session was paid after all', () => {
    expect(due({ status: 'expired' })).toEqual([]);
    expect(due({ status: 'paid', ...ENDED }).map(({ type }) => type)).toEqual([
      'payment.confirmed',
    ]);
  });
});

describe('payment.exception', () => {
  test('says what is held, of which payment, in which asset and why', () => {
    const [event] = due({}, [pay(3, '7', { asset: FAKE_USDC, opIndex: 2, closedAt: minute(8) })]);
    expect(event).toMatchObject({
      type: 'payment.exception',
      fact: `${txHash(3)}:2:0:wrong_asset`,
      occurredAt: minute(8),
      data: {
        reason: 'wrong_asset',
        amount: '7.0000000',
        received: '7.0000000',
        asset: 'USDC',
        assetIssuer: FAKE_USDC.issuer,
        txHash: txHash(3),
        operationIndex: 2,
        sender: PAYER,
      },
    });
  });

  test('is one event for each operation of a transaction', () => {
    const facts = due({}, [pay(1, '0'), pay(1, '0', { opIndex: 1 })]).map(({ fact }) => fact);
    expect(new Set(facts).size).toBe(2);
  });

  test('is not told of money that may be another session’s', () => {
    expect(due({}, [pay(1, '10')], true)).toEqual([]);
  });
});

describe('the body', () => {
  test('has the older backend’s keys first, then what Standard Webhooks libraries read', () => {
    const fact = {
      type: 'session.expired',
      fact: 'ended',
      occurredAt: minute(30),
      data: { a: '1' },
    } as const;
    expect(eventBody('id-1', fact)).toBe(
      '{"event":"session.expired","data":{"a":"1"},"timestamp":"2026-03-01T12:30:00.000Z","type":"session.expired","id":"id-1"}',
    );
  });
});
