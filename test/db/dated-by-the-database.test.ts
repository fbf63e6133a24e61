/** Instants that decide what counts as ours: the role of workers cannot choose them. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect, type Database } from '../../src/db/connection.ts';
import { noteAdoption } from '../../src/db/reconcile-runs.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { insertSession } from './build.ts';

let owner: TestDatabase;
let app: Database;
beforeAll(async () => {
  owner = await createTestDatabase();
  app = connect(owner.appUrl);
});
afterAll(async () => {
  await app.close();
  await owner.close();
});

const isNow = async (column: string) =>
  (
    await owner.rows<{ now: boolean }>(
      `SELECT ${column} BETWEEN now() - interval '1 minute' AND now() AS now FROM settlement.network`,
    )
  )[0]?.now;

test('a worker cannot date its adoption: it is now, and it is said once', async () => {
  await app.pool.query(`UPDATE settlement.network SET adopted_at = '2099-01-01'`);
  expect(await isNow('adopted_at')).toBe(true);
  const read = () => owner.rows('SELECT adopted_at::text AS at FROM settlement.network');
  const first = await read();
  for (const later of [`'2099-01-01'`, `'2001-01-01'`, 'NULL']) {
    await app.pool.query(`UPDATE settlement.network SET adopted_at = ${later}`);
    expect(await read()).toEqual(first);
  }
  await noteAdoption(app.db);
  expect(await read()).toEqual(first);
});

test('a worker cannot date a reset of the network, and none of the public network is accepted', async () => {
  await app.pool.query(`UPDATE settlement.network SET reset_at = '2099-01-01'`);
  expect(await isNow('reset_at')).toBe(true);
  await owner.rows(
    `UPDATE settlement.network SET passphrase = 'Public Global Stellar Network ; September 2015', reset_at = NULL`,
  );
  await expect(app.pool.query('UPDATE settlement.network SET reset_at = now()')).rejects.toThrow(
    'does not begin anew',
  );
});

test('a worker cannot insert a delivery that counts as delivered', async () => {
  const { id, merchantId } = await insertSession(owner);
  await expect(
    app.pool.query(
      `INSERT INTO webhook_deliveries (merchant_id, session_id, event, payload, delivery_id, status)
       VALUES ($1, $2, 'payment.confirmed', '{}', gen_random_uuid(), 'delivered')`,
      [merchantId, id],
    ),
  ).rejects.toThrow('permission denied');
});
