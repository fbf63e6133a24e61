/** A session that an older backend ended before `history_from` stands by its row: it is over, as any other is. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Memo } from '@stellar/stellar-sdk';
import { setStage, type Stage } from '../support/stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  // Its account is watched, from now on.
  await stage.open();
});
afterAll(() => stage.close());

async function endedLongAgo(status: 'expired' | 'cancelled') {
  const id = randomUUID();
  const memo = String(BigInt(`0x${id.slice(0, 8)}`) + 1n);
  await stage.database.rows(
    `INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo, status, created_at, expires_at)
     VALUES ($1, $2, '10', 'XLM', $3, $4, $5, now() - interval '90 days', now() - interval '89 days')`,
    [id, stage.merchantId, stage.shop.address, memo, status],
  );
  return { id, memo };
}

test('P5: it comes to rest again when a late payment was told', async () => {
  const { id, memo } = await endedLongAgo('expired');
  await stage.customer.pay(stage.shop.address, '10', 'native', { memo: Memo.id(memo) });
  await stage.watch();
  await stage.watch();
  const seen = await stage.client.sessionState(id, { fresh: true });
  expect(seen).toMatchObject({
    atRest: true,
    over: true,
    nextLookAt: null,
    payments: [{ verdict: 'late' }],
  });
  await stage.runEnd(id);
  const { status } = await stage.env.client.workflow.getHandle(`checkout-session:${id}`).describe();
  expect(status.name).toBe('COMPLETED');
  expect(
    await stage.database.rows('SELECT 1 FROM settlement.active_sessions WHERE session_id = $1', [
      id,
    ]),
  ).toEqual([]);
});

test.each([
  ['expired', { kind: 'refused', because: 'expired', throughLedger: null }],
  ['cancelled', { kind: 'cancelled', throughLedger: null }],
] as const)('a cancellation of one that is %s is answered at once', async (status, answer) => {
  const { id } = await endedLongAgo(status);
  expect(await stage.client.cancelSession(id)).toEqual(answer);
  expect(await stage.client.cancelSession(id)).toEqual(answer);
});
