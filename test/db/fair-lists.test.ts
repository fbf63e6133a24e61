/** One merchant with very much to do, and another with one thing: whose turn it is. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { assetKey } from '../../src/domain/asset.ts';
import { sessionsToClose, sessionsWithUndecided, takeDueWakes } from '../../src/db/worklists.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { minute, USDC } from '../domain/build.ts';
import { cover, insertSession, ledgerAt, newAccount, receive } from './build.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.close());

const MANY = 10_000;

/** Ten thousand sessions of one merchant on one account, in the work list. Returns the merchant. */
async function busyMerchant(fields: { wakeAfter?: string; expiresAt?: Date } = {}) {
  const [merchantId, account] = [await insertMerchant(database), newAccount()];
  await database.rows(
    `WITH made AS (
       INSERT INTO checkout_sessions (merchant_id, amount, asset_code, asset_issuer, receiving_account, memo, created_at,
         expires_at, opened_after, seen_status, seen_expires_at, seen_memo)
       SELECT $1, 10, $2, $3, $4, n::text, $5, $6, $7, 'pending', $6, n::text FROM generate_series(1, ${MANY}) n RETURNING id)
     INSERT INTO settlement.active_sessions (session_id, live_session, account, asset, deadline, wake_after)
     SELECT id, id, $4, $8, $6, $9 FROM made`,
    [
      merchantId,
      USDC.code,
      USDC.issuer,
      account,
      minute(0),
      fields.expiresAt ?? minute(30),
      ledgerAt(0) - 1,
      assetKey(USDC),
      fields.wakeAfter ?? null,
    ],
  );
  return { merchantId, account };
}

test('ten thousand wakes of one merchant: another one is woken with the first', async () => {
  await busyMerchant({ wakeAfter: '2026-01-01T00:00:00Z' });
  const quiet = await insertSession(database);
  await database.rows(
    `UPDATE settlement.active_sessions SET wake_after = now() WHERE session_id = $1`,
    [quiet.id],
  );
  const [, second] = await takeDueWakes(database.db, 20);
  expect(second?.id).toBe(quiet.id);
  expect(await takeDueWakes(database.db, 20)).toHaveLength(20);
});

test('ten thousand sessions of one merchant that end: another one ends with the first', async () => {
  const { account } = await busyMerchant({ expiresAt: minute(20) });
  await cover(database, account, -1, 31);
  const quiet = await insertSession(database, { covered: [-1, 31] });
  expect((await sessionsToClose(database.db)).indexOf(quiet.id)).toBe(1);
});

test('ten thousand undecided payments of one merchant: another one is settled with the first', async () => {
  const { merchantId, account } = await busyMerchant();
  await cover(database, account, -1, 6);
  const first = await insertSession(database, { merchantId, account, reference: '1x' });
  await receive(database, first, '10');
  await database.rows(
    `INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at, type, account,
       sender, asset_code, asset_issuer, amount, reference, reference_source)
     SELECT lpad(n::text, 64, '0'), op_index, sub_index, operation_id, ledger, closed_at, type, account,
       sender, asset_code, asset_issuer, amount, n::text, reference_source
     FROM settlement.ledger_payments, generate_series(1, ${MANY}) n`,
  );
  await database.rows(
    `INSERT INTO settlement.undecided_payments (tx_hash, op_index, sub_index, since)
     SELECT tx_hash, op_index, sub_index, '2026-01-01' FROM settlement.ledger_payments ON CONFLICT DO NOTHING`,
  );
  const quiet = await insertSession(database);
  await receive(database, quiet, '10');
  expect((await sessionsWithUndecided(database.db)).indexOf(quiet.id)).toBe(1);
});
