/** A parameter of DATABASE_URL that would take our limits, our durability or TLS away is refused by its name. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadConfig, loadDatabaseConfig, loadSecretsConfig } from '../../src/config.ts';
import { connect } from '../../src/db/connection.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const BASE = 'postgres://app:secret@127.0.0.1:1/settlement';

describe('DATABASE_URL', () => {
  test.each([
    ['sslmode=', 'an empty parameter "sslmode"'],
    ['sslmode', 'an empty parameter "sslmode"'],
    ['sslmode=REQUIRE', 'an unknown "sslmode"'],
    ['sslmode=allow', 'an unknown "sslmode"'],
    ['sslmode=require&sslmode=disable', 'the parameter "sslmode" more than once'],
    ['SSLMODE=require', 'the parameter "SSLMODE"'],
    ['ssl=false', 'the parameter "ssl"'],
    ['options=-c%20synchronous_commit%3Doff', 'the parameter "options"'],
    ['%6fptions=-c%20timezone%3DUTC', 'the parameter "options"'],
    ['statement_timeout=0', 'the parameter "statement_timeout"'],
    ['query_timeout=0', 'the parameter "query_timeout"'],
    ['application_name=shop', 'the parameter "application_name"'],
    ['sslmode=require&user=postgres', 'the parameter "user"'],
  ])('?%s is refused, everywhere and by name', (query, problem) => {
    const env = { DATABASE_URL: `${BASE}?${query}`, HORIZON_URL: 'https://horizon.example' };
    for (const load of [loadConfig, loadDatabaseConfig, loadSecretsConfig]) {
      expect(() => load(env)).toThrow(`DATABASE_URL has ${problem}`);
      expect(() => load(env)).not.toThrow('secret');
    }
    expect(() => connect(env.DATABASE_URL)).toThrow(`DATABASE_URL has ${problem}`);
  });

  test.each([
    '',
    '?sslmode=verify-full',
    '?sslmode=disable',
    '?host=/var/run/postgresql&port=5433',
  ])('may say %s', (query) => {
    expect(loadDatabaseConfig({ DATABASE_URL: `${BASE}${query}` }).DATABASE_URL).toContain(query);
  });
});

describe('a connection', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.close());

  test('has our limits and our durability, whatever its role has been given', async () => {
    const role = decodeURIComponent(new URL(database.url).username);
    // In this database alone: tests run beside this one.
    const own = `ALTER ROLE "${role}" IN DATABASE "${new URL(database.url).pathname.slice(1)}"`;
    await database.rows(`${own} SET synchronous_commit = off`);
    const ours = connect(`${database.url}?sslmode=disable`, { max: 1 });
    const { rows } = await ours.pool.query<{ name: string; setting: string }>(
      `SELECT name, setting FROM pg_settings WHERE name = ANY($1) ORDER BY name`,
      [['lock_timeout', 'search_path', 'statement_timeout', 'synchronous_commit']],
    );
    await ours.close();
    expect(rows.map(({ name, setting }) => `${name}=${setting}`)).toEqual([
      'lock_timeout=2000',
      'search_path=public',
      'statement_timeout=5000',
      'synchronous_commit=on',
    ]);
    await database.rows(`${own} RESET synchronous_commit`);
  });
});
