/** Reports of transactions that do not exist: a session has a few of them, and a report never waits in its slot. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { MockActivityEnvironment } from '@temporalio/testing';
import {
  ASKED_PER_MERCHANT,
  proveReport,
  UNSEEN_PER_SESSION,
} from '../../src/activities/prove-report.ts';
import { currentUse } from '../../src/horizon/budget.ts';
import type { ReportAnswer } from '../../src/workflows/contract.ts';
import { insertMerchant } from '../support/database.ts';
import { openFor } from './opened.ts';
import { startReading, type Reading } from './reading.ts';

let reading: Reading;
beforeAll(async () => {
  reading = await startReading('accounts');
});
afterAll(() => reading.close());

const report = async (sessionId: string, txHash: string, wait = false, deps = reading.deps) =>
  (await new MockActivityEnvironment().run(() =>
    proveReport(deps, { sessionId, txHash, wait }),
  )) as ReportAnswer;
const nonsense = () => randomBytes(32).toString('hex');

const open = (address: string) => openFor(reading, 600, address);

test('more of them are neither looked for nor kept, and the payment is seen all the same', async () => {
  const [shop, customer] = [await reading.wallet(), await reading.wallet()];
  const { sessionId, memo } = await open(shop.address);
  for (let i = 0; i < UNSEEN_PER_SESSION; i += 1) {
    expect((await report(sessionId, nonsense())).kind).toBe('not_on_ledger');
  }
  reading.asked.clear();
  expect(await report(sessionId, nonsense())).toMatchObject({
    kind: 'unknown',
    reason: expect.stringContaining('20 transactions were reported'),
  });
  expect([...reading.asked]).toEqual([]);
  expect(reading.counted.get('report limited by session')).toBe(1);
  const rows = await reading.database.rows('SELECT FROM settlement.reported_payments');
  expect(rows).toHaveLength(UNSEEN_PER_SESSION);

  const { hash } = await customer.pay(shop.address, '10', 'native', { memo: Memo.id(memo) });
  expect((await report(sessionId, hash)).kind).toBe('unknown');
  reading.pass(5);
  await reading.turn(true);
  expect(await report(sessionId, hash)).toMatchObject({ kind: 'paid', txHash: hash });
  // Another session is not concerned.
  const other = await open(shop.address);
  expect((await report(other.sessionId, nonsense())).kind).toBe('not_on_ledger');
});

test('what the ledger does not show yet is asked again by a later attempt, which takes no slot meanwhile', async () => {
  const shop = await reading.wallet();
  const { sessionId } = await open(shop.address);
  await expect(report(sessionId, nonsense(), true)).rejects.toMatchObject({
    type: 'NotOnLedgerYet',
    nextRetryDelay: 1_000,
    category: 'BENIGN',
  });
});

test('of one merchant, so many are asked about at once; the next is answered without being asked, and another merchant is not concerned', async () => {
  const merchantId = await insertMerchant(reading.database);
  const shop = await reading.wallet();
  const sessions = [];
  for (let i = 0; i <= ASKED_PER_MERCHANT; i += 1) {
    sessions.push(await openFor(reading, 600, shop.address, merchantId));
  }
  const other = await openFor(reading, 600, shop.address);
  const [last, ...first] = sessions;
  // Horizon answers for none of them before the test says so.
  const asked: string[] = [];
  const answers = Promise.withResolvers<void>();
  const allAsked = Promise.withResolvers<void>();
  const transaction: typeof reading.deps.source.transaction = async (txHash) => {
    asked.push(txHash);
    if (asked.length === ASKED_PER_MERCHANT) allAsked.resolve();
    if (asked.length <= ASKED_PER_MERCHANT) await answers.promise;
    return { kind: 'not_found' };
  };
  const deps = { ...reading.deps, source: { ...reading.deps.source, transaction } };
  const reportOf = (sessionId = '') =>
    new MockActivityEnvironment().run(() =>
      proveReport(deps, { sessionId, txHash: nonsense(), wait: false }),
    ) as Promise<ReportAnswer>;

  const waiting = first.map(({ sessionId }) => reportOf(sessionId));
  await allAsked.promise;
  expect(await reportOf(last?.sessionId)).toMatchObject({
    kind: 'unknown',
    reason: expect.stringContaining(`${ASKED_PER_MERCHANT} reports of the merchant`),
  });
  expect(asked).toHaveLength(ASKED_PER_MERCHANT);
  expect(reading.counted.get('report limited by merchant')).toBe(1);
  expect((await reportOf(other.sessionId)).kind).toBe('not_on_ledger');
  answers.resolve();
  expect((await Promise.all(waiting)).map(({ kind }) => kind)).toEqual(
    Array(ASKED_PER_MERCHANT).fill('not_on_ledger'),
  );
  // A slot that is free again is given to the next.
  expect((await reportOf(last?.sessionId)).kind).toBe('not_on_ledger');
});

test('five of a merchant are asked about at once, by the share of reports; another merchant does not wait', async () => {
  const shop = await reading.wallet();
  const sessions = await Promise.all(Array.from({ length: 2 }, () => open(shop.address)));
  const [busy, other] = sessions.map(({ sessionId }) => sessionId) as [string, string];
  const merchants = await reading.database.rows<{ id: string; merchant_id: string }>(
    'SELECT id, merchant_id FROM checkout_sessions WHERE id = ANY($1::uuid[])',
    [[busy, other]],
  );
  expect(new Set(merchants.map((row) => row.merchant_id)).size).toBe(2);
  const hanging = Promise.withResolvers<never>();
  const uses: string[] = [];
  const begun = new EventTarget();
  const source = {
    ...reading.deps.source,
    transaction: (): Promise<never> => {
      uses.push(currentUse());
      begun.dispatchEvent(new Event('asked'));
      return hanging.promise;
    },
  };
  const deps = { ...reading.deps, source };
  const asked = (n: number) =>
    new Promise<void>((resolve) => {
      const look = () => uses.length >= n && resolve();
      begun.addEventListener('asked', look);
      look();
    });
  const ofBusy = Array.from({ length: ASKED_PER_MERCHANT }, () =>
    report(busy, nonsense(), false, deps),
  );
  await asked(ASKED_PER_MERCHANT);
  const sixth = await report(busy, nonsense(), false, deps);
  expect(sixth).toMatchObject({
    kind: 'unknown',
    reason: expect.stringContaining('of the merchant'),
  });
  const ofOther = report(other, nonsense(), false, deps);
  await asked(ASKED_PER_MERCHANT + 1);
  hanging.reject(new Error('Horizon is away.'));
  await Promise.all([...ofBusy, ofOther]);
  expect(uses).toEqual(Array.from({ length: ASKED_PER_MERCHANT + 1 }, () => 'reports'));
});
