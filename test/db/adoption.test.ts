/** What an older backend left behind, and what it still does beside us. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { audit } from '../../src/db/audit.ts';
import { openSession } from '../../src/db/sessions.ts';
import { noteHole } from '../../src/db/holes.ts';
import { sessionsToClose } from '../../src/db/worklists.ts';
import { parseAmount } from '../../src/domain/money.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { minute, USDC } from '../domain/build.ts';
import { notShown } from '../domain/headers.ts';
import { cancelAt, cover, insertSession, ledgerAt, receive, type StoredSession } from './build.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const settle = async ({ id }: StoredSession) => {
  const { value } = await settleTogether(database.pool, [id]);
  return value.get(id);
};
const events = async ({ id }: StoredSession) => {
  const rows = await database.rows<{ type: string }>(
    'SELECT type FROM settlement.events WHERE session_id = $1 ORDER BY type',
    [id],
  );
  return rows.map(({ type }) => type);
};
const findingsOf = async ({ id }: StoredSession) => {
  const { findings } = await audit(database.db);
  return findings.filter(({ subject }) => subject === `session ${id}`);
};

/** A payments row as the older backend wrote it, at a given time. */
const insertRow = (session: StoredSession, hash: string, createdAt: string) =>
  database.rows(
    `INSERT INTO payments (session_id, merchant_id, tx_hash, amount, asset_code, sender_address, confirmed_at, created_at)
     VALUES ($1, $2, $3, 10, 'USDC', 'G', now(), ${createdAt})`,
    [session.id, session.merchantId, hash],
  );

describe('a session paid before this system came', () => {
  test('is judged by its row: nothing is told again, and the audit is green', async () => {
    const session = await insertSession(database, { status: 'paid', active: false });
    await insertRow(session, 'a'.repeat(64), "now() - interval '1 year'");
    expect(await settle(session)).toMatchObject({ status: 'paid', newEvents: [] });
    expect(await events(session)).toEqual([]);
    expect(await findingsOf(session)).toEqual([]);
  });

  test('holds what comes now as a duplicate, without confirming it again', async () => {
    const session = await insertSession(database, { status: 'paid', active: false });
    await insertRow(session, 'b'.repeat(64), "now() - interval '1 year'");
    await receive(database, session, '10');
    const settled = await settle(session);
    expect(settled?.verdicts.map(({ verdict }) => verdict)).toEqual(['duplicate']);
    expect(await events(session)).toEqual(['payment.exception']);
  });
});

describe('a backend that goes on writing', () => {
  test('has told payment.confirmed itself: its delivery is that event', async () => {
    const session = await insertSession(database);
    await database.rows(
      `INSERT INTO webhook_deliveries (merchant_id, session_id, event, payload, delivery_id)
       VALUES ($1, $2, 'payment.confirmed', '{}', $3)`,
      [session.merchantId, session.id, randomUUID()],
    );
    await receive(database, session, '10');
    expect(await settle(session)).toMatchObject({ status: 'paid', newEvents: [] });
    expect(await events(session)).toEqual([]);
  });

  test('has cancelled by the status alone, long ago: it ends as cancelled, not as expired', async () => {
    const session = await insertSession(database, { status: 'cancelled', covered: [-1, 6] });
    await cancelAt(database, session.id, 8);
    expect(await settle(session)).toMatchObject({ status: 'cancelled', closedThroughLedger: null });
    await cover(database, session.account, -1, 31);
    const ended = await settle(session);
    expect(ended).toMatchObject({ status: 'cancelled', newEvents: ['session.cancelled'] });
    expect(ended?.closedThroughLedger).toBeGreaterThan(0);
  });

  test('changes the metadata after the event was made: the event stays, and the audit knows why', async () => {
    const session = await insertSession(database, { metadata: { order: 1 } });
    await receive(database, session, '10');
    await settle(session);
    await database.rows(`UPDATE checkout_sessions SET metadata = '{"order": 2}' WHERE id = $1`, [
      session.id,
    ]);
    const { findings } = await audit(database.db);
    expect(findings).toEqual([]);
  });
});

describe('a session older than the watching of its account', () => {
  test('never ends by itself: it asks for a person, once no node shows what is missing', async () => {
    const session = await insertSession(database, { covered: [1, 31] });
    expect(await sessionsToClose(database.db)).not.toContain(session.id);
    const missing = notShown(ledgerAt(0), ledgerAt(1));
    await noteHole(database.db, [session.account], missing);
    expect(await settle(session)).toMatchObject({ status: 'pending' });
    expect(
      await database.rows('SELECT FROM settlement.attention WHERE subject = $1', [session.id]),
    ).toEqual([]);
    await database.rows(
      `UPDATE settlement.history_holes SET noted_at = now() - interval '11 minutes' WHERE account = $1`,
      [session.account],
    );
    expect(await sessionsToClose(database.db)).not.toContain(session.id);
    expect(await settle(session)).toMatchObject({ status: 'pending', closedThroughLedger: null });
    const attention = await database.rows(
      'SELECT kind FROM settlement.attention WHERE subject = $1',
      [session.id],
    );
    expect(attention).toEqual([{ kind: 'opening_not_covered' }]);
  });
});

describe('opening what the backend has made', () => {
  const open = (session: StoredSession, askedReference: string | null, reference = '777') =>
    openSession(
      database.pool,
      {
        id: session.id,
        merchantId: session.merchantId,
        price: parseAmount('10'),
        asset: USDC,
        receivingAccount: session.account,
        reference,
        askedReference,
        expiresAt: minute(30),
        successUrl: null,
        cancelUrl: null,
        metadata: null,
      },
      ledgerAt(0) - 1,
    );

  test('gives it a reference when it has none, under which payments are found', async () => {
    const session = await insertSession(database);
    await database.rows('UPDATE checkout_sessions SET memo = NULL WHERE id = $1', [session.id]);
    expect(await open(session, null)).toMatchObject({ memo: '777' });
    await receive(database, { account: session.account, reference: '777' }, '10');
    expect(await settle(session)).toMatchObject({ status: 'paid' });
  });

  test('refuses another memo than the one it has', async () => {
    const session = await insertSession(database);
    await expect(open(session, '778')).rejects.toMatchObject({
      code: 'SessionExistsWithOtherBody',
      field: 'memo',
    });
    expect(await open(session, null)).toMatchObject({ memo: session.reference });
  });
});
