/**
 * Hostile values at every door. What is taken is stored and read back the same; everything else is refused with the field
 * that is wrong. PostgreSQL never sees a value that it would refuse, so nothing is retried.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { openSession } from '../../src/activities/open-session.ts';
import { refusing } from '../../src/activities/refuse.ts';
import { connect, type Database } from '../../src/db/connection.ts';
import { Refusal } from '../../src/domain/failure.ts';
import { carriedMetadata } from '../../src/domain/metadata.ts';
import { problemOfRow } from '../../src/domain/row-check.ts';
import { readInstant } from '../../src/domain/terms.ts';
import { hashOfWake, partOf, readTxHash, readUuid } from '../../src/doors/messages.ts';
import { readOpenRequest, type ReadRequest } from '../../src/doors/open-request.ts';
import { startReading, type Reading } from '../pipeline/reading.ts';
import { insertMerchant } from '../support/database.ts';

/** Requests that are tried against PostgreSQL, and values at each of the other doors. */
const REQUESTS = 400;
const VALUES = 2_000;

let reading: Reading;
let app: Database;
let good: Record<string, unknown>;
beforeAll(async () => {
  reading = await startReading('accounts', 10);
  reading.pass(5);
  // As the worker: a right that it lacks would show here as an error of PostgreSQL.
  app = connect(reading.database.appUrl);
  good = {
    merchantId: await insertMerchant(reading.database),
    amount: '10',
    asset: { code: 'XLM', issuer: null },
    receivingAccount: (await reading.wallet()).address,
    expiresAt: '2999-01-01T00:00:00Z',
  };
});
afterAll(async () => {
  await app.close();
  await reading.close();
});

/** Any UTF-16 at all: halves of surrogate pairs, NUL, control and format characters, and what is written with them. */
const text = fc.oneof(
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 })
    .map((units) => String.fromCharCode(...units)),
  fc.constantFrom(
    '',
    '\0',
    'a\0b',
    '\ud83d',
    '\udc00x',
    '\u202e',
    '\u001b[2J',
    '\ufeff',
    '__proto__',
    'constructor',
    'toJSON',
  ),
  fc.constantFrom(1_000, 16_383, 16_384, 100_000).map((length) => 'x'.repeat(length)),
  fc.string({ unit: 'grapheme' }),
);
const number = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(-0, 1e308, 5e-324, NaN, Infinity, 2 ** 53, 1e21),
);
const leaf = fc.oneof(
  text,
  number,
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.bigInt(),
  fc.date(),
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('tree'), { maxLength: 5 }),
    fc.dictionary(text, tie('tree'), { maxKeys: 5 }),
  ),
}));
const nested = fc.integer({ min: 1, max: 6_000 }).map((levels) => {
  let value: unknown = 0;
  for (let level = 0; level < levels; level += 1) value = { a: value };
  return value;
});
const large = fc
  .integer({ min: 500, max: 20_000 })
  .map((length) => ({ list: Array.from({ length }, () => 1e300) }));
const anything = fc.oneof(tree, nested, large, fc.anything(), fc.jsonValue());

const instants = fc.constantFrom(
  '2999-02-30T00:00:00Z',
  '2999-01-01',
  '9999-12-31T23:59:59-23:59',
  '0000-01-01T00:00:00Z',
  '+010000-01-01T00:00:00Z',
  '2999-01-01T24:00:00Z',
  '2999-01-01T00:00:60Z',
  '2999-01-01T00:00:00.123456789+14:00',
  '2999-12-31T00:00:00+00:00',
  'infinity',
);
const urls = fc.oneof(
  fc.webUrl({ withFragments: true, withQueryParameters: true }),
  fc.constantFrom(
    'http://',
    'https://?',
    'https:///x',
    'http://[',
    'http://a b/',
    'https://x\0',
    'data:,x',
    'HTTPS://X.example',
    'https://[::1]/',
    '//x.example',
  ),
  text.map((more) => `https://shop.example/${more}`),
);
const account = fc.constantFrom(
  'GAAZI4TCR3TY5OJHCTJC2A4QSY6CJWJH5IAJTGKIN2ER7LBNVKOCCWN7',
  'GAAZI4TCR3TY5OJHCTJC2A4QSY6CJWJH5IAJTGKIN2ER7LBNVKOCCWN8',
  'G',
  '',
);

/** One or two fields of a good request, replaced: metadata most often, since it alone may be anything. */
const changes = fc.oneof(
  fc.record({
    metadata: fc.oneof(
      fc.dictionary(text, anything, { maxKeys: 4 }),
      fc.dictionary(fc.string(), fc.jsonValue()),
      anything,
    ),
  }),
  fc
    .record(
      {
        merchantId: anything,
        amount: fc.oneof(text, number.map(String), anything),
        receivingAccount: fc.oneof(account, anything),
        asset: fc.oneof(
          anything,
          fc.record({
            code: fc.oneof(text, fc.constant('USDC')),
            issuer: fc.oneof(account, text, fc.constant(null)),
          }),
        ),
        expiresAt: fc.oneof(instants, instants, anything),
        memo: fc.oneof(text, anything),
        successUrl: fc.oneof(urls, urls, anything),
        cancelUrl: fc.oneof(urls, urls, anything),
        metadata: fc.dictionary(text, fc.jsonValue()),
        [`other`]: anything,
      },
      { requiredKeys: [] },
    )
    .map((fields) => Object.fromEntries(Object.entries(fields).slice(0, 2))),
);

