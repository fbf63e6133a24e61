/** OpenTelemetry itself; loaded only when tracing is on. */
import { createRequire } from 'node:module';
import {
  SpanKind,
  SpanStatusCode,
  context,
  propagation,
  trace,
  type Span,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { Resource, envDetectorSync } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import {
  makeWorkflowExporter,
  OpenTelemetryActivityInboundInterceptor,
  OpenTelemetryActivityOutboundInterceptor,
  OpenTelemetryWorkflowClientInterceptor,
} from '@temporalio/interceptors-opentelemetry';
import type { SettleQueue } from '../db/settle-queue.ts';
import { reasonOf } from '../domain/failure.ts';
import type { Tracing } from '../tracing.ts';
import type { WebhookSender } from '../webhook/post.ts';

/** It reads for a quarter of an hour: one span of it would be no trace that anybody can read. */
const NOT_TRACED = new Set(['watchLedger']);

let on: Tracing | null = null;

/** Turns tracing on, once in a process. Where the process has OpenTelemetry already, spans go to that. */
export function turnOn(service: string): Tracing {
  return (on ??= create(service));
}

function create(service: string): Tracing {
  const resource = Resource.default()
    .merge(new Resource({ 'service.name': service }))
    .merge(envDetectorSync.detect());
  const processor = new BatchSpanProcessor(new OTLPTraceExporter());
  const provider = new BasicTracerProvider({ resource, spanProcessors: [processor] });
  // Each answers whether it was the first: a process that is traced already keeps what it has.
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const require = createRequire(import.meta.url);
  return {
    client: new OpenTelemetryWorkflowClientInterceptor(),
    activity: (activity) =>
      NOT_TRACED.has(activity.info.activityType)
        ? {}
        : {
            inbound: new OpenTelemetryActivityInboundInterceptor(activity),
            outbound: new OpenTelemetryActivityOutboundInterceptor(activity),
          },
    workflowModules: [
      require.resolve('@temporalio/interceptors-opentelemetry/lib/workflow-interceptors'),
    ],
    sinks: { exporter: makeWorkflowExporter(processor, resource) },
    queue: tracedQueue,
    sender: tracedSender,
    logFields,
    flush: () => processor.forceFlush(),
  };
}

function tracedQueue(queue: SettleQueue): SettleQueue {
  return {
    settle: (sessionId) =>
      inSpan('settle', { attributes: { sessionId } }, async (span) => {
        const settled = await queue.settle(sessionId);
        if (settled !== null) span?.setAttribute('status', settled.status);
        return settled;
      }),
    settleAll: (sessionIds) =>
      inSpan('settle', { attributes: { sessions: sessionIds.length } }, () =>
        queue.settleAll(sessionIds),
      ),
  };
}

function tracedSender(sender: WebhookSender): WebhookSender {
  return {
    ...sender,
    post: (url, headers, body) => {
      const attributes = {
        'http.request.method': 'POST',
        // Not the whole address: a merchant may have put a secret into it.
        'server.address': URL.canParse(url) ? new URL(url).host : '',
        'webhook.id': headers['webhook-id'] ?? '',
        'webhook.event': headers['x-orbitstream-event'] ?? '',
      };
      return inSpan('POST webhook', { kind: SpanKind.CLIENT, attributes }, async (span) => {
        const traced = { ...headers };
        if (span !== null) propagation.inject(context.active(), traced);
        const outcome = await sender.post(url, traced, body);
        if (outcome.kind === 'answered') {
          span?.setAttribute('http.response.status_code', outcome.status);
        } else {
          span?.setStatus({ code: SpanStatusCode.ERROR, message: outcome.detail });
        }
        return outcome;
      });
    },
  };
}

/** Does some work in a span of the trace that is under way; without one, just does it. */
async function inSpan<T>(
  name: string,
  options: { kind?: SpanKind; attributes: Record<string, string | number> },
  work: (span: Span | null) => Promise<T>,
): Promise<T> {
  if (trace.getActiveSpan() === undefined) return work(null);
  return trace.getTracer('stellar-settlement').startActiveSpan(name, options, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: reasonOf(error) });
      throw error;
    } finally {
      span.end();
    }
  });
}

function logFields(): Record<string, string> {
  const active = trace.getActiveSpan()?.spanContext();
  return active === undefined ? {} : { trace_id: active.traceId, span_id: active.spanId };
}
