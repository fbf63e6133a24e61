/**
 * Since Protocol 30 (CAP-88) consecutive ledgers may close in the same whole second. A ledger that closed in the second of
 * the deadline proves no ending: a payment in the next one may be on time. A session ends by the first ledger that closed
 * strictly after its deadline.
 */
import { expect, test } from '@jest/globals';
import { decide } from '../../src/domain/settle.ts';
import { facts, minute, pay, READ } from './build.ts';

/** 10360 and 10361 close in the second of the deadline, 10362 one second later. */
const through = (ledger: number) => ({
  coverage: {
    ...READ,
    readThrough: ledger,
    provenThrough: ledger,
    endLedger: ledger >= 10_362 ? 10_362 : null,
    newestLedger: ledger,
  },
});

test('a ledger of the deadline’s own second ends nothing', () => {
  const decision = decide(facts(through(10_360)));
  expect(decision).toMatchObject({ status: 'pending', closedThroughLedger: null, newEvents: [] });
});

test('a payment of the next ledger, in the same second, makes the session paid', () => {
  const payments = [pay(1, '10', { closedAt: minute(30), ledger: 10_361 })];
  expect(decide(facts({ ...through(10_361), payments })).status).toBe('paid');
});

test('it is on time, though the ledger after the deadline is known already', () => {
  const payments = [pay(1, '10', { closedAt: minute(30), ledger: 10_361 })];
  const { coverage } = through(10_362);
  const unread = { ...coverage, readThrough: 10_360, provenThrough: 10_360 };
  expect(decide(facts({ coverage: unread }))).toMatchObject({ status: 'pending' });
  expect(decide(facts({ coverage: unread, payments }))).toMatchObject({ status: 'pending' });
  expect(decide(facts({ coverage, payments })).status).toBe('paid');
});

test('the first ledger of a later second ends a short session', () => {
  const decision = decide(facts(through(10_362)));
  expect(decision).toMatchObject({ status: 'expired', closedThroughLedger: 10_362 });
});
