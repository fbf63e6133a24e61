/** The same request at the same time gets the same answer; another one is refused. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openSession, type OpenAnswer } from '../../src/activities/open-session.ts';
import type { OpenRequest } from '../../src/client.ts';
import { connect, type Database } from '../../src/db/connection.ts';
import { audit } from '../../src/db/audit.ts';
import { Refusal } from '../../src/domain/failure.ts';
import { startReading, type Reading } from '../pipeline/reading.ts';
import { insertMerchant } from '../support/database.ts';

let reading: Reading;
let app: Database;
let merchantId: string;
let account: string;
beforeAll(async () => {
  reading = await startReading('accounts');
  // As in production: the role that may delete next to nothing.
  app = connect(reading.database.appUrl, { max: 40 });
  merchantId = await insertMerchant(reading.database);
  account = (await reading.wallet()).address;
});
afterAll(async () => {
  await app.close();
  await reading.close();
});

const body = (fields: Partial<OpenRequest> = {}): OpenRequest => ({
  merchantId,
  amount: '10',
  asset: { code: 'XLM', issuer: null },
  receivingAccount: account,
  expiresAt: '2099-01-01T00:00:00.000Z',
  ...fields,
});

const ask = (sessionId: string, request: OpenRequest): Promise<OpenAnswer> =>
  openSession(
    { ...reading.deps, database: app },
    { sessionId, now: new Date().toISOString(), request },
  );

/** A row of the backend, which left the reference to us. */
async function rowWithoutMemo(fields: { memo?: string } = {}): Promise<string> {
  const id = randomUUID();
  await reading.database.rows(
    `INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo, expires_at)
     VALUES ($1, $2, '10', 'XLM', $3, $4, '2099-01-01T00:00:00Z')`,
    [id, merchantId, account, fields.memo ?? null],
  );
  return id;
}

/** Makes every UPDATE of these tables take a tenth of a second. */
async function slowWrites(...tables: string[]): Promise<void> {
  await reading.database.rows(`CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END'`);
  for (const table of tables) {
    await reading.database.rows(
      `CREATE TRIGGER slow BEFORE UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION public.slow()`,
    );
  }
}
const fastWrites = () => reading.database.rows('DROP FUNCTION public.slow() CASCADE');

async function allAtOnce(asks: (() => Promise<OpenAnswer>)[]) {
  const settled = await Promise.allSettled(asks.map((one) => one()));
  const answers = settled.flatMap((s) => (s.status === 'fulfilled' ? [s.value] : []));
  const refusals = settled.flatMap((s) => (s.status === 'rejected' ? [s.reason as Error] : []));
  return {
    // What Horizon said of the account, or that it did not answer, is not part of what was opened.
    answers: new Set(
      answers.map((answer) => JSON.stringify({ ...answer, view: null, warnings: [] })),
    ),
    count: answers.length,
    refusals,
  };
}

test.each<[string, () => Promise<string>, Partial<OpenRequest>]>([
  ['on a row without a memo', () => rowWithoutMemo(), {}],
  ['on a row without a memo, with a memo', () => rowWithoutMemo(), { memo: 'A-17' }],
  ['on a row with a memo', () => rowWithoutMemo({ memo: 'B-18' }), {}],
  ['under a new id', () => Promise.resolve(randomUUID()), {}],
  ['under a new id, with a memo', () => Promise.resolve(randomUUID()), { memo: 'C-19' }],
])('40 identical requests at once %s get one answer', async (_, id, fields) => {
  const sessionId = await id();
  const request = body(fields);
  const { answers, count, refusals } = await allAtOnce(
    Array.from({ length: 40 }, () => () => ask(sessionId, request)),
  );
  expect(refusals).toEqual([]);
  expect({ count, different: answers.size }).toEqual({ count: 40, different: 1 });
});

