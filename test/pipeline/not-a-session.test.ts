/** A backend writes rows that cannot be sessions: the watcher takes up everybody else, and these once they are corrected. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { openSession } from '../../src/activities/open-session.ts';
import { repairSessions } from '../../src/activities/reconcile/repair-sessions.ts';
import { audit } from '../../src/db/audit.ts';
import { findSessions, type SessionDiscrepancy } from '../../src/db/discrepancies.ts';
import { insertMerchant } from '../support/database.ts';
import { startReading, type Reading } from './reading.ts';

let reading: Reading;
beforeEach(async () => {
  reading = await startReading('accounts');
});
afterEach(() => reading.close());

/** A row as a backend writes it: 10 lumens within ten minutes, but for what the test says. */
async function backendRow(
  merchantId: string,
  account: string,
  fields: Record<string, unknown> = {},
) {
  const id = randomUUID();
  const memo = String(BigInt(`0x${id.slice(0, 8)}`));
  const row = {
    id,
    merchant_id: merchantId,
    amount: '10',
    asset_code: 'XLM',
    receiving_account: account,
    memo,
    expires_at: new Date((reading.ledger.chain.history.latest().closedAt + 600) * 1000),
    ...fields,
  };
  const columns = Object.keys(row);
  await reading.database.rows(
    `INSERT INTO checkout_sessions (${columns.join(', ')}) VALUES (${columns.map((_, i) => `$${i + 1}`).join(', ')})`,
    Object.values(row),
  );
  return { id, memo };
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    reading.pass(5);
    await reading.turn(true);
  }
}

async function stateOf(id: string) {
  const [row] = await reading.database.rows<{
    status: string;
    attention: string[];
    watched: boolean;
  }>(
    `SELECT s.status::text, (SELECT coalesce(json_agg(a.kind), '[]') FROM settlement.attention a
       WHERE a.subject = s.id::text AND a.resolved_at IS NULL) AS attention,
      EXISTS (SELECT FROM settlement.watched_accounts w WHERE w.account = s.receiving_account) AS watched
     FROM checkout_sessions s WHERE s.id = $1`,
    [id],
  );
  return row;
}

test.each<[string, Record<string, unknown>]>([
  ['a deadline at infinity', { expires_at: 'infinity' }],
  ['a deadline in the year 10000', { expires_at: '10000-01-01T00:00:00Z' }],
  ['a deadline that JavaScript cannot count', { expires_at: '290000-01-01T00:00:00Z' }],
  ['a deadline before Christ', { expires_at: '0044-03-15 BC' }],
  ['an opening at infinity', { created_at: 'infinity' }],
  ['a price of NaN', { amount: 'NaN' }],
  ['a price of zero', { amount: '0' }],
  ['a price above int64', { amount: '99999999999999999999' }],
  ['an empty memo', { memo: '' }],
  ['a memo that is too long', { memo: 'x'.repeat(40) }],
  ['an account that is none', { receiving_account: 'GSOMEBODYELSE' }],
  ['no account', { receiving_account: '' }],
  ['an asset code that is none', { asset_code: 'not-an-asset' }],
  ['an issuer that is none', { asset_code: 'USDC', asset_issuer: 'x' }],
])(
  'P5: a row with %s keeps nobody else from being paid, and a person is asked',
  async (_, fields) => {
    const [shop, customer] = [await reading.wallet(), await reading.wallet()];
    const merchantId = await insertMerchant(reading.database);
    // On the account of the others, and older than they are.
    const wrong = await backendRow(merchantId, shop.address, fields);
    const found = await backendRow(merchantId, shop.address);
    const sessionId = randomUUID();
    const { closedAt } = reading.ledger.chain.history.latest();
    const { memo } = await openSession(reading.deps, {
      sessionId,
      now: new Date(closedAt * 1000).toISOString(),
      request: {
        merchantId,
        amount: '10',
        asset: { code: 'XLM', issuer: null },
        receivingAccount: shop.address,
        expiresAt: new Date((closedAt + 600) * 1000).toISOString(),
      },
    });
    await customer.pay(shop.address, '10', 'native', { memo: Memo.id(memo) });
    await customer.pay(shop.address, '10', 'native', { memo: Memo.id(found.memo) });
    if (!('memo' in fields)) {
      await customer.pay(shop.address, '10', 'native', { memo: Memo.id(wrong.memo) });
    }
    await turns(3);

    expect(await stateOf(sessionId)).toMatchObject({ status: 'paid', attention: [] });
    expect(await stateOf(found.id)).toMatchObject({ status: 'paid', attention: [] });
    expect(await stateOf(wrong.id)).toMatchObject({
      status: 'pending',
      attention: ['not_a_session'],
    });
    expect((await audit(reading.database.db)).findings).toEqual([]);
  },
);

