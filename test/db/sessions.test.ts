import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { parseAmount } from '../../src/domain/money.ts';
import { openSession, type NewSession } from '../../src/db/sessions.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { FAKE_USDC, minute, OPENED_AFTER, USDC } from '../domain/build.ts';
import { everyRow, insertSession, newAccount } from './build.ts';

let database: TestDatabase;
let merchantId: string;
beforeAll(async () => {
  database = await createTestDatabase();
  merchantId = await insertMerchant(database);
});
afterAll(() => database.close());

function wanted(fields: Partial<NewSession> = {}): NewSession {
  return {
    id: randomUUID(),
    merchantId,
    price: parseAmount('10'),
    asset: USDC,
    receivingAccount: newAccount(),
    reference: '4242',
    askedReference: null,
    expiresAt: minute(30),
    successUrl: 'https://shop.example/thanks',
    cancelUrl: null,
    metadata: { order: 'A-17' },
    ...fields,
  };
}

/** As a caller does who has asked for the newest ledger first. */
const open = (session: NewSession) => openSession(database.pool, session, OPENED_AFTER);

describe('opening a session', () => {
  test('creates it, its reference and its place in the work list, dated by the ledger', async () => {
    const session = wanted();
    const row = await open(session);
    expect(row).toMatchObject({
      id: session.id,
      status: 'pending',
      amount: '10.0000000',
      memo: '4242',
      metadata: { order: 'A-17' },
    });
    const [found] = await database.rows(
      `SELECT r.reference, s.opened_after::int, s.seen_status, s.seen_expires_at, s.seen_memo, a.deadline, a.asset, j.cause
       FROM settlement.session_references r JOIN checkout_sessions s ON s.id = r.session_id
       JOIN settlement.active_sessions a USING (session_id)
       JOIN settlement.session_journal j USING (session_id) WHERE session_id = $1`,
      [session.id],
    );
    expect(found).toEqual({
      reference: '4242',
      opened_after: OPENED_AFTER,
      seen_status: 'pending',
      seen_expires_at: minute(30),
      seen_memo: '4242',
      deadline: minute(30),
      asset: `USDC:${USDC.issuer}`,
      cause: 'opened',
    });
  });

  test('the same request again finds the same session and writes nothing', async () => {
    const session = wanted();
    const first = await open(session);
    const before = await everyRow(database);
    expect(await open(session)).toEqual(first);
    expect(await everyRow(database)).toEqual(before);
  });

  test('the same request ten times at once makes one session', async () => {
    const session = wanted();
    const rows = await Promise.all(Array.from({ length: 10 }, () => open(session)));
    expect(new Set(rows.map(({ id }) => id))).toEqual(new Set([session.id]));
    const [count] = await database.rows(
      'SELECT count(*)::int AS n FROM settlement.session_journal WHERE session_id = $1',
      [session.id],
    );
    expect(count).toEqual({ n: 1 });
  });

  test('a session that the backend created is taken into care as it is', async () => {
    const stored = await insertSession(database, {
      merchantId,
      reference: 'theirs',
      covered: null,
      active: false,
    });
    const row = await open(wanted({ id: stored.id, receivingAccount: stored.account }));
    expect(row.memo).toBe('theirs');
    expect(
      await database.rows('SELECT deadline FROM settlement.active_sessions WHERE session_id = $1', [
        stored.id,
      ]),
    ).toEqual([{ deadline: minute(30) }]);
  });

  test.each`
    field                 | other
    ${'amount'}           | ${{ price: parseAmount('10.0000001') }}
    ${'asset.issuer'}     | ${{ asset: FAKE_USDC }}
    ${'asset.code'}       | ${{ asset: { code: 'EURC', issuer: USDC.issuer } }}
    ${'receivingAccount'} | ${{ receivingAccount: newAccount() }}
    ${'expiresAt'}        | ${{ expiresAt: minute(31) }}
  `(
    'another $field under the same id is refused, and nothing is written',
    async ({ field, other }) => {
      const session = wanted();
      await open(session);
      const before = await everyRow(database);
      await expect(open({ ...session, ...(other as object) })).rejects.toMatchObject({
        code: 'SessionExistsWithOtherBody',
        field,
      });
      expect(await everyRow(database)).toEqual(before);
    },
  );

  test('what decides nothing about money (metadata, addresses) stays as it was opened first', async () => {
    const session = wanted();
    await open(session);
    const again = await open({ ...session, metadata: { order: 'A-18' }, successUrl: null });
    expect(again).toMatchObject({
      metadata: session.metadata,
      successUrl: session.successUrl,
    });
  });

  test('another merchant under the same id, and an unknown one, are refused', async () => {
    const session = wanted();
    await open(session);
    const other = await insertMerchant(database);
    const before = await everyRow(database);
    await expect(open({ ...session, merchantId: other })).rejects.toMatchObject({
      code: 'SessionExistsWithOtherBody',
      field: 'merchantId',
    });
    await expect(open(wanted({ merchantId: randomUUID() }))).rejects.toMatchObject({
      code: 'MerchantNotFound',
      field: 'merchantId',
    });
    expect(await everyRow(database)).toEqual(before);
  });

  test('a reference that names another session of the account is refused, ours or the backend’s', async () => {
    const ours = wanted();
    await open(ours);
    const theirs = await insertSession(database, { merchantId, reference: 'theirs' });
    const before = await everyRow(database);
    for (const [receivingAccount, reference] of [
      [ours.receivingAccount, ours.reference],
      [theirs.account, theirs.reference],
    ] as const) {
      await expect(open(wanted({ receivingAccount, reference }))).rejects.toMatchObject({
        code: 'ReferenceInUse',
        field: 'memo',
      });
    }
    expect(await everyRow(database)).toEqual(before);
    await open(wanted({ receivingAccount: newAccount(), reference: ours.reference }));
  });

  test('of ten sessions that want one reference at once, one gets it', async () => {
    const receivingAccount = newAccount();
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () => open(wanted({ receivingAccount }))),
    );
    const refused = results.filter((r) => r.status === 'rejected');
    expect(refused).toHaveLength(9);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'ReferenceInUse' });
    const [count] = await database.rows(
      'SELECT count(*)::int AS n FROM checkout_sessions WHERE receiving_account = $1',
      [receivingAccount],
    );
    expect(count).toEqual({ n: 1 });
  });
});
