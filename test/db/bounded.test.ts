/** What a session costs does not depend on how many payments strangers send it, nor on how many webhooks wait. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { nextDeliveries } from '../../src/db/deliveries.ts';
import { explainPayments } from '../../src/db/payments.ts';
import { lookTogether } from '../../src/db/settle.ts';
import { viewSession } from '../../src/db/view.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { minute } from '../domain/build.ts';
import { insertSession, receive, type StoredSession } from './build.ts';
import { analyze, dust, pagesRead } from './dust.ts';

const [FEW, MANY] = [5, 5_000];
/** What is asked beside many may cost so many times what it costs beside few. */
const BAR = 2;

let database: TestDatabase;
let few: StoredSession;
let many: StoredSession;

beforeAll(async () => {
  database = await createTestDatabase({ max: 3 });
  [few, many] = [await insertSession(database), await insertSession(database)];
  for (const [session, count] of [
    [few, FEW],
    [many, MANY],
  ] as const) {
    await database.rows(
      `INSERT INTO webhook_endpoints (merchant_id, url, events, secret)
       VALUES ($1, 'https://merchant.example/exceptions', '["payment.exception"]', 'secret')`,
      [session.merchantId],
    );
    await dust(database, session, { count });
    await settleTogether(database.pool, [session.id]);
    await openDeliveries(session, count);
    await receive(database, session, '10');
    await settleTogether(database.pool, [session.id]);
  }
  await analyze(database);
}, 120_000);
afterAll(() => database.close());

/** Webhooks that wait at the merchant's endpoint for exceptions, as an earlier version made one for each payment. */
async function openDeliveries({ id, merchantId }: StoredSession, count: number): Promise<void> {
  await database.rows(
    `WITH e AS (
       INSERT INTO settlement.events (id, session_id, merchant_id, type, fact, body, occurred_at)
       SELECT gen_random_uuid(), $1, $2, 'payment.exception', 'old ' || i, '{}', now() FROM generate_series(1, $3) i
       RETURNING id)
     INSERT INTO webhook_deliveries (merchant_id, session_id, event, payload, delivery_id, sequence, event_id, endpoint_id)
     SELECT $2, $1, 'payment.exception', '{}', gen_random_uuid(), 1000 + row_number() OVER (), e.id, w.id
     FROM e, webhook_endpoints w WHERE w.merchant_id = $2`,
    [id, merchantId, count],
  );
}

async function expectFlat(
  ask: (session: StoredSession) => Parameters<typeof pagesRead>[1],
): Promise<void> {
  const beside = {
    few: await pagesRead(database, ask(few)),
    many: await pagesRead(database, ask(many)),
  };
  expect(beside.many).toBeLessThanOrEqual(BAR * beside.few);
}

async function paidBy(id: string): Promise<string> {
  const [row] = await database.rows<{ hash: string }>(
    'SELECT tx_hash AS hash FROM payments WHERE session_id = $1',
    [id],
  );
  return row?.hash ?? '';
}

describe('beside 5,000 payments and webhooks as beside 5', () => {
  test('the first of each line is found', async () => {
    const heads = await nextDeliveries(database.db, many.id);
    expect(heads.map(({ event }) => event).sort()).toEqual([
      'payment.confirmed',
      'payment.exception',
    ]);
    await expectFlat(
      ({ id }) =>
        (db) =>
          nextDeliveries(db, id),
    );
  });

  test('a settle reads what is undecided, and totals', async () => {
    await expectFlat(
      ({ id }) =>
        (db) =>
          lookTogether(db, [id]),
    );
  });

  test('a view reads the first and last, and totals', async () => {
    await expectFlat(
      ({ id }) =>
        (db) =>
          viewSession(db, id, minute(40)),
    );
  });

  test('one transaction is explained without the others', async () => {
    await expectFlat(
      ({ id }) =>
        async (db) =>
          explainPayments(db, await paidBy(id)),
    );
    const [explained] = await explainPayments(database.db, await paidBy(many.id));
    expect(explained).toMatchObject({ verdict: 'credited', sessionStatus: 'paid' });
  });

  test('the view shows the first and the last, and how many there are', async () => {
    const view = await viewSession(database.db, many.id, minute(40));
    expect(view).toMatchObject({ status: 'paid', paymentCount: MANY + 1 });
    expect(view?.deliveryCount).toBe(1_000);
    expect(view?.payments.length).toBe(10);
    expect(view?.deliveries.length).toBe(10);
    // Temporal keeps it with each look, and takes no more than 2 MB.
    expect(Buffer.byteLength(JSON.stringify(view))).toBeLessThan(6_000);
  });
});
