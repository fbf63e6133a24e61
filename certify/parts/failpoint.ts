/**
 * Lets a worker die, or freeze, at a named point of an activity. Loaded into the certificate's workers by
 * parts/preload.ts; the product neither contains nor knows it.
 *
 * A point is `<activity> <where>`: `before` it and when it has `returned` but Temporal does not know it yet; of a
 * SERIALIZABLE transaction that writes (`settle:`) and of any other one (`store:`) `begun`, `inside` (its first
 * writing statement is done), `commit` (about to be sent) and `committed` (not yet known to the caller); of a writing
 * statement outside of transactions `write` (about to be sent) and `written`. Some of those have names of their own:
 * `attempted` (a POST follows), `answered` (the POST has its answer, which is about to be recorded), `recorded`, and
 * `wakes taken` (none is sent yet).
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { linkSync, writeFileSync } from 'node:fs';
import { Context } from '@temporalio/activity';
import { Worker, type ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { Client } from 'pg';
import { clockShift } from './clock.ts';

/** Strike when `point` is reached for the `nth` time in this process, unless another worker was faster. */
export type Arm = {
  readonly point: string;
  readonly nth: number;
  readonly signal: 'SIGKILL' | 'SIGSTOP';
  /** Created by the one that strikes, with its pid and the time. */
  readonly mark: string;
};

/** What the certificate tells a worker: the failpoints that are armed from now on. */
export type Order = { readonly arms: readonly Arm[] };

let armed: { arm: Arm; left: number }[] = [];
const activity = new AsyncLocalStorage<string>();

function reached(where: string, of = activity.getStore()): void {
  if (armed.length === 0 || of === undefined) return;
  const point = `${of} ${where}`;
  for (const one of armed) {
    if (one.arm.point !== point) continue;
    one.left -= 1;
    if (one.left === 0) strike(one.arm);
  }
}

function strike({ mark, signal }: Arm): void {
  const own = `${mark}.${process.pid}`;
  writeFileSync(own, `${process.pid} ${Date.now() - clockShift}`);
  try {
    linkSync(own, mark); // whole, or not at all
  } catch {
    return; // another worker has struck
  }
  process.kill(process.pid, signal);
}

const WRITES = /\b(insert\s+into|delete\s+from|update\s+\S+(\s+\w+)?\s+set)\b/i;

/** Statements whose points have names of their own. */
const NAMED: readonly (readonly [statement: RegExp, before: string, after: string])[] = [
  [/insert into settlement\.delivery_attempts/i, 'attempt', 'attempted'],
  [/update settlement\.delivery_attempts set finished_at/i, 'answered', 'recorded'],
  [/set wake_after = now\(\) \+ interval '1 minute'/i, 'wakes', 'wakes taken'],
];

type Connection = Client & { inside?: { kind: 'settle' | 'store'; wrote: boolean } | undefined };

/** The points before and after one statement. */
function pointsOf(client: Connection, text: string): { before?: string; after?: () => void } {
  const of = activity.getStore();
  const after = (where: string) => () => reached(where, of);
  if (/^begin/i.test(text)) {
    const kind = /serializable/i.test(text) ? 'settle' : 'store';
    client.inside = { kind, wrote: false };
    return { after: after(`${kind}:begun`) };
  }
  const transaction = client.inside;
  if (/^(commit|rollback)$/i.test(text.trim())) {
    client.inside = undefined;
    if (!transaction?.wrote || !/^commit/i.test(text)) return {};
    return { before: `${transaction.kind}:commit`, after: after(`${transaction.kind}:committed`) };
  }
  if (!WRITES.test(text)) return {};
  if (transaction === undefined) {
    const [, before = 'write', written = 'written'] =
      NAMED.find(([statement]) => statement.test(text)) ?? [];
    return { before, after: after(written) };
  }
  if (transaction.wrote) return {};
  transaction.wrote = true;
  return { after: after(`${transaction.kind}:inside`) };
}

function watchStatements(): void {
  const prototype = Client.prototype as unknown as {
    query: (...args: unknown[]) => unknown;
  };
  const { query } = prototype;
  prototype.query = function (this: Connection, ...args: unknown[]) {
    const [first] = args;
    const text = typeof first === 'string' ? first : (first as { text?: unknown } | null)?.text;
    if (typeof text !== 'string') return query.apply(this, args);
    const { before, after } = pointsOf(this, text);
    if (before !== undefined) reached(before);
    if (after === undefined) return query.apply(this, args);
    const last = args.at(-1);
    if (typeof last === 'function') {
      args[args.length - 1] = (...results: unknown[]) => {
        after();
        (last as (...r: unknown[]) => void)(...results);
      };
      return query.apply(this, args);
    }
    const result = query.apply(this, args) as Promise<unknown>;
    return result.then((value) => {
      after();
      return value;
    });
  };
}

function watchActivities(): void {
  const inbound: ActivityInboundCallsInterceptor = {
    execute: (input, next) =>
      activity.run(Context.current().info.activityType, async () => {
        reached('before');
        const result = await next(input);
        reached('returned');
        return result;
      }),
  };
  const create = Worker.create.bind(Worker);
  Worker.create = (options) =>
    create({
      ...options,
      interceptors: {
        ...options.interceptors,
        activity: [() => ({ inbound }), ...(options.interceptors?.activity ?? [])],
      },
    });
}

watchStatements();
watchActivities();
process.on('message', ({ arms }: Order) => {
  // Those that were armed before go on counting.
  const before = new Map(armed.map((one) => [one.arm.mark, one]));
  armed = arms.map((arm) => before.get(arm.mark) ?? { arm, left: arm.nth });
});
process.channel?.unref();
// A worker does not outlive the certificate.
const die = () => process.kill(process.pid, 'SIGKILL');
if (process.connected) process.once('disconnect', die);
else die();
