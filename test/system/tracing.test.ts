/** Traces, from a backend's request through client, workflow, activities and settle to the merchant's POST. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { trace } from '@opentelemetry/api';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { connectSettlement, type SettlementClient } from '../../src/client.ts';
import { sessionWorkflowId } from '../../src/workflows/contract.ts';
import { startCollector, type CollectedSpan, type Collector } from '../support/collector.ts';
import { startSystem, tenLumens, until, type System } from '../support/system.ts';
import { given } from '../support/given.ts';

let system: System;
let collector: Collector;
let client: SettlementClient;
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  [system, collector] = await Promise.all([startSystem(), startCollector()]);
});
afterAll(async () => {
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  await client?.close();
  await system.close();
  await collector.stop();
});

const body = () => tenLumens(system.merchantId, system.shop.address);

async function historyOf(id: string) {
  const connection = await Connection.connect({ address: system.temporal.address });
  try {
    return await new Client({ connection }).workflow
      .getHandle(sessionWorkflowId(id))
      .fetchHistory();
  } finally {
    await connection.close();
  }
}

const confirmed = async (sessionId: string) => {
  const [post] = await system.receiver.waitFor(
    (p) => p.sessionId === sessionId && p.event === 'payment.confirmed',
  );
  await until(
    () => system.client.sessionState(sessionId),
    (view) => view?.atRest === true,
  );
  return post;
};

/** The tree in docs/operations.md, as pairs `child in parent`. */
function shownTree(): string[] {
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const [, tree = ''] = /^```text\n(POST \/orders .*?)^```$/ms.exec(page) ?? [];
  const above: string[] = [];
  return tree
    .trimEnd()
    .split('\n')
    .flatMap((line) => {
      const [, branches = '', name = ''] = /^([ │├└]*)(.*?)(?: {2,}.*)?$/.exec(line) ?? [];
      const depth = branches.length / 2;
      above[depth] = name;
      return depth === 0 ? [] : [`${name} in ${above[depth - 1]}`];
    });
}

test('without a collector no request carries a trace, and no history knows of any', async () => {
  const worker = await system.worker();
  const { id, memo } = await system.open();
  const txHash = await system.pay(memo);
  await system.client.reportPayment(id, txHash);
  expect((await confirmed(id))?.headers).not.toHaveProperty('traceparent');
  expect(JSON.stringify(await historyOf(id))).not.toContain('_tracer-data');
  await worker.drain();
});

test('with one, a request of the backend is one trace, through to the POST', async () => {
  const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '100' };
  await system.worker(settings);
  Object.assign(process.env, settings);
  client = await connectSettlement({ address: system.temporal.address });
  const id = crypto.randomUUID();
  // A backend's own span, as its web framework makes one for each request.
  const traceId = await trace.getTracer('backend').startActiveSpan('POST /orders', async (span) => {
    const { memo } = await client.openSession(id, body());
    await client.reportPayment(id, await system.pay(memo));
    span.end();
    return span.spanContext().traceId;
  });
  const post = await confirmed(id);
  const has = (name: string) => (span: CollectedSpan) =>
    span.traceId === traceId && span.name === name;
  const ends = ['POST /orders', 'POST webhook', 'RunWorkflow:checkoutSession'];
  const all = await collector.waitFor((spans) => ends.every((name) => spans.some(has(name))));
  const spans = all.filter((span) => span.traceId === traceId);

  /** The names from a span up to the root. */
  const path = (span: CollectedSpan | undefined): string[] =>
    span === undefined
      ? []
      : [span.name, ...path(spans.find(({ spanId }) => spanId === span.parentSpanId))];
  const sent = spans.find(has('POST webhook'));
  expect(path(sent)).toEqual([
    'POST webhook',
    'RunActivity:look',
    'StartActivity:look',
    'RunWorkflow:checkoutSession',
    'UpdateWithStartWorkflow:open',
    'POST /orders',
  ]);
  expect(post?.headers['traceparent']).toBe(`00-${traceId}-${sent?.spanId}-01`);
  expect(sent?.attributes).toMatchObject({
    'http.response.status_code': '200',
    'webhook.id': post?.eventId,
  });
  const settles = spans.filter(has('settle'));
  expect(settles.map(path)).toContainEqual([
    'settle',
    'RunActivity:proveReport',
    'StartActivity:proveReport',
    'HandleUpdate:reportPayment',
    'UpdateWithStartWorkflow:reportPayment',
    'POST /orders',
  ]);
  expect(new Set(settles.map(({ attributes }) => attributes['sessionId']))).toEqual(new Set([id]));
  expect(new Set(spans.map(({ service }) => service))).toEqual(
    new Set(['stellar-settlement-client', 'stellar-settlement-worker']),
  );
  const shown = shownTree();
  const pairs = spans.map((span) => path(span).slice(0, 2).join(' in '));
  expect(shown).toHaveLength(9);
  expect(shown.filter((pair) => !pairs.includes(pair))).toEqual([]);
  // Tracing may be turned off again while runs are open: their histories replay without it.
  const codePath = given('bundle');
  const history = await historyOf(id);
  expect(JSON.stringify(history)).toContain('_tracer-data');
  await Worker.runReplayHistory({ workflowBundle: { codePath } }, history, sessionWorkflowId(id));
}, 120_000);
