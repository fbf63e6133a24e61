/** How many endpoints a merchant may have: every event is made, stored and sent once for each. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { addEndpoint } from '../../../src/db/operator/merchants.ts';
import { secretStoreWith } from '../../../src/db/secret-store.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../../support/database.ts';
import { ANN } from './journals.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

test('a merchant has twenty endpoints at most, also when several are added at once; another has its own', async () => {
  // Its webhook_url is one of them.
  const [merchantId, other] = [await insertMerchant(database), await insertMerchant(database)];
  const store = secretStoreWith(null);
  const add = (of: string, endpointId: string = randomUUID()) =>
    addEndpoint(
      database.pool,
      store,
      { endpointId, merchantId: of, url: `https://m.example/${endpointId}`, events: [] },
      ANN,
    );
  const first = randomUUID();
  await add(merchantId, first);
  for (let i = 0; i < 17; i += 1) await add(merchantId);
  const last = await Promise.allSettled([add(merchantId), add(merchantId), add(merchantId)]);
  expect(last.map(({ status }) => status).toSorted()).toEqual([
    'fulfilled',
    'rejected',
    'rejected',
  ]);
  await expect(add(merchantId)).rejects.toMatchObject({
    code: 'InvalidInput',
    field: 'merchant',
    message: `Merchant ${merchantId} has 20 endpoints; 20 is the most.`,
  });
  await add(other);
  const [row] = await database.rows<{ n: number }>(
    'SELECT count(*)::int AS n FROM webhook_endpoints WHERE merchant_id = $1',
    [merchantId],
  );
  expect(row?.n).toBe(19);
});
