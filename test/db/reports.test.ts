import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { inboxByHash, recordAnswer, recordReport } from '../../src/db/reports.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { txHash } from '../domain/build.ts';
import { insertSession, receive, stateOf } from './build.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

test('a report is remembered once, with how often it came and what the ledger answered', async () => {
  const { id } = await insertSession(database);
  expect(await recordReport(database.db, id, txHash(1))).toBe(1);
  expect(await recordReport(database.db, id, txHash(1))).toBe(2);
  expect(await recordReport(database.db, id, txHash(2))).toBe(1);
  await recordAnswer(database.db, { sessionId: id, txHash: txHash(1), times: 2 }, 'paid', 77);
  expect(await recordReport(database.db, id, txHash(1))).toBe(3);
  expect(
    await database.rows(
      'SELECT answer, as_of_ledger, times FROM settlement.reported_payments WHERE session_id = $1 AND tx_hash = $2',
      [id, txHash(1)],
    ),
  ).toEqual([{ answer: 'paid', as_of_ledger: '77', times: 3 }]);
});

test('the answer to an earlier report that comes late does not replace the answer to a later one', async () => {
  const { id } = await insertSession(database);
  const report = (times: number) => ({ sessionId: id, txHash: txHash(5), times });
  const answer = async () =>
    (
      await database.rows('SELECT answer FROM settlement.reported_payments WHERE session_id = $1', [
        id,
      ])
    )[0];
  for (const times of [1, 2]) expect(await recordReport(database.db, id, txHash(5))).toBe(times);
  await recordAnswer(database.db, report(1), 'pays_another', null);
  expect(await answer()).toEqual({ answer: 'pays_another' });
  await recordAnswer(database.db, report(2), 'paid', null);
  await recordAnswer(database.db, report(1), 'pays_another', null);
  expect(await answer()).toEqual({ answer: 'paid' });
});

test('an unanswered report shows as processing for two minutes, and never delays the ending', async () => {
  const session = await insertSession(database);
  await recordReport(database.db, session.id, txHash(3));
  const settle = async () => {
    await settleTogether(database.pool, [session.id]);
    return (await stateOf(database, session.id)).status;
  };
  expect(await settle()).toBe('processing');
  await database.rows(
    `UPDATE settlement.reported_payments SET first_at = now() - interval '121 seconds' WHERE session_id = $1`,
    [session.id],
  );
  await database.rows(
    `UPDATE checkout_sessions SET processing_since = now() - interval '121 seconds' WHERE id = $1`,
    [session.id],
  );
  expect(await settle()).toBe('pending');
  const ending = await insertSession(database, { covered: [-1, 31] });
  await recordReport(database.db, ending.id, txHash(4));
  await settleTogether(database.pool, [ending.id]);
  expect((await stateOf(database, ending.id)).status).toBe('expired');
});

test('the inbox tells what a transaction came to, by its outer and by its inner hash', async () => {
  const session = await insertSession(database);
  const outer = txHash(10);
  const innerTxHash = txHash(11);
  await receive(database, session, '10', { txHash: outer, innerTxHash, opIndex: 1 });
  await receive(database, { ...session, reference: 'other' }, '2', { txHash: outer, innerTxHash });
  await settleTogether(database.pool, [session.id]);
  const expected = [
    { payment: `${outer}:0:0`, sessionId: null, verdict: null, amount: '2.0000000' },
    { payment: `${outer}:1:0`, sessionId: session.id, verdict: 'credited', amount: '10.0000000' },
  ].map((row) => ({ ...row, account: session.account }));
  expect(await inboxByHash(database.db, outer)).toEqual(expected);
  expect(await inboxByHash(database.db, innerTxHash)).toEqual(expected);
  expect(await inboxByHash(database.db, txHash(12))).toEqual([]);
});
