/** Tracing may be turned on while runs are open: what was recorded without it replays with it. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from '@jest/globals';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { startTracing, type Tracing } from '../../src/tracing.ts';
import { BUNDLED } from '../../src/worker-code.ts';
import { workflowIdOf } from '../support/histories.ts';

const HISTORIES = fileURLToPath(new URL('../histories', import.meta.url));
const names = readdirSync(HISTORIES).filter((name) => name.endsWith('.json'));

let tracing: Tracing;
let code: string;
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  // Nobody listens there: a replay has nothing to send.
  const on = await startTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }, 'replay');
  if (on === null) throw new Error('Tracing is not on.');
  tracing = on;
  ({ code } = await bundleWorkflowCode({
    ...BUNDLED,
    workflowInterceptorModules: [...on.workflowModules],
    logger: new DefaultLogger('ERROR'),
  }));
});

test.each(names)('%s replays with tracing on', async (name) => {
  const history: unknown = JSON.parse(readFileSync(`${HISTORIES}/${name}`, 'utf8'));
  expect(JSON.stringify(history)).not.toContain('_tracer-data');
  await Worker.runReplayHistory(
    {
      workflowBundle: { code },
      sinks: tracing.sinks,
    },
    history,
    workflowIdOf(history),
  );
});

test('tracing is off unless the environment names a collector', async () => {
  expect(await startTracing({}, 'worker')).toBeNull();
  expect(await startTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: '' }, 'worker')).toBeNull();
});
