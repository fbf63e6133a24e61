/** Metadata of a backend's row beyond the bounds: its session is settled and told like any other, without it. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { audit } from '../../src/db/audit.ts';
import { gatherFacts } from '../../src/db/facts.ts';
import {
  METADATA_BYTES,
  METADATA_DEPTH,
  METADATA_VALUES,
  problemOfMetadata,
} from '../../src/domain/metadata.ts';
import { expectEvent } from '../events/bodies.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { insertSession, receive, stateOf, type StoredSession } from './build.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;

/** A session whose metadata is this JSON, and which is paid. */
async function paidWith(json: string): Promise<StoredSession> {
  const session = await insertSession(database);
  await database.rows('UPDATE checkout_sessions SET metadata = $2::jsonb WHERE id = $1', [
    session.id,
    json,
  ]);
  await receive(database, session, '10');
  return session;
}

/** The data of its `payment.confirmed`. */
async function toldOf({ id }: StoredSession): Promise<Record<string, unknown>> {
  const [event] = await database.rows<{ body: string }>(
    `SELECT body FROM settlement.events WHERE session_id = $1 AND type = 'payment.confirmed'`,
    [id],
  );
  return expectEvent(event?.body ?? '').data;
}

test.each([
  ['1.5 MB that packs well', JSON.stringify({ note: 'x'.repeat(1_500_000) })],
  [
    '600 kB that packs badly',
    JSON.stringify({ note: Array.from({ length: 60_000 }, (_, i) => Math.sin(i)) }),
  ],
  ['one byte too much', JSON.stringify('x'.repeat(METADATA_BYTES - 1))],
  ['one level too deep', nested(METADATA_DEPTH + 1)],
  ['4,151 levels', nested(4_151)],
  ['too many values', JSON.stringify(Array.from({ length: METADATA_VALUES + 1 }, () => 0))],
])(
  '%s: the session is paid with the others, and its event says that it is left out',
  async (_, json) => {
    const [session, other] = [await paidWith(json), await paidWith('{"order": 7}')];

    await settleTogether(database.pool, [session.id, other.id]);

    expect(await stateOf(database, session.id)).toMatchObject({ status: 'paid' });
    expect(await toldOf(session)).toMatchObject({ metadata: null, metadataOmitted: true });
    expect(await stateOf(database, other.id)).toMatchObject({ status: 'paid' });
    expect(await toldOf(other)).toMatchObject({ metadata: { order: 7 } });
    expect(await toldOf(other)).not.toHaveProperty('metadataOmitted');
  },
);

test.each([
  ['the most bytes', JSON.stringify('x'.repeat(METADATA_BYTES - 2))],
  ['the most levels', nested(METADATA_DEPTH)],
  ['the most values', JSON.stringify(Array.from({ length: METADATA_VALUES }, () => 0))],
  ['keys that are names of JavaScript', '{"__proto__": {"a": 1}, "constructor": {"b": [null]}}'],
])('%s are carried as they are', async (_, json) => {
  const session = await paidWith(json);
  await settleTogether(database.pool, [session.id]);
  const told = await toldOf(session);
  expect(JSON.stringify(told['metadata'])).toBe(JSON.stringify(JSON.parse(json)));
});

test('the audit lets an event without metadata pass, and no event that says so and carries some', async () => {
  expect((await audit(database.db)).findings).toEqual([]);
  const session = await paidWith('{"order": 7}');
  await settleTogether(database.pool, [session.id]);
  const sets = (from: string, to: string) =>
    database.rows(
      `UPDATE settlement.events SET body = replace(body, $2, $3) WHERE session_id = $1`,
      [session.id, from, to],
    );
  await sets('"metadata":{"order":7}', '"metadata":null,"metadataOmitted":true');
  expect((await audit(database.db)).findings).toEqual([]);
  await sets('"metadata":null', '"metadata":{"order":7}');
  const check = 'event_bytes';
  expect((await audit(database.db)).findings).toMatchObject([{ promise: 'P3', check }]);
});

test('the bytes that are counted are those that PostgreSQL writes', async () => {
  const values = fc.sample(fc.jsonValue({ maxDepth: 5 }), { numRuns: 300, seed: 17 });
  const special = [
    1e308,
    -1.5e-300,
    5e-324,
    1e21,
    -0,
    123456789012345680000,
    '\u0001\u001f\b"\\/\u007f\u2028é😀',
  ];
  const { rows } = await database.pool.query<{ value: string; bytes: number }>(
    `SELECT v.value, octet_length(v.value::jsonb::text) AS bytes FROM unnest($1::text[]) AS v (value)`,
    [
      [...values.filter((value) => problemOfMetadata(value) === null), ...special].map((value) =>
        JSON.stringify(value),
      ),
    ],
  );
  expect(rows.length).toBeGreaterThan(200);
  for (const { value, bytes } of rows) {
    // The list around both, what stands between them, and the quotes of the padding.
    const padded = (length: number) => [JSON.parse(value) as unknown, 'x'.repeat(length)];
    const room = METADATA_BYTES - bytes - '[, ""]'.length;
    expect([value, problemOfMetadata(padded(room))]).toEqual([value, null]);
    expect([value, problemOfMetadata(padded(room + 1))]).toEqual([
      value,
      expect.stringContaining('larger'),
    ]);
  }
});

test('what is too large is not read out of the database', async () => {
  const { id } = await paidWith(JSON.stringify({ note: 'x'.repeat(1_500_000) }));
  const facts = (await gatherFacts(database.db, [id])).get(id);
  expect(facts?.session).toMatchObject({ metadata: null, metadataOmitted: true });
});
