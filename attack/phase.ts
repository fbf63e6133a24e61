/** One phase: the quiet merchant's ordinary day, alone or beside an actor, and what came of it. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../src/domain/failure.ts';
import { audited, judgedBy, processes } from '../certify/parts/checks.ts';
import { outcome } from '../certify/parts/outcome.ts';
import { Rng } from '../certify/rng.ts';
import type { Scene } from './actors/actor.ts';
import { ACTORS } from './actors/list.ts';
import { nameOf, type Planned } from './arguments.ts';
import { latenciesOf, passed, type Seen } from './bounds.ts';
import { watchMemory } from './memory.ts';
import {
  measure,
  openQuiet,
  serve,
  type QuietSession,
  type Times as SessionTimes,
} from './quiet.ts';
import type { Stage } from './stage.ts';

/** What came of a phase. */
export type Phase = Seen & {
  /** Null: the quiet merchant alone. */
  readonly actor: string | null;
  /** What each of its sessions took that was measured. */
  readonly times: readonly SessionTimes[];
  readonly did: ReadonlyMap<string, number>;
  readonly reached: ReadonlyMap<string, number>;
  /** Sessions of the quiet merchant that were measured. */
  readonly sessions: number;
  /** Bounds that were passed, in words. */
  readonly passed: readonly string[];
  /** How late the harness itself was, which is also the ledger and the attackers (ms, p99): its part in the times. */
  readonly lateMs: number;
  readonly seconds: number;
};

/** How long everything takes. */
export type Times = {
  /** The attack, in milliseconds. */
  readonly attackMs: number;
  /** Until what was paid must have been told. */
  readonly patienceMs: number;
};

/** What is known when a phase begins. */
export type Before = {
  readonly stage: Stage;
  readonly seed: number;
  readonly quick: boolean;
  readonly times: Times;
  /** What was measured alone; null when this is it. */
  readonly alone: Pick<Seen, 'commit' | 'webhook'> | null;
};

/** Plays a phase. */
export async function play(before: Before, planned: Planned | null): Promise<Phase> {
  const { stage, times, alone } = before;
  const { stack, bad } = stage;
  const started = Date.now();
  const over = new AbortController();
  const done = new AbortController();
  const canary = bad.got.canary;
  const late = monitorEventLoopDelay();
  late.enable();
  const memory = watchMemory(stack, done.signal);
  const serving = serve(stage, over.signal);
  const attack = planned ? attackBy(before, planned, over.signal) : null;
  await sleep(times.attackMs);
  over.abort();
  const served = await serving;
  late.disable();
  const attacked = await within(attack?.made ?? Promise.resolve(), times.patienceMs);
  const sessions = [...served.sessions, ...(attack?.victims ?? [])];
  const paid = sessions.filter(({ paidAt }) => paidAt !== null);
  const measured = await measure(stage, paid, times.patienceMs);
  const kills = attack?.kills ?? [];
  const own = [...measured.times].filter(([{ attacked }]) => !attacked);
  const replaced = own.filter(([{ paidAt }]) => kills.some((at) => isBeside(at, paidAt)));
  const ordinary = own.filter((one) => !replaced.includes(one)).map(([, took]) => took);
  for (const count of attack?.counts ?? []) await count();
  done.abort();
  const dead = stack.unasked.splice(0);
  const lost = new Set(measured.lost);
  const promises = await broken(
    stage,
    paid.filter((session) => !lost.has(session) && session.shop !== stage.hostile),
  );
  const seen: Seen = {
    ...latenciesOf(ordinary),
    replaced: Math.max(0, ...replaced.map(([, { webhook }]) => webhook)),
    memory: await memory,
    dead,
    lost: [...lost].map(
      ({ id, attacked }) => `${attacked ? 'the attacked session' : 'session'} ${id}`,
    ),
    broken: [
      ...served.complaints,
      ...(attack?.breaches ?? []),
      ...(attacked ? [] : ['the attack was not over in time: what it waits for was not answered']),
      ...(bad.got.canary > canary ? ['a webhook reached an address that is not allowed'] : []),
      ...promises,
    ],
  };
  await stack.restaff();
  return {
    ...seen,
    actor: planned && nameOf(planned),
    did: attack?.did ?? new Map(),
    reached: attack?.reached ?? new Map(),
    times: ordinary,
    sessions: own.length,
    passed: passed(seen, alone ?? seen),
    lateMs: Math.round(late.percentile(99) / 1e6),
    seconds: Math.round((Date.now() - started) / 1000),
  };
}

/** The attacks of an actor, side by side. */
function attackBy(before: Before, { actor, attacks }: Planned, over: AbortSignal) {
  const { stage, seed, quick } = before;
  const [did, reached] = [new Map<string, number>(), new Map<string, number>()];
  const breaches: string[] = [];
  const victims: QuietSession[] = [];
  const counts: (() => unknown)[] = [];
  const kills: number[] = [];
  const add =
    (to: Map<string, number>) =>
    (what: string, times = 1) =>
      void to.set(what, (to.get(what) ?? 0) + times);
  const scene: Omit<Scene, 'rng'> = {
    stage,
    quick,
    over,
    did: add(did),
    reached: add(reached),
    breach: (what) => void breaches.push(what),
    killed: () => void kills.push(Date.now()),
    atTheEnd: (count) => void counts.push(count),
    victim: async (whose = {}) => {
      const session = await openQuiet(stage, { shop: stage.attacked, ...whose, attacked: true });
      victims.push(session);
      return session;
    },
  };
  const rng = new Rng(seed);
  const made = Promise.all(
    Object.entries(ACTORS[actor])
      .filter(([name]) => attacks.includes(name))
      .map(async ([name, attack], i) => {
        try {
          await attack({ ...scene, rng: rng.fork(i) });
        } catch (error) {
          breaches.push(`${actor}:${name} broke off: ${reasonOf(error)}`);
        }
      }),
  );
  return { did, reached, breaches, victims, counts, kills, made };
}

/** What was under way when a worker died, and what was paid until another one has taken over (ms). */
const [BEFORE_A_KILL_MS, UNTIL_REPLACED_MS] = [2_000, 6_000];

/** Whether a session was paid while a worker was being replaced that was killed then. */
function isBeside(killedAt: number, paidAt: number | null): boolean {
  return (
    paidAt !== null && paidAt > killedAt - BEFORE_A_KILL_MS && paidAt < killedAt + UNTIL_REPLACED_MS
  );
}

/** Whether it was done in time. */
async function within(done: Promise<unknown>, ms: number): Promise<boolean> {
  const late = new AbortController();
  const timer = sleep(ms, false, { signal: late.signal }).catch(() => false);
  const first = await Promise.race([done.then(() => true), timer]);
  late.abort();
  return first;
}

/** From the ledger's books and the receiver's POSTs, and by `settle audit`. */
async function broken(
  { stack, receiver }: Stage,
  sessions: readonly QuietSession[],
): Promise<string[]> {
  const judged = await judgedBy(stack);
  const posts = Map.groupBy(receiver.posts, ({ body }) => sessionIn(body));
  const parts = await Promise.all([
    audited(stack),
    processes(stack),
    ...sessions.map((session) => outcome(stack, session, judged, posts.get(session.id) ?? [])),
  ]);
  return parts
    .flatMap(({ violations }) => violations)
    .map(({ check, problem }) => `${check}: ${problem}`);
}

function sessionIn(body: string): string {
  return (JSON.parse(body) as { data: { sessionId: string } }).data.sessionId;
}
