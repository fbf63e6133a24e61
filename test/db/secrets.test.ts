import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect, type Database } from '../../src/db/connection.ts';
import { merchantEndpointId } from '../../src/db/ids.ts';
import {
  countSecrets,
  readSecret,
  rewriteSecrets,
  secretProblems,
  storedSecret,
} from '../../src/db/secrets.ts';
import { parseKeyRing } from '../../src/keys/key-ring.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';

const entry = (id: string) => `${id}:${randomBytes(32).toString('base64')}`;
const [one, two] = [entry('one'), entry('two')];
const onlyOne = parseKeyRing(one);
const twoThenOne = parseKeyRing(`${two},${one}`);
const onlyTwo = parseKeyRing(two);

describe('a stored secret', () => {
  const endpoint = randomUUID();

  test.each([
    'ab'.repeat(32),
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'enc:v1',
    '',
    'enc:v2:a:b',
  ])('of the backend, %p, is read as it is, with keys and without', (plain) => {
    const readable = { kind: 'readable', secret: plain };
    expect(readSecret(null, endpoint, plain)).toEqual(readable);
    expect(readSecret(onlyOne, endpoint, plain)).toEqual(readable);
    expect(storedSecret(null, endpoint, plain)).toBe(plain);
  });

  test('that is encrypted says under which key, and is read by every ring that has it', () => {
    const stored = storedSecret(onlyOne, endpoint, 'secret');
    expect(stored).toMatch(/^enc:v1:one:/);
    expect(stored).not.toContain('secret');
    for (const ring of [onlyOne, twoThenOne]) {
      expect(readSecret(ring, endpoint, stored)).toEqual({ kind: 'readable', secret: 'secret' });
    }
  });

  test('is locked without its key, changed, or at another endpoint, and says why without saying what', () => {
    const stored = storedSecret(onlyOne, endpoint, 'secret');
    const ofAnother = parseKeyRing(entry('one'));
    const because = (reason: string) => ({
      kind: 'locked',
      reason: expect.stringContaining(reason),
    });
    expect(readSecret(null, endpoint, stored)).toEqual(because('"one", which is not in'));
    expect(readSecret(onlyTwo, endpoint, stored)).toEqual(because('"one", which is not in'));
    expect(readSecret(ofAnother, endpoint, stored)).toEqual(because('cannot be decrypted'));
    expect(readSecret(onlyOne, randomUUID(), stored)).toEqual(because('cannot be decrypted'));
    expect(readSecret(onlyOne, endpoint, `${stored}AA`)).toEqual(because('cannot be decrypted'));
    expect(readSecret(onlyOne, endpoint, `${stored}!`)).toEqual(because('damaged'));
  });
});

describe('rewriting all of them', () => {
  let database: TestDatabase;
  let app: Database;
  let merchants: string[];
  let endpoint: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    app = connect(database.appUrl, { max: 2 });
    // More than a page of them.
    merchants = [];
    for (let i = 0; i < 205; i += 1) {
      merchants.push(await insertMerchant(database, { webhookSecret: `secret ${i}` }));
    }
    await insertMerchant(database, { webhookSecret: null });
    const [row] = await database.rows<{ id: string }>(
      `INSERT INTO webhook_endpoints (merchant_id, url, secret) VALUES ($1, 'https://a.example', 'of the endpoint') RETURNING id`,
      [merchants[0]],
    );
    endpoint = row?.id ?? '';
    await database.rows(
      `INSERT INTO settlement.endpoint_state (endpoint_id, merchant_id, previous_secret) VALUES ($1, $2, 'before')`,
      [endpoint, merchants[0]],
    );
  });
  afterAll(() => Promise.all([app.close(), database.close()]));

  const stored = async () => {
    const [secrets] = await database.rows<{ merchant: string; current: string; previous: string }>(
      `SELECT (SELECT webhook_secret FROM merchants WHERE id = $1) AS merchant,
        (SELECT secret FROM webhook_endpoints) AS current,
        (SELECT previous_secret FROM settlement.endpoint_state) AS previous`,
      [merchants[0]],
    );
    return secrets ?? { merchant: '', current: '', previous: '' };
  };
  const read = async (keys: typeof onlyOne | null) => {
    const { merchant, current, previous } = await stored();
    return [
      readSecret(keys, merchantEndpointId(merchants[0] ?? ''), merchant),
      readSecret(keys, endpoint, current),
      readSecret(keys, endpoint, previous),
    ].map((s) => (s.kind === 'readable' ? s.secret : s.kind));
  };
  const WHOLE = ['secret 0', 'of the endpoint', 'before'];

  test('encrypts them, brings them under a new key, and back to plain; none is lost, none stays behind', async () => {
    const done = { changed: 207, right: 0, locked: 0 };
    expect(await rewriteSecrets(app.db, onlyOne, 'first key')).toEqual(done);
    expect(await read(onlyOne)).toEqual(WHOLE);
    expect(await read(null)).toEqual(['locked', 'locked', 'locked']);
    expect(await secretProblems(app.db, onlyOne)).toEqual([]);
    expect(await secretProblems(app.db, null)).toEqual([expect.stringContaining('"one"')]);

    expect(await rewriteSecrets(app.db, twoThenOne, 'first key')).toEqual(done);
    expect(await rewriteSecrets(app.db, twoThenOne, 'first key')).toEqual({
      ...done,
      changed: 0,
      right: 207,
    });
    expect(await read(onlyTwo)).toEqual(WHOLE);
    expect(await countSecrets(app.db)).toEqual([
      { place: 'merchants.webhook_secret', key: 'two', secrets: 205 },
      { place: 'webhook_endpoints.secret', key: 'two', secrets: 1 },
      { place: 'endpoint_state.previous_secret', key: 'two', secrets: 1 },
    ]);

    expect(await rewriteSecrets(app.db, onlyOne, 'first key')).toEqual({
      changed: 0,
      right: 0,
      locked: 207,
    });
    expect(await rewriteSecrets(app.db, onlyTwo, 'plain')).toEqual(done);
    expect(await read(null)).toEqual(WHOLE);
  });

  test('leaves alone what somebody replaces meanwhile', async () => {
    const pages = [];
    const racing = rewriteSecrets(app.db, onlyOne, 'first key', (so) => pages.push(so));
    await database.rows(`UPDATE webhook_endpoints SET secret = 'newer'`);
    await racing;
    expect(pages.length).toBeGreaterThan(2);
    const { current } = await stored();
    const now = readSecret(onlyOne, endpoint, current);
    expect(now).toEqual({ kind: 'readable', secret: 'newer' });
  });
});
