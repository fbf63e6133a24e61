/** A merchant with more endpoints than get events. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { forgetEndpointQuestions, MOST_ENDPOINTS } from '../../src/db/subscribers.ts';
import { openAttention, resolveAttention } from '../../src/db/operator/attention.ts';
import { settleTogether } from '../support/settle.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { insertSession, receive } from './build.ts';

let database: TestDatabase;
let merchantId: string;
beforeAll(async () => {
  database = await createTestDatabase();
  merchantId = await insertMerchant(database, { webhookUrl: null });
  await database.rows(
    `INSERT INTO webhook_endpoints (merchant_id, url, events, secret, is_active, created_at)
     SELECT $1, 'https://shop.example/' || n, '[]', repeat('a', 64), true, now() - n * interval '1 hour'
     FROM generate_series(1, 1000) n`,
    [merchantId],
  );
});
afterAll(() => database.close());

const pay = async () => {
  const session = await insertSession(database, { merchantId });
  await receive(database, session, '10');
  await settleTogether(database.pool, [session.id]);
  return database.rows<{ url: string }>(
    `SELECT w.url FROM webhook_deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint_id WHERE d.session_id = $1`,
    [session.id],
  );
};
const asked = async () =>
  (await openAttention(database.db)).map(({ subject, kind }) => ({ subject, kind }));

test('the oldest get the events; a person is asked once, about the merchant', async () => {
  const oldest = Array.from(
    { length: MOST_ENDPOINTS },
    (_, i) => `https://shop.example/${1000 - i}`,
  );
  expect((await pay()).map(({ url }) => url).sort()).toEqual(oldest.sort());
  await pay();
  expect(await asked()).toEqual([{ subject: merchantId, kind: 'too_many_endpoints' }]);
});

test('what a person has answered is not asked again; and it closes by itself when they are few', async () => {
  await resolveAttention(
    database.pool,
    { subject: merchantId, kind: 'too_many_endpoints' },
    { actor: 'ann', reason: 'known' },
  );
  await pay();
  expect(await asked()).toEqual([]);
  await database.rows(`DELETE FROM settlement.attention`);
  await pay();
  expect(await asked()).toHaveLength(1);
  await forgetEndpointQuestions(database.db);
  expect(await asked()).toHaveLength(1);
  await database.rows(`UPDATE webhook_endpoints SET is_active = url LIKE '%/1'`);
  await forgetEndpointQuestions(database.db);
  expect(await asked()).toEqual([]);
});
