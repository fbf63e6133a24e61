import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import {
  DISCREPANCIES,
  NOTHING,
  reportInWords,
  sumInWords,
  tally,
  untouched,
  type ReconcileReport,
} from '../../src/domain/discrepancy.ts';

const report = (fields: Partial<ReconcileReport>): ReconcileReport => ({
  startedAt: '2026-03-01T03:00:00.000Z',
  dryRun: false,
  thorough: false,
  classes: {},
  failed: {},
  ...fields,
});

test('a report has its sum first, then what is left before what is repaired, as a Markdown list', () => {
  const words = reportInWords(
    report({
      classes: {
        stuck_processing: tally(['session 1'], new Map()),
        overdue: tally(['session 2', 'session 3'], new Map([['session 3', 'Horizon is away']])),
      },
    }),
  );
  // Without the empty line the Temporal UI shows one paragraph.
  expect(words.split('\n')).toEqual([
    'Reconciliation of 2026-03-01T03:00:00.000Z: 3 found, 2 repaired, 1 left.',
    '',
    '- **overdue** (still open five minutes after its deadline): 2 found, 1 repaired, 1 left',
    '  - session 3: left: Horizon is away',
    '  - session 2: repaired',
    '- **stuck_processing** (processing for over five minutes): 1 found, 1 repaired, 0 left',
    '  - session 1: repaired',
  ]);
});

test('a dry run says what would be done', () => {
  const found = untouched('no_run', ['session 1']);
  const words = reportInWords(report({ dryRun: true, classes: { no_run: found } }));
  expect(words.split('\n')).toEqual([
    'Reconciliation of 2026-03-01T03:00:00.000Z (dry run: nothing was changed): 1 found.',
    '',
    '- **no_run** (not at rest, and no workflow runs for it, or its run cannot go on): 1 found',
    '  - session 1: a run that cannot go on would be ended, and the session woken',
  ]);
});

test('what was not looked for to the end is not passed over in silence', () => {
  const failing = report({ failed: { event_overdue: 'a table is gone' } });
  expect(sumInWords(failing)).toContain('not looked for to the end: event_overdue');
  expect(reportInWords(failing)).toContain('a table is gone');
  expect(sumInWords(report({}))).toBe('nothing was wrong');
});

test('of many that were found the first few are named, and the rest is counted', () => {
  const many = Array.from({ length: 25 }, (_, n) => `session ${n}`);
  const words = reportInWords(report({ classes: { overdue: tally(many, new Map()) } }));
  expect(words).toContain('25 found, 25 repaired, 0 left');
  expect(words.split('\n').at(-1)).toBe('  - and 5 more');
  expect(sumInWords(report({ classes: { overdue: NOTHING } }))).toBe('nothing was wrong');
});

test('every kind has its line in the runbook', () => {
  const runbook = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  expect(DISCREPANCIES.filter((kind) => !runbook.includes(`| \`${kind}\` `))).toEqual([]);
});