// A queue of 40 on one row outlasts lock_timeout (2 s) here on any machine, as it does on a loaded one by itself.
test.each<[string, () => Promise<string>, Partial<OpenRequest>]>([
  ['a row without a memo', () => rowWithoutMemo(), {}],
  ['a row with a memo', () => rowWithoutMemo({ memo: 'B-19' }), {}],
  ['a new id', () => Promise.resolve(randomUUID()), {}],
])('40 identical requests for %s do not queue on it, however slow a write is', async (_, id) => {
  const sessionId = await id();
  await slowWrites('checkout_sessions', 'settlement.active_sessions');
  const { answers, count, refusals } = await allAtOnce(
    Array.from({ length: 40 }, () => () => ask(sessionId, body())),
  );
  await fastWrites();
  expect(refusals).toEqual([]);
  expect({ count, different: answers.size }).toEqual({ count: 40, different: 1 });
});

test('of two requests at once, the first one decides, and the other is refused every time', async () => {
  for (const id of [randomUUID(), await rowWithoutMemo()]) {
    const memos = ['D-1', 'D-2'].map((memo) => `${memo}${id.slice(0, 8)}`);
    const asks = Array.from(
      { length: 40 },
      (_, i) => () => ask(id, body({ memo: memos[i % 2] ?? '' })),
    );
    const { answers, count, refusals } = await allAtOnce(asks);
    expect({ count, different: answers.size }).toEqual({ count: 20, different: 1 });
    expect(new Set(refusals.map((e) => (e instanceof Refusal ? e.code : e.message)))).toEqual(
      new Set(['SessionExistsWithOtherBody']),
    );
  }
});

test('of 40 sessions that ask for one memo at once, one gets it', async () => {
  const { count, refusals } = await allAtOnce(
    Array.from({ length: 40 }, () => () => ask(randomUUID(), body({ memo: 'E-1' }))),
  );
  expect(count).toBe(1);
  expect(new Set(refusals.map((e) => (e as Refusal).code))).toEqual(new Set(['ReferenceInUse']));
});

test.each<[string, Partial<OpenRequest>]>([
  ['as it was', {}],
  ['with another memo', { memo: 'F-2' }],
  [
    'on another account',
    { receivingAccount: 'GDQP2KPQGKIHYJGXNUIYOMHARUARCA7DJT5FO2FFOOKY3B2WSQHG4W37' },
  ],
])('the id of a deleted session can be opened again %s', async (_, fields) => {
  const id = randomUUID();
  const first = await ask(id, body());
  await reading.database.rows('DELETE FROM checkout_sessions WHERE id = $1', [id]);
  const again = await ask(id, body(fields));
  expect(again).toMatchObject({
    sessionId: id,
    status: 'pending',
    memo: fields.memo ?? first.memo,
  });
  expect(await ask(id, body(fields))).toMatchObject({ memo: again.memo });
  expect((await audit(reading.database.db)).findings).toEqual([]);
});

test('the memo of a deleted session can name another one', async () => {
  const [gone, next] = [randomUUID(), randomUUID()];
  await ask(gone, body({ memo: 'G-1' }));
  await expect(ask(next, body({ memo: 'G-1' }))).rejects.toMatchObject({ code: 'ReferenceInUse' });
  await reading.database.rows('DELETE FROM checkout_sessions WHERE id = $1', [gone]);
  expect(await ask(next, body({ memo: 'G-1' }))).toMatchObject({ memo: 'G-1' });
});

test.each([
  ['expires_at', "expires_at = 'infinity'"],
  ['amount', "amount = 'NaN'"],
  ['memo', "memo = ''"],
])('a row that is no session by its %s is refused, not tried for ever', async (field, set) => {
  const id = await rowWithoutMemo();
  await reading.database.rows(`UPDATE checkout_sessions SET ${set} WHERE id = $1`, [id]);
  await expect(ask(id, body())).rejects.toMatchObject({
    code: 'SessionExistsWithOtherBody',
    field,
  });
});
