/**
 * Traces by OpenTelemetry, from a client's call through workflow and activities to the webhook. Off unless
 * OTEL_EXPORTER_OTLP_ENDPOINT is set; the libraries are loaded only then (docs/decisions/0007-traces.md).
 */
import type { WorkflowClientInterceptor } from '@temporalio/client';
import type { ActivityInterceptorsFactory, WorkerOptions } from '@temporalio/worker';
import type { SettleQueue } from './db/settle-queue.ts';
import type { WebhookSender } from './webhook/post.ts';

/** Tracing that is on. */
export type Tracing = {
  /** For the Temporal client: a span for each call, which goes with it in a header. */
  readonly client: WorkflowClientInterceptor;
  /** For workers: a span for each activity. */
  readonly activity: ActivityInterceptorsFactory;
  /** For the bundle of the workflows: spans inside of them. */
  readonly workflowModules: readonly string[];
  /** By which those spans leave the workflows. */
  readonly sinks: NonNullable<WorkerOptions['sinks']>;
  /** The queue, with a span for each session that is settled inside of a trace. */
  readonly queue: (queue: SettleQueue) => SettleQueue;
  /** The sender, with a span for each POST inside of a trace, and its `traceparent`. */
  readonly sender: (sender: WebhookSender) => WebhookSender;
  /** The trace that is under way, for a line of the log. */
  readonly logFields: () => Record<string, string>;
  /** Sends what has not been sent. */
  flush(): Promise<void>;
};

/** Turns tracing on when the environment asks for it; null when it does not. `service` unless OTEL_SERVICE_NAME is set. */
export async function startTracing(
  env: NodeJS.ProcessEnv,
  service: string,
): Promise<Tracing | null> {
  if (!env['OTEL_EXPORTER_OTLP_ENDPOINT'] && !env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']) {
    return null;
  }
  const { turnOn } = await import('./tracing/otel.ts');
  return turnOn(service);
}

/** What activities work with, seen by traces when tracing is on. */
export function traced<D extends { readonly queue: SettleQueue; readonly sender: WebhookSender }>(
  deps: D,
  tracing: Tracing | null,
): D {
  if (tracing === null) return deps;
  return { ...deps, queue: tracing.queue(deps.queue), sender: tracing.sender(deps.sender) };
}
