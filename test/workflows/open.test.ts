import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { OpenRequest } from '../../src/client.ts';
import { setStage, type Stage } from '../support/stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

/** Some of the changes are wrong on purpose, as a backend in JavaScript could send them. */
const request = (changes: object = {}): OpenRequest => ({
  merchantId: stage.merchantId,
  amount: '10',
  asset: { code: 'XLM', issuer: null },
  receivingAccount: stage.shop.address,
  expiresAt: '2999-01-01T00:00:00Z',
  ...changes,
});

const deep = (levels: number): object => (levels === 0 ? {} : { deeper: deep(levels - 1) });

const count = async () => {
  const [row] = await stage.database.rows(
    `SELECT (SELECT count(*)::int FROM checkout_sessions) AS sessions,
       (SELECT count(*)::int FROM settlement.watched_accounts) AS accounts,
       (SELECT count(*)::int FROM settlement.session_references) AS references`,
  );
  return row;
};

describe('opening a session', () => {
  test('answers how to pay it, and the same again when it is asked again', async () => {
    const id = randomUUID();
    const opened = await stage.client.openSession(id, request({ metadata: { order: 7 } }));
    expect(opened).toMatchObject({
      sessionId: id,
      status: 'pending',
      amount: '10.0000000',
      receivingAccount: stage.shop.address,
      memoType: 'id',
      warnings: [],
    });
    expect(opened.muxedAccount).toMatch(/^M[A-Z2-7]{68}$/);
    expect(opened.paymentUri).toContain(`memo=${opened.memo}&memo_type=MEMO_ID`);
    const before = await count();
    expect(await stage.client.openSession(id, request())).toEqual(opened);
    expect(await count()).toEqual(before);
  });

  test('warns when customers could not pay: no trustline, no account', async () => {
    const asset = { code: 'USDC', issuer: stage.customer.address };
    const { warnings } = await stage.client.openSession(randomUUID(), request({ asset }));
    expect(warnings).toEqual([expect.stringContaining('no trustline for USDC')]);
    const receivingAccount = 'GAAZI4TCR3TY5OJHCTJC2A4QSY6CJWJH5IAJTGKIN2ER7LBNVKOCCWN7';
    const opened = await stage.client.openSession(randomUUID(), request({ receivingAccount }));
    expect(opened.warnings).toEqual([expect.stringContaining('does not exist')]);
  });

  const G = 'GAAZI4TCR3TY5OJHCTJC2A4QSY6CJWJH5IAJTGKIN2ER7LBNVKOCCWN7';
  test.each([
    ['amount', { amount: '1e3' }],
    ['amount', { amount: '01.5' }],
    ['amount', { amount: '1.12345678' }],
    ['amount', { amount: '-1' }],
    ['amount', { amount: '0' }],
    ['amount', { amount: '0.0000000' }],
    ['amount', { amount: '922337203685.4775808' }],
    ['amount', { amount: 10 }],
    ['receivingAccount', { receivingAccount: 'GABC' }],
    ['receivingAccount', { receivingAccount: G.replace('N7', 'N8') }],
    ['asset.issuer', { asset: { code: 'USDC', issuer: 'nobody' } }],
    ['asset.issuer', { asset: { code: 'USDC', issuer: null } }],
    ['asset.code', { asset: { code: 'US-DC', issuer: G } }],
    ['expiresAt', { expiresAt: '2001-01-01T00:00:00Z' }],
    ['expiresAt', { expiresAt: 'tomorrow' }],
    ['merchantId', { merchantId: 'me' }],
    ['memo', { memo: 'x'.repeat(29) }],
    ['memo', { memo: 'a\0b' }],
    ['successUrl', { successUrl: 'javascript:alert(1)' }],
    ['successUrl', { successUrl: 'https://shop.example/\0' }],
    ['cancelUrl', { cancelUrl: 'https://shop.example/a\r\nSet-Cookie:x=1' }],
    ['cancelUrl', { cancelUrl: `https://shop.example/${'x'.repeat(2_048)}` }],
    ['memo', { memo: 'x\ud83d' }],
    ['expiresAt', { expiresAt: '2999-02-30T00:00:00Z' }],
    ['expiresAt', { expiresAt: '9999-12-31T23:59:59-05:00' }],
    ['note', { note: 'no part of a request' }],
    ['metadata', { metadata: { note: 'a\0b' } }],
    ['metadata', { metadata: { 'a\0b': 1 } }],
    ['metadata', { metadata: { note: '\ud83d' } }],
    ['metadata', { metadata: { order: 9007199254740993n } }],
    ['metadata', { metadata: { note: 'x'.repeat(1_500_000) } }],
    ['metadata', { metadata: deep(33) }],
    ['metadata', { metadata: { rate: Infinity } }],
    ['metadata', { metadata: { since: new Date(0) } }],
    ['metadata', { metadata: [] }],
  ])('refuses a wrong %s (case %#), and writes nothing', async (field, changes) => {
    const before = await count();
    await expect(stage.client.openSession(randomUUID(), request(changes))).rejects.toMatchObject({
      name: 'Refusal',
      code: 'InvalidInput',
      field,
      message: expect.stringContaining(field),
    });
    expect(await count()).toEqual(before);
  });

  test('refuses an unknown merchant, another body under the same id, and a reference in use', async () => {
    const id = randomUUID();
    const { memo } = await stage.client.openSession(id, request());
    const before = await count();
    await expect(
      stage.client.openSession(randomUUID(), request({ merchantId: randomUUID() })),
    ).rejects.toMatchObject({ code: 'MerchantNotFound', field: 'merchantId' });
    await expect(stage.client.openSession(id, request({ amount: '11' }))).rejects.toMatchObject({
      code: 'SessionExistsWithOtherBody',
      field: 'amount',
    });
    await expect(stage.client.openSession(randomUUID(), request({ memo }))).rejects.toMatchObject({
      code: 'ReferenceInUse',
      field: 'memo',
    });
    await expect(stage.client.openSession('not-an-id', request())).rejects.toMatchObject({
      code: 'InvalidInput',
      field: 'sessionId',
    });
    expect(await count()).toEqual(before);
  });

  test('of what the backend has made already completes it: its row, its memo, its account', async () => {
    const id = randomUUID();
    await stage.database.rows(
      `INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo, expires_at)
       VALUES ($1, $2, 10, 'XLM', $3, 'f00df00df00df00d', '2999-01-01T00:00:00Z')`,
      [id, stage.merchantId, stage.shop.address],
    );
    const opened = await stage.client.openSession(id, request());
    expect(opened).toMatchObject({
      memo: 'f00df00df00df00d',
      memoType: 'text',
      muxedAccount: null,
    });
  });

  test('is asked of a session that does not exist: nobody, and no run stays behind', async () => {
    const id = randomUUID();
    expect(await stage.client.sessionState(id)).toBeNull();
    await expect(stage.client.cancelSession(id)).rejects.toMatchObject({ code: 'SessionNotFound' });
    await stage.client.wake(id);
    expect(await stage.runEnd(id)).toBeNull();
    await expect(stage.client.redeliver(id, randomUUID())).rejects.toMatchObject({
      code: 'DeliveryNotFound',
    });
  });
});
