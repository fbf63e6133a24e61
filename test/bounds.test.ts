/** The tables of docs/decisions/0016-blast-radius.md, held against the constants and the metrics of the code. */
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { BOUNDS } from '../src/metrics/bounds.ts';

const PAGE = 'docs/decisions/0016-blast-radius.md';
const source = globSync('src/**/*.ts')
  .map((file) => readFileSync(file, 'utf8'))
  .join('\n');

type Row = { readonly name: string; readonly bound: string; readonly seen: string };

/** The rows of the tables whose last column says what the operator sees. */
function rowsOf(page: string): Row[] {
  let isTable = false;
  return page.split('\n').flatMap((line) => {
    const cells = line.split(' | ').map((cell) => cell.replaceAll(/^\| | \|$/g, '').trim());
    if (!line.startsWith('|')) isTable = false;
    else if (cells.at(-1) === 'operator sees') isTable = true;
    else if (isTable && cells.length === 5 && !line.startsWith('| ---')) {
      const [name = '', , bound = '', , seen = ''] = cells;
      return [{ name, bound, seen }];
    }
    return [];
  });
}

const constantsIn = (text: string) =>
  [...text.matchAll(/`([A-Z][A-Z_]+[A-Z])`/g)].map(([, c = '']) => c);
const metricsIn = (text: string) =>
  [...text.matchAll(/`(settlement_\w+|temporal_\w+)/g)].map(([, m = '']) => m);
const labelsIn = (text: string) =>
  [...text.matchAll(/settlement_bounds_reached\{bound="(\w+)"\}/g)].map(([, l = '']) => l);

/** Bounds that nobody reaches without the caller, or the reader of the text, seeing it at once. */
const SEEN_OTHERWISE = ['text on a terminal', 'the held list', 'the audit of a session'];

/** What is wrong with the tables, each in words. */
function problemsOf(page: string): string[] {
  const rows = rowsOf(page);
  const ofRows = rows.flatMap(({ name, bound, seen }) => {
    const isDeclared = (constant: string) =>
      new RegExp(`\\*/\\s*(?:export )?const ${constant}\\b|\\b${constant}: `).test(source) ||
      // A comment may stand above the first of a few.
      new RegExp(`const ${constant} =`).test(source);
    const isMade = (metric: string) =>
      metric.startsWith('temporal_') || source.includes(`'${metric}'`);
    return [
      ...constantsIn(bound)
        .filter((c) => !isDeclared(c))
        .map((c) => `${name}: no constant ${c}`),
      ...metricsIn(seen)
        .filter((m) => !isMade(m))
        .map((m) => `${name}: no metric ${m}`),
      ...(metricsIn(seen).length > 0 || SEEN_OTHERWISE.includes(name)
        ? []
        : [`${name}: no metric`]),
    ];
  });
  const told = rows.flatMap(({ name, bound, seen }) =>
    labelsIn(seen).map((label) => ({ name, label, bound })),
  );
  const known = Object.keys(BOUNDS);
  return [
    ...ofRows,
    ...told.filter(({ label }) => !known.includes(label)).map(({ label }) => `no bound ${label}`),
    ...known
      .filter((label) => !told.some((t) => t.label === label))
      .map((l) => `${l} is in no row`),
    ...Object.entries(BOUNDS)
      .filter(([label, constant]) => {
        const rows = told.filter((t) => t.label === label);
        return rows.length > 0 && !rows.some(({ bound }) => bound.includes(`\`${constant}\``));
      })
      .map(([label, constant]) => `the row of ${label} does not name ${constant}`),
  ];
}

describe('every bound of the decision', () => {
  const page = readFileSync(PAGE, 'utf8');

  test('is a constant of the code and has a metric that the code makes', () => {
    expect(rowsOf(page).length).toBeGreaterThan(25);
    expect(problemsOf(page)).toEqual([]);
  });

  test('is counted somewhere', () => {
    const uncounted = Object.keys(BOUNDS).filter(
      (label) => !source.includes(`reached('${label}')`),
    );
    expect(uncounted).toEqual([]);
  });

  test.each([
    ['`WAKES_PER_TURN`', '`WAKES_PER_YEAR`', 'wakes: no constant WAKES_PER_YEAR'],
    ['bound="wakes"', 'bound="naps"', 'no bound naps'],
    ['settlement_reports_limited', 'settlement_reports_lost', 'no metric settlement_reports_lost'],
    ['`settlement_connections_waited_for`', '–', 'connections to PostgreSQL: no metric'],
  ])('a page with %s as %s is refused', (right, wrong, problem) => {
    expect(problemsOf(page.replaceAll(right, wrong)).join('\n')).toContain(problem);
  });
});
