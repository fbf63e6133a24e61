/**
 * Where the time between a signal and its webhook goes, step by step: what Temporal wrote down about each session of a
 * steady rate, with the commit by PostgreSQL's clock and the webhook by the receiver's. All of them are on this machine.
 *   node_modules/.bin/node bench/steps.ts [payments a second …]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { sessionWorkflowId } from '../src/workflows/contract.ts';
import { setStage } from './stage.ts';
import { commitTimes, insist, prepare, setUp, untilTold, type Trial } from './trial.ts';

const given = process.argv.slice(2).map(Number);
const SESSIONS = 120;
const WARM_UP = 60;
const PATIENCE_MS = 60_000;

type History = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>;
type Event = NonNullable<History['events']>[number];

const now = () => performance.timeOrigin + performance.now();
const stage = await setStage();
const trial = await setUp(stage, 'ours-session', { pollIntervalMs: 5_000 });
const connection = await Connection.connect({ address: trial.place.temporalAddress ?? '' });
const { workflow } = new Client({ connection });
await steadily(trial, WARM_UP, 20);
console.log('milliseconds since the signal was sent, median and 90 of 100');
for (const rate of given.length > 0 ? given : [4, 20]) {
  const steps = await steadily(trial, SESSIONS, rate);
  console.log(`at ${rate} a second`);
  for (const [step, ms] of Object.entries(steps)) {
    const sorted = ms.sort((a, b) => a - b);
    const at = (share: number) =>
      (sorted[Math.floor(sorted.length * share)] ?? Number.NaN).toFixed(1);
    console.log(`  ${step.padEnd(34)} ${at(0.5).padStart(6)} ${at(0.9).padStart(6)}`);
  }
}
await connection.close();
await trial.close();
await stage.close();

/** Pays each session once, and tells when it came to each step. */
async function steadily(
  on: Trial,
  sessions: number,
  rate: number,
): Promise<Record<string, number[]>> {
  const { ids, payments } = await prepare(on, sessions);
  const first = new Map(payments.toReversed().map((payment) => [payment.sessionId, payment]));
  const sent = new Map<string, number>();
  const sending: Promise<number>[] = [];
  const started = now();
  for (const [i, payment] of [...first.values()].entries()) {
    await sleep(Math.max(started + (i / rate) * 1000 - now(), 0));
    sent.set(payment.sessionId, now());
    sending.push(insist(on, [payment]));
  }
  await Promise.all(sending);
  await untilTold(stage, ids, PATIENCE_MS);
  const commits = await commitTimes(on.pool, ids);
  const steps: Record<string, number[]> = {};
  for (const id of ids) {
    const handle = workflow.getHandle(sessionWorkflowId(id));
    await handle.result(); // its history is whole then
    const events = (await handle.fetchHistory()).events ?? [];
    const times = {
      'the run is started': timeOf(events, 'workflowExecutionStartedEventAttributes'),
      'its task is handed to the worker': timeOf(events, 'workflowTaskStartedEventAttributes'),
      'answered; settling is handed out': timeOf(events, 'activityTaskScheduledEventAttributes'),
      'settled: committed': commits.get(id),
      'the webhook is received': stage.sink.arrived.get(id)?.at,
      'the worker’s answer is taken': timeOf(events, 'activityTaskCompletedEventAttributes'),
      'the run is closed': timeOf(events, 'workflowExecutionCompletedEventAttributes'),
    };
    for (const [step, at] of Object.entries(times)) {
      (steps[step] ??= []).push((at ?? Number.NaN) - (sent.get(id) ?? Number.NaN));
    }
  }
  return steps;
}

/** When the first event of a kind was written, in milliseconds. */
function timeOf(events: readonly Event[], kind: keyof Event): number | undefined {
  const time = events.find((event) => event[kind])?.eventTime;
  return time ? Number(time.seconds) * 1000 + (time.nanos ?? 0) / 1e6 : undefined;
}
