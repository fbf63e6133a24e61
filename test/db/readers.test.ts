/** No path of the product reads all of anything that a stranger can grow: a read has a limit, sums, or stands in the list with its reason. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { isLimited, nameOf, readsIn } from '../support/sql-reads.ts';
import { UNLIMITED } from './unlimited-reads.ts';

/** Tables that payers, reporters, receivers and merchants fill, and the fragments that read them. */
const GROWN = new Set([
  'ledger_payments',
  'undecided_payments',
  'parked_records',
  'events',
  'webhook_deliveries',
  'webhook_dead_letters',
  'delivery_attempts',
  'reported_payments',
  'PAYMENTS_OF_SESSION',
  'WITHOUT_SESSION',
]);

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LIST = ['ls-files', '--cached', '--others', '--exclude-standard', 'src'];
const files = execFileSync('git', LIST, { cwd: ROOT, encoding: 'utf8' })
  .split('\n')
  .filter((name) => name.endsWith('.ts') && !name.startsWith('src/sandbox/'));

test('a read without a limit is listed with the reason why that is right, and what is listed exists', () => {
  const found = files.flatMap((file) =>
    readsIn(readFileSync(join(ROOT, file), 'utf8'), GROWN)
      .filter((read) => !isLimited(read))
      .map((read) => `${file}: ${nameOf(read)}`),
  );
  const listed = Object.entries(UNLIMITED).flatMap(([file, { reads }]) =>
    reads.map((read) => `${file}: ${read}`),
  );
  expect(found.toSorted()).toEqual(listed.toSorted());
});

test('each says why in a sentence', () => {
  const reasons = Object.values(UNLIMITED).map(({ why }) => why);
  expect(reasons.filter((why) => !/^[A-Z`].{10,}\.$/.test(why))).toEqual([]);
});

describe('the search for reads', () => {
  const found = (source: string) =>
    readsIn(source, GROWN).map((read) => `${isLimited(read) ? 'limited' : 'not'} ${read.table}`);

  test.each([
    {
      what: 'all of a table',
      source: 'sql`SELECT * FROM settlement.events`',
      finds: ['not events'],
    },
    {
      what: 'a list that is made one row',
      source: 'sql`SELECT json_agg(e) FROM settlement.events e WHERE e.session_id = s.id`',
      finds: ['not events'],
    },
    {
      what: 'a limit, or that of a query around it only',
      source:
        'sql`SELECT * FROM settlement.events LIMIT 5`; sql`SELECT * FROM (SELECT * FROM settlement.events) e LIMIT 5`',
      finds: ['limited events', 'not events'],
    },
    {
      what: 'sums, and sums by group',
      source:
        'sql`SELECT count(*) FROM webhook_deliveries`; sql`SELECT count(*) FROM webhook_deliveries GROUP BY session_id`',
      finds: ['limited webhook_deliveries', 'not webhook_deliveries'],
    },
    {
      what: 'whether there is one',
      source: 'sql`SELECT 1 WHERE EXISTS (SELECT FROM settlement.reported_payments r WHERE true)`',
      finds: ['limited reported_payments'],
    },
    {
      what: 'parts of a union each by itself, and fragments by their names',
      source:
        'sql`(SELECT * FROM ${PAYMENTS_OF_SESSION} p UNION ALL SELECT * FROM ${WITHOUT_SESSION} LIMIT 5)`',
      finds: ['not PAYMENTS_OF_SESSION', 'limited WITHOUT_SESSION'],
    },
  ])('finds $what', ({ source, finds }) => {
    expect(found(source)).toEqual(finds);
  });
});