const attempt = <T>(read: () => T): T | Refusal => {
  try {
    return read();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
};

/** Of the row, what the request says; as the driver reads it. */
async function stored(id: string): Promise<Record<string, unknown> | undefined> {
  const [row] = await reading.database.rows(
    `SELECT merchant_id AS "merchantId", receiving_account AS "receivingAccount", asset_code AS code, asset_issuer AS issuer,
       expires_at AS "expiresAt", success_url AS "successUrl", cancel_url AS "cancelUrl", metadata, memo
     FROM checkout_sessions WHERE id = $1`,
    [id],
  );
  return row;
}

function expected(asked: ReadRequest, sent: unknown) {
  const { merchantId, receivingAccount, expiresAt, successUrl, cancelUrl, memo, asset } = asked;
  const kept = (sent as { metadata?: unknown }).metadata;
  return {
    merchantId,
    receivingAccount,
    expiresAt,
    successUrl,
    cancelUrl,
    ...asset,
    metadata: kept === undefined ? null : (JSON.parse(JSON.stringify(kept)) as unknown),
    memo: memo ?? expect.any(String),
  };
}

test('a request is refused with its field, or stored and read back the same', async () => {
  const counts = { refused: 0, stored: 0 };
  const deps = { ...reading.deps, database: app };
  const property = fc.asyncProperty(changes, async (changed) => {
    const [id, sent] = [randomUUID(), { ...good, ...changed }];
    const asked = attempt(() => readOpenRequest(sent));
    // What the client takes crosses as JSON; what it refuses, somebody else may send.
    const crossed: unknown = asked instanceof Refusal ? sent : JSON.parse(JSON.stringify(sent));
    const work = refusing(() =>
      openSession(deps, {
        sessionId: id,
        request: crossed as never,
        now: new Date().toISOString(),
      }),
    );
    const answer = await work.catch((error: unknown) => error);
    if (asked instanceof Refusal) {
      counts.refused += 1;
      expect(asked).toMatchObject({
        code: 'InvalidInput',
        field: expect.stringMatching(/./),
        message: expect.stringMatching(/^.{1,400}$/su),
      });
      expect(answer).toMatchObject({
        type: 'InvalidInput',
        nonRetryable: true,
        details: [asked.field],
      });
      expect(await stored(id)).toBeUndefined();
      return;
    }
    // The database may know better (the merchant, the memo in use, a deadline that is over), and says so in our words.
    if (answer instanceof Error) {
      const known =
        /^(There is no merchant|The reference .* already names|expiresAt: is in the past)/s;
      expect(answer).toMatchObject({ nonRetryable: true, message: expect.stringMatching(known) });
      return;
    }
    counts.stored += 1;
    expect(await stored(id)).toEqual(expected(asked, sent));
  });
  await fc.assert(property, { numRuns: REQUESTS });
  // The values are hostile and not only nonsense: both ends are reached often.
  expect(Math.min(counts.refused, counts.stored)).toBeGreaterThan(REQUESTS / 10);
}, 120_000);

test('the other doors refuse in words, whatever comes', () => {
  fc.assert(
    fc.property(anything, (value) => {
      for (const read of [readUuid, readTxHash]) {
        const answer = attempt(() => read(partOf(value, 'a'), 'a'));
        if (typeof answer !== 'string')
          expect(answer).toMatchObject({ code: 'InvalidInput', field: 'a' });
      }
      expect([null, 'string']).toContain(hashOfWake(value) === null ? null : 'string');
      const { metadata, metadataOmitted } = carriedMetadata(value, false);
      if (metadataOmitted) expect(metadata).toBeNull();
      else expect(JSON.stringify(metadata).length).toBeLessThanOrEqual(16_384);
    }),
    { numRuns: VALUES },
  );
});

test('a row of whatever text is a session, or is not one by a named column', () => {
  const row = fc.record({
    price: fc.oneof(text, number.map(String)),
    assetCode: text,
    assetIssuer: fc.option(text),
    receivingAccount: fc.oneof(text, account),
    memo: fc.option(text),
    createdAt: instants,
    expiresAt: instants,
    cancelAt: fc.option(instants),
    payment: fc.constant(null),
  });
  fc.assert(
    fc.property(row, (fields) => {
      try {
        expect(problemOfRow(fields)?.field ?? 'memo').toMatch(/^[a-z_.]+$/);
      } catch (error) {
        // PostgreSQL writes no such instant: the row itself could not be.
        expect(() =>
          [fields.createdAt, fields.expiresAt, fields.cancelAt ?? 'infinity'].map(readInstant),
        ).toThrow(RangeError);
        expect(error).toBeInstanceOf(RangeError);
      }
    }),
    { numRuns: VALUES },
  );
});