test('an account that cannot be is never asked for on the ledger', async () => {
  const merchantId = await insertMerchant(reading.database);
  const wrong = await backendRow(merchantId, 'GSOMEBODYELSE');
  await turns(2);
  expect(await stateOf(wrong.id)).toMatchObject({ watched: false, attention: ['not_a_session'] });
});

test('a corrected row is taken up within a turn, and what was paid meanwhile counts', async () => {
  const [shop, customer] = [await reading.wallet(), await reading.wallet()];
  const merchantId = await insertMerchant(reading.database);
  const wrong = await backendRow(merchantId, shop.address, { expires_at: 'infinity' });
  await turns(2);
  await customer.pay(shop.address, '10', 'native', { memo: Memo.id(wrong.memo) });
  await turns(1);
  await reading.database.rows('UPDATE checkout_sessions SET expires_at = $2 WHERE id = $1', [
    wrong.id,
    new Date((reading.ledger.chain.history.latest().closedAt + 600) * 1000),
  ]);
  await turns(1);
  expect(await stateOf(wrong.id)).toMatchObject({ status: 'paid', attention: [] });
  expect((await audit(reading.database.db)).findings).toEqual([]);
});

test('one session that cannot be taken up does not end the turn', async () => {
  const [shop, customer] = [await reading.wallet(), await reading.wallet()];
  const merchantId = await insertMerchant(reading.database);
  const cursed = await backendRow(merchantId, shop.address);
  const other = await backendRow(merchantId, shop.address);
  await reading.database.rows(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF new.session_id = '${cursed.id}' THEN RAISE 'no'; END IF; RETURN new; END $$`);
  await reading.database.rows(`CREATE TRIGGER refuse BEFORE INSERT ON settlement.active_sessions
    FOR EACH ROW EXECUTE FUNCTION refuse()`);
  await customer.pay(shop.address, '10', 'native', { memo: Memo.id(other.memo) });
  await turns(2);
  expect(await stateOf(other.id)).toMatchObject({ status: 'paid' });
});

test.each<[SessionDiscrepancy, Record<string, unknown>]>([
  ['not_in_care', { expires_at: '-infinity', created_at: '2020-01-01T00:00:00Z' }],
  ['not_in_care', { expires_at: 'infinity', created_at: '2020-01-01T00:00:00Z' }],
  [
    'not_in_care',
    { amount: '0', created_at: '2020-01-01T00:00:00Z', expires_at: '2020-01-02T00:00:00Z' },
  ],
  ['stuck_processing', { amount: '0', status: 'processing', created_at: '2020-01-01T00:00:00Z' }],
  ['paid_without_payment', { amount: '0', status: 'paid' }],
  ['foreign_ending', { amount: 'NaN', status: 'expired' }],
])('reconciliation asks once about a row that is %s (%j), and pages on', async (kind, fields) => {
  const shop = await reading.wallet();
  const merchantId = await insertMerchant(reading.database);
  const wrong = await backendRow(merchantId, shop.address, fields);
  const find = () => findSessions(reading.database.db, kind, { after: null, thorough: true });
  expect((await find()).found).toEqual([wrong.id]);
  const outcome = await repairSessions(reading.deps, kind, {
    after: null,
    dryRun: false,
    thorough: true,
  });
  expect(outcome).toMatchObject({ found: 1, left: 1 });
  expect(outcome.examples[0]?.outcome).toMatch(/The row is not a session|not_a_session/);
  expect(await stateOf(wrong.id)).toMatchObject({ attention: ['not_a_session'], watched: false });
  expect((await find()).found).toEqual([]);
});

test('a page of reconciliation that ends at infinity is followed by the next one', async () => {
  const shop = await reading.wallet();
  const merchantId = await insertMerchant(reading.database);
  await reading.database.rows(
    `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, expires_at)
     SELECT $1, 1, 'XLM', $2, 'm' || i, CASE WHEN i % 2 = 0 THEN 'infinity'::timestamptz ELSE '0044-03-15 BC' END
     FROM generate_series(1, 450) i`,
    [merchantId, shop.address],
  );
  const found = new Set<string>();
  let [after, pages]: [string | null, number] = [null, 0];
  do {
    const page = await findSessions(reading.database.db, 'not_in_care', { after, thorough: true });
    for (const id of page.found) found.add(id);
    after = page.next;
    pages += 1;
  } while (after !== null && pages < 5);
  expect({ found: found.size, pages }).toEqual({ found: 450, pages: 3 });
});
