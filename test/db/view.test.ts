import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { finishAttempt, pauseEndpoint, countFailure, startAttempt } from '../../src/db/attempts.ts';
import { nextDeliveries } from '../../src/db/deliveries.ts';
import { recordReport } from '../../src/db/reports.ts';
import type { Db } from '../../src/db/connection.ts';
import { settleTogether } from '../../src/db/settle.ts';
import { viewSession } from '../../src/db/view.ts';
import { takeDueWakes } from '../../src/db/worklists.ts';
import type { AfterAttempt } from '../../src/domain/delivery.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { FAKE_USDC, minute, txHash, USDC } from '../domain/build.ts';
import { cancelAt, cover, insertSession, ledgerAt, receive } from './build.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const view = (id: string, minutes = 40) => viewSession(database.db, id, minute(minutes));
const settle = (...ids: string[]) => settleTogether(database.pool, ids);

/** When the work list wakes the session: null if it does not, undefined if it is not in the list. */
async function wakeAfter(id: string): Promise<Date | null | undefined> {
  const [row] = await database.rows<{ wake_after: Date | null }>(
    'SELECT wake_after FROM settlement.active_sessions WHERE session_id = $1',
    [id],
  );
  return row?.wake_after;
}

/** Sends the first open delivery of a session, with this result. */
async function send(id: string, next: AfterAttempt): Promise<void> {
  const [head] = await nextDeliveries(database.db, id);
  if (!head) throw new Error('Nothing is open.');
  const started = await startAttempt(database.db, head, minute(40));
  const status = next.kind === 'delivered' ? 200 : 503;
  await finishAttempt(database.db, head, {
    attempt: started?.attempt ?? 0,
    outcome: { kind: 'answered', status, retryAfterMs: null, detail: '' },
    next,
    now: minute(40),
    durationMs: 1,
  });
}

describe('the view of a session', () => {
  test('is null when there is none', async () => {
    expect(await view(randomUUID())).toBeNull();
  });

  test('shows what was asked for and what came', async () => {
    const session = await insertSession(database);
    const part = await receive(database, session, '4');
    const fake = await receive(database, session, '99', {
      asset: FAKE_USDC,
      opIndex: 1,
      closedAt: minute(6),
    });
    await settle(session.id);
    await receive(database, session, '1', { closedAt: minute(7) });
    expect(await view(session.id, 8)).toMatchObject({
      status: 'pending',
      merchantId: session.merchantId,
      receivingAccount: session.account,
      asset: `USDC:${USDC.issuer}`,
      price: '10.0000000',
      credited: '4.0000000',
      deadline: minute(30),
      cancelAt: null,
      closedThroughLedger: null,
      paidBy: null,
      payments: [
        { payment: `${part.txHash}:0:0`, verdict: 'credited' },
        { payment: `${fake.txHash}:1:0`, verdict: 'wrong_asset' },
        { verdict: 'undecided' },
      ],
      due: 0,
      nextLookAt: minute(30),
      atRest: false,
    });
  });

  test('shows a cancellation as its deadline, and its ending with the proof', async () => {
    const session = await insertSession(database, { covered: [-1, 6] });
    await cancelAt(database, session.id, 10);
    expect(await view(session.id, 8)).toMatchObject({
      deadline: minute(10),
      cancelAt: minute(10),
      nextLookAt: minute(10),
    });
    await cover(database, session.account, -1, 10);
    await settle(session.id);
    expect(await view(session.id)).toMatchObject({
      status: 'cancelled',
      closedThroughLedger: ledgerAt(10) + 1,
    });
  });

  test('looks again when processing is over', async () => {
    const session = await insertSession(database, { expiresAt: new Date(Date.now() + 3_600_000) });
    await recordReport(database.db, session.id, txHash(1));
    await settle(session.id);
    const [row] = await database.rows<{ since: Date }>(
      'SELECT processing_since AS since FROM checkout_sessions WHERE id = $1',
      [session.id],
    );
    expect((await view(session.id))?.nextLookAt).toEqual(
      new Date((row?.since.getTime() ?? 0) + 120_000),
    );
  });

  test('counts for one session what was credited to it, not to another of the same reference', async () => {
    const a = await insertSession(database);
    await receive(database, a, '10');
    await settle(a.id);
    const b = await insertSession(database, { account: a.account });
    await settle(b.id);
    expect(await view(b.id)).toMatchObject({
      status: 'pending',
      credited: '0.0000000',
      payments: [],
    });
    expect(await view(a.id)).toMatchObject({ status: 'paid', credited: '10.0000000' });
  });
});

