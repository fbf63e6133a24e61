/** Every statement that changes or deletes rows is bound to what it began, or is listed here with why it need not be. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import * as schema from '../../src/db/schema/index.ts';
import { isBound, nameOf, writesIn } from '../support/sql-writes.ts';
import { UNBOUND } from './unbound-writes.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const tables = new Set(Object.keys(schema));
const LIST = ['ls-files', '--cached', '--others', '--exclude-standard', 'src'];
const files = execFileSync('git', LIST, { cwd: ROOT, encoding: 'utf8' })
  .split('\n')
  .filter((name) => name.endsWith('.ts'));
const text = (name: string) => readFileSync(join(ROOT, name), 'utf8');

describe('a write that is not bound to what it began', () => {
  test('is listed with the reason why that is right, and what is listed exists', () => {
    const found = files.flatMap((file) =>
      writesIn(text(file), tables)
        .filter((write) => !isBound(write))
        .map((write) => `${file}: ${nameOf(write)}`),
    );
    const listed = Object.entries(UNBOUND).flatMap(([file, all]) =>
      all.map(({ write }) => `${file}: ${write}`),
    );
    expect(found.sort()).toEqual(listed.sort());
  });

  test('locks its rows where the list says so', () => {
    const missing = Object.entries(UNBOUND).flatMap(([file, all]) =>
      all.filter(({ lock }) => lock !== undefined && !text(file).includes(lock)).map(() => file),
    );
    expect(missing).toEqual([]);
  });

  test('says why in a sentence', () => {
    const reasons = Object.values(UNBOUND).flatMap((all) => all.map(({ why }) => why));
    expect(reasons.filter((why) => !/^[A-Zg].{20,}\.$/.test(why))).toEqual([]);
  });
});

describe('the search for writes', () => {
  const found = (source: string) =>
    writesIn(source, tables).map(
      (write) => `${isBound(write) ? 'bound' : 'unbound'} ${nameOf(write)}`,
    );

  test.each([
    {
      what: 'the end of an attempt that any other attempt could have begun',
      source:
        "sql`UPDATE webhook_deliveries SET status = ${s}, next_retry_at = NULL WHERE delivery_id = ${id} AND status IN ('pending', 'failed')`",
      finds: ['unbound UPDATE webhook_deliveries (status, next_retry_at)'],
    },
    {
      what: 'one that is bound to its attempt',
      source:
        'sql`UPDATE webhook_deliveries d SET status = ${s} WHERE d.attempts = ${seen.attempts + 1}`',
      finds: ['bound UPDATE webhook_deliveries (status)'],
    },
    {
      what: 'a condition that restricts only a subquery',
      source:
        'sql`UPDATE t SET a = (SELECT b FROM c WHERE attempt = ${n} AND a IS NULL), d = 1 WHERE id = ${id}`',
      finds: ['unbound UPDATE t (a, d)'],
    },
    {
      what: 'one that fills what is empty, and one that looks at another column',
      source:
        'sql`UPDATE t SET a = 1 WHERE a IS NULL`; sql`UPDATE t SET a = 1 WHERE resolved_at IS NULL`',
      finds: ['bound UPDATE t (a)', 'unbound UPDATE t (a)'],
    },
    {
      what: 'several in one statement, with templates inside',
      source:
        'sql`WITH x AS (UPDATE a SET b = ${c ? sql`1` : sql`(2)`} RETURNING *), y AS (DELETE FROM d) INSERT INTO e SELECT ON CONFLICT (id) DO UPDATE SET f = 1`',
      finds: ['unbound UPDATE a (b)', 'unbound UPSERT e (f)', 'unbound DELETE d'],
    },
    {
      what: 'what is written in lower case, or as another word',
      source:
        'sql`update a set b = 1`; client.query(`TRUNCATE TABLE c`); sql`MERGE INTO d USING e`',
      finds: ['unbound UPDATE a (b)', 'unbound TRUNCATE c', 'unbound MERGE d'],
    },
    {
      what: "Drizzle's own",
      source:
        'tx.update(merchants).set({ webhookSecret: s }).where(eq(merchants.id, id)); db\n.delete(payments);',
      finds: ['unbound UPDATE merchants (webhookSecret)', 'unbound DELETE payments'],
    },
    {
      what: 'neither locks, nor hashes, nor maps, nor comments',
      source:
        "sql`SELECT FOR UPDATE`; hmac.update(body); seen.delete(key); // UPDATE a SET b = 1\n/** DELETE FROM c */ 'SELECT, UPDATE (status)'",
      finds: [],
    },
  ])('finds $what', ({ source, finds }) => {
    expect(found(source)).toEqual(finds);
  });
});
