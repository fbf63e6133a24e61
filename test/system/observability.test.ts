import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { parse } from 'yaml';
import { freePort } from '../../src/sandbox/child.ts';
import { startSystem, until, type System } from '../support/system.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url));

let system: System;
let metrics: string;
let health: string;
beforeAll(async () => {
  system = await startSystem();
  [metrics, health] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  await system.worker({
    METRICS_ADDRESS: metrics,
    HEALTH_ADDRESS: health,
    RECONCILE_INTERVAL_MS: '10000',
  });
});
afterAll(() => system.close());

const scrape = async () => (await fetch(`http://${metrics}/metrics`)).text();

/** The metrics on the page, by name, and the labels of each. */
function namesIn(page: string): Map<string, Set<string>> {
  const names = new Map<string, Set<string>>();
  for (const line of page.split('\n')) {
    const [, name, labels = ''] = /^([a-z_]+)(?:\{(.*)\})? /.exec(line) ?? [];
    if (name === undefined) continue;
    const keys = [...labels.matchAll(/([a-z_]+)="/g)].map(([, key]) => key ?? '');
    names.set(name, new Set([...(names.get(name) ?? []), ...keys]));
  }
  return names;
}

/** The metrics that an expression of Prometheus names. */
const namedIn = (expression: string) => [
  ...new Set(expression.match(/\b(?:settlement|temporal)_[a-z_]+/g)),
];

/** The labels by which an expression selects or groups, each with the metric it belongs to. */
const labelsNamedIn = (expression: string) => {
  const [, by = ''] = /\bby \(([^)]*)\)/.exec(expression) ?? [];
  const grouped = namedIn(expression).flatMap((metric) =>
    by.split(/,\s*/).flatMap((label) => (label === '' ? [] : [{ metric, label }])),
  );
  const selected = [...expression.matchAll(/([a-z_]+)\{([^}]*)\}/g)].flatMap(
    ([, metric = '', inside = '']) =>
      [...inside.matchAll(/([a-z_]+)[!=]/g)].map(([, label = '']) => ({ metric, label })),
  );
  return [...grouped, ...selected];
};

/** Those that are there only when something has gone wrong, which a healthy system does not show. */
const ONLY_IN_TROUBLE = new Set([
  'temporal_workflow_task_execution_failed_total',
  'temporal_activity_execution_failed_total',
  'settlement_found_after_ending_total',
  'settlement_commit_retries_total',
  'temporal_request_failure_total',
  'settlement_set_aside_total',
  'settlement_reports_limited_total',
  'settlement_horizon_requests_not_sent_total',
]);

test('every metric that alerts and dashboard name is on the page, after one payment and one run', async () => {
  const { memo, id } = await system.open();
  await system.pay(memo);
  await until(
    () => system.client.sessionState(id),
    (view) => view?.atRest === true,
  );
  await until(
    () => system.database.rows('SELECT FROM settlement.active_sessions'),
    (active) => active.length === 0,
  );
  await until(
    async () => {
      // Again each time: a look that was still on its way may have brought the row back before reconciliation saw it gone.
      await system.database.rows('DELETE FROM payments');
      return [...namesIn(await scrape()).keys()].filter((name) => name.startsWith('settlement'));
    },
    (names) =>
      names.includes('settlement_discrepancies_total') &&
      names.includes('settlement_reconcile_ended_at_seconds'),
    90_000,
  );
  const page = await scrape();
  const rules = parse(readFileSync(`${DEPLOY}alerts.yml`, 'utf8')) as {
    groups: { rules: { alert: string; expr: string; annotations: { runbook: string } }[] }[];
  };
  const dashboard = JSON.parse(readFileSync(`${DEPLOY}dashboard.json`, 'utf8')) as {
    panels: { targets: { expr: string }[] }[];
  };
  const expressions = [
    ...rules.groups.flatMap((group) => group.rules.map(({ expr }) => expr)),
    ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ];
  const there = namesIn(page);
  const named = new Set(expressions.flatMap(namedIn).filter((name) => !ONLY_IN_TROUBLE.has(name)));
  expect([...named].filter((name) => !there.has(name))).toEqual([]);
  // What we count ourselves and nothing shows is not worth counting.
  const ours = [...there.keys()].filter((name) => name.startsWith('settlement_'));
  expect(ours.filter((name) => !named.has(name) && !ONLY_IN_TROUBLE.has(name))).toEqual([]);
  const labels = expressions.flatMap(labelsNamedIn);
  expect(labels.length).toBeGreaterThan(10);
  const missing = labels.filter(
    ({ metric, label }) => !ONLY_IN_TROUBLE.has(metric) && there.get(metric)?.has(label) !== true,
  );
  expect(missing).toEqual([]);
  expect(page).toMatch(/settlement_webhook_attempts_total\{[^}]*outcome="accepted"/);
}, 180_000);

test('every alert has its line in the runbook', () => {
  const { groups } = parse(readFileSync(`${DEPLOY}alerts.yml`, 'utf8')) as {
    groups: { rules: { alert: string }[] }[];
  };
  const runbook = readFileSync(`${DEPLOY}../docs/operations.md`, 'utf8');
  const alerts = groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));
  expect(alerts.filter((alert) => !runbook.includes(`\`${alert}\``))).toEqual([]);
});

test('a worker is alive, and ready only while PostgreSQL answers', async () => {
  const get = async (path: string) => {
    const response = await fetch(`http://${health}${path}`);
    return { status: response.status, body: await response.json() };
  };
  expect(await get('/healthz')).toMatchObject({ status: 200 });
  expect(await get('/readyz')).toEqual({ status: 200, body: { ready: true, problems: {} } });
  expect(await get('/')).toMatchObject({ status: 404 });
});

// The certificate found it: a worker that failed after it had made its SDK workers said something else, and lived on.
test('a worker whose health address is taken says so and ends', async () => {
  await expect(system.worker({ HEALTH_ADDRESS: health })).rejects.toThrow(
    /exit 2[^]*HEALTH_ADDRESS 127\.0\.0\.1:\d+ cannot be served: .*EADDRINUSE/,
  );
});

test('a worker that has made only some of its SDK workers says why and ends', async () => {
  // The one that bundles workflows takes longest, and may fail when the others are made.
  const late = `import { createRequire } from 'node:module';
    const { Worker } = createRequire(${JSON.stringify(CLI)})('@temporalio/worker');
    const create = Worker.create.bind(Worker);
    Worker.create = async (options) => {
      const made = await create(options);
      if (options.taskQueue === 'settlement') throw new Error('it cannot be made');
      return made;
    };`;
  const args = ['--import', `data:text/javascript,${encodeURIComponent(late)}`, CLI, 'worker'];
  const options = { env: system.env, timeout: 30_000, killSignal: 'SIGKILL' } as const;
  await expect(promisify(execFile)(process.execPath, args, options)).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('it cannot be made'),
  });
});

test('Temporal answers every query that the documentation shows, and its saved views are those queries', async () => {
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const rows = [
    ...page.matchAll(/^\| [^|]+ \| `([A-Z][A-Za-z]+ [=<] [^`]+)` +\| (?:`\?query=(\S+)`)? *\|$/gm),
  ];
  expect(rows.length).toBeGreaterThan(5);
  const connection = await Connection.connect({ address: system.temporal.address });
  const { workflow } = new Client({ connection });
  for (const [, query = '', view] of rows) {
    await expect(workflow.count(query)).resolves.toHaveProperty('count');
    if (view !== undefined) expect(decodeURIComponent(view)).toBe(query);
  }
  await connection.close();
});