describe('what is due, and rest', () => {
  test('a paid session rests when its events are delivered, and leaves the work list', async () => {
    const session = await insertSession(database);
    const payment = await receive(database, session, '10');
    await settle(session.id);
    expect(await view(session.id)).toMatchObject({
      status: 'paid',
      paidBy: payment.txHash,
      due: 1,
      atRest: false,
    });
    await send(session.id, { kind: 'delivered' });
    expect(await view(session.id)).toMatchObject({ due: 0, nextLookAt: null, atRest: true });
    expect(await wakeAfter(session.id)).toBeUndefined();
  });

  test('only the head of each endpoint is due, at its own time', async () => {
    const session = await insertSession(database, { covered: [-1, 31] });
    await settle(session.id);
    await receive(database, session, '10');
    await settle(session.id);
    expect(await view(session.id)).toMatchObject({ due: 1 });
    await send(session.id, { kind: 'retry', at: minute(45) });
    expect(await view(session.id, 44)).toMatchObject({
      due: 0,
      nextLookAt: minute(45),
      deliveries: [
        { event: 'session.expired', status: 'failed', attempts: 1, nextAt: minute(45) },
        { event: 'payment.confirmed', status: 'pending', attempts: 0 },
      ],
    });
    expect(await view(session.id, 45)).toMatchObject({ due: 1 });
  });

  test('a head that failed for ten minutes gives way to the payment.confirmed behind it', async () => {
    const session = await insertSession(database, { covered: [-1, 31] });
    await settle(session.id);
    await receive(database, session, '10');
    await settle(session.id);
    await send(session.id, { kind: 'retry', at: minute(300) });
    expect(await view(session.id, 49)).toMatchObject({ due: 0, nextLookAt: minute(50) });
    expect(await view(session.id, 50)).toMatchObject({ due: 1 });
  });

  test('nothing is due at an endpoint that rests', async () => {
    const session = await insertSession(database);
    await receive(database, session, '10');
    await settle(session.id);
    const [head] = await nextDeliveries(database.db, session.id);
    if (!head) throw new Error('Nothing is open.');
    await countFailure(database.db, head);
    await pauseEndpoint(database.db, head, minute(60));
    expect(await view(session.id, 59)).toMatchObject({ due: 0, nextLookAt: minute(60) });
    expect(await view(session.id, 60)).toMatchObject({ due: 1 });
  });

  test('a dead letter does not keep a session from rest, an open attention does', async () => {
    const session = await insertSession(database);
    await receive(database, session, '10');
    await settle(session.id);
    await send(session.id, { kind: 'dead', reason: 'max_attempts' });
    await database.rows(
      `INSERT INTO settlement.attention (subject, kind, detail) VALUES ($1, 'paid_but_short', '')`,
      [session.id],
    );
    expect(await view(session.id)).toMatchObject({ atRest: false, attention: ['paid_but_short'] });
    expect(await wakeAfter(session.id)).toBeNull();
    await database.rows('UPDATE settlement.attention SET resolved_at = now() WHERE subject = $1', [
      session.id,
    ]);
    expect(await view(session.id)).toMatchObject({ atRest: true, attention: [] });
  });
});

describe('the wake list', () => {
  test('an open session with nothing to send is not woken: the watcher finds it by its deadline', async () => {
    const session = await insertSession(database);
    await receive(database, session, '4');
    await settle(session.id);
    expect(await wakeAfter(session.id)).toBeInstanceOf(Date);
    await view(session.id);
    expect(await wakeAfter(session.id)).toBeNull();
  });

  test('a session with something to send is woken a minute after that is due, in case its run is lost', async () => {
    const session = await insertSession(database);
    await receive(database, session, '10');
    await settle(session.id);
    const at = new Date(Date.now() + 3_600_000);
    await send(session.id, { kind: 'retry', at });
    await view(session.id);
    expect(await wakeAfter(session.id)).toEqual(new Date(at.getTime() + 60_000));
  });

  test('a wake that was asked for while the view was read is not lost', async () => {
    const session = await insertSession(database);
    await receive(database, session, '10');
    await settle(session.id);
    await send(session.id, { kind: 'delivered' });
    // A settle asks for a wake after the view has read the row, before it brings the list in line.
    let statements = 0;
    const execute: Db['execute'] = (async (statement: Parameters<Db['execute']>[0]) => {
      statements += 1;
      await database.rows(
        'UPDATE settlement.active_sessions SET wake_after = now() WHERE session_id = $1',
        [session.id],
      );
      return database.db.execute(statement);
    }) as Db['execute'];
    const interrupted = Object.create(database.db, { execute: { value: execute } }) as Db;
    expect(await viewSession(interrupted, session.id, minute(40))).toMatchObject({ atRest: true });
    expect(statements).toBe(1);
    expect(await takeDueWakes(database.db, 1000)).toContainEqual(
      expect.objectContaining({ id: session.id }),
    );
  });
});
