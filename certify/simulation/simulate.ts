/** Thousands of schedules: most on the model, many on PostgreSQL itself. A red one is made as small as it gets. */
import { createHash, randomUUID } from 'node:crypto';
import { StrKey } from '@stellar/stellar-sdk';
import { migrate } from '../../src/db/migrate.ts';
import { auditDatabase } from '../../src/db/audit.ts';
import { startPostgres } from '../../src/sandbox/postgres.ts';
import { startPostgresProxy } from '../parts/postgres-proxy.ts';
import { Rng } from '../rng.ts';
import { createModelStore } from './model-store.ts';
import { play } from './play.ts';
import { createPostgresStore, openGround, type Ground } from './postgres-store.ts';
import { drawSchedule, type Schedule } from './schedule.ts';
import type { Store } from './store.ts';
import { ToyLedger, type ToyBegin } from './toy-ledger.ts';

/** What came of one kind of simulation. */
export type SimulationResult = {
  readonly name: string;
  readonly schedules: number;
  readonly steps: number;
  readonly violations: readonly string[];
  readonly ms: number;
};

/** How many schedules are played on the model and on PostgreSQL; whether a red one on PostgreSQL is made smaller. */
export type Simulated = {
  readonly model: number;
  readonly postgres: number;
  readonly shrinks: boolean;
};

type Player = (schedule: Schedule) => Promise<string[]>;

/** Plays so many schedules on each. Stops a kind at its first red schedule, shrinks that, and says how to play it again. */
export async function simulate(
  seed: number,
  { model, postgres, shrinks }: Simulated,
): Promise<SimulationResult[]> {
  const results: SimulationResult[] = [];
  if (model > 0) {
    results.push(await playMany('the model of storage', seed, model, [playOnModel], true));
  }
  const isGreen = results.every(({ violations }) => violations.length === 0);
  if (postgres > 0 && isGreen) results.push(await onPostgres(seed, postgres, shrinks));
  return results;
}

async function playMany(
  name: string,
  seed: number,
  count: number,
  players: readonly Player[],
  shrinks: boolean,
): Promise<SimulationResult> {
  const started = Date.now();
  const next = new Rng(seed);
  let [schedules, steps] = [0, 0];
  let violations: string[] = [];
  const play = async (player: Player) => {
    while (schedules < count && violations.length === 0) {
      const own = count === 1 ? seed : next.fork(schedules).int(1, 999_999_999);
      schedules += 1;
      const schedule = drawSchedule(new Rng(own), own);
      steps += schedule.groups.flat().length;
      const wrong = await player(schedule);
      if (wrong.length === 0 || violations.length > 0) continue;
      violations = [`seed ${own}: ${wrong.join(' ')}`];
      if (!shrinks) return;
      const small = await shrink(schedule, player);
      violations.push(
        `Shrunk from ${schedule.groups.flat().length} to ${small.groups.flat().length} steps: ${JSON.stringify(small.groups)}`,
        ...(await player(small)),
      );
    }
  };
  await Promise.all(players.map(play));
  const ms = Date.now() - started;
  const verdict = violations.length === 0 ? 'green' : 'RED';
  const lines = [
    `${name}: ${schedules} schedules, ${steps} steps, ${verdict}, ${Math.round(ms / 1000)} s`,
  ];
  for (const line of [...lines, ...violations]) process.stdout.write(`${line}\n`);
  return { name, schedules, steps, violations, ms };
}

/** Leaves out steps as long as it stays red. */
async function shrink(schedule: Schedule, player: Player): Promise<Schedule> {
  let smallest = schedule;
  for (let again = true; again;) {
    again = false;
    for (let g = 0; g < smallest.groups.length; g += 1) {
      for (let s = (smallest.groups[g]?.length ?? 0) - 1; s >= 0; s -= 1) {
        const groups = smallest.groups
          .map((group, i) => (i === g ? group.filter((_, k) => k !== s) : group))
          .filter((group) => group.length > 0);
        if ((await player({ ...smallest, groups })).length === 0) continue;
        smallest = { ...smallest, groups };
        again = true;
      }
    }
  }
  return smallest;
}

/** An account that exists nowhere. */
function accountOf(name: string): string {
  return StrKey.encodeEd25519PublicKey(createHash('sha256').update(name).digest());
}

/** Statements of several processes in an order that the seed draws. */
function turns(rng: Rng): () => Promise<void> {
  const waiting: (() => void)[] = [];
  let scheduled = false;
  const next = () => {
    scheduled = false;
    const [chosen] = waiting.splice(rng.int(0, waiting.length - 1), 1);
    chosen?.();
    if (waiting.length > 0) schedule();
  };
  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(next);
  };
  return () =>
    new Promise<void>((resolve) => {
      waiting.push(resolve);
      schedule();
    });
}

const MODEL_BEGIN = new Date('2026-03-01T12:00:00Z');

async function playOnModel(schedule: Schedule): Promise<string[]> {
  const rng = new Rng(schedule.seed).fork(1);
  const begin = { sequence: 1, hash: 'begin', closedAt: MODEL_BEGIN };
  const ledger = new ToyLedger(accountOf('model'), String(schedule.seed), begin);
  return play(schedule, ledger, createModelStore(ledger, rng, turns(rng)));
}

/** Processes that play on one PostgreSQL at the same time, each by its own connections. */
const PLAYERS = 4;

async function onPostgres(
  seed: number,
  count: number,
  shrinks: boolean,
): Promise<SimulationResult> {
  const server = await startPostgres({ progress: () => undefined, fsync: false });
  const merchantId = randomUUID();
  // A chain is one network's, so each player has a database of its own.
  const urls: string[] = [];
  const grounds: Ground[] = [];
  for (let i = 0; i < PLAYERS; i += 1) {
    const url = await server.createDatabase(`simulation_${i}`);
    await migrate(url, { networkPassphrase: 'The network of the simulation' });
    const proxy = await startPostgresProxy(Number(new URL(url).port));
    urls.push(url);
    grounds.push(openGround(url, proxy, merchantId));
  }
  try {
    for (const { direct } of grounds) {
      await direct.pool.query(
        `INSERT INTO merchants (id, wallet_address, business_name, email, webhook_url, webhook_secret)
         VALUES ($1, $2, 'A shop', 'shop@example.com', 'https://shop.example/hook', $3)`,
        [merchantId, merchantId, 'a'.repeat(64)],
      );
    }
    const players = grounds.map((ground) => {
      const begins = { next: { sequence: 1, hash: 'begin', closedAt: postgresBegin() } };
      return (s: Schedule) => playOnPostgres(ground, begins, s);
    });
    const result = await playMany('PostgreSQL itself', seed, count, players, shrinks);
    const audits = await Promise.all(urls.map((url) => auditDatabase(url)));
    const findings = audits.flatMap((audit) => audit.findings);
    const more = [
      ...findings.slice(0, 10).map((f) => `audit: ${f.promise} ${f.subject}: ${f.problem}`),
      ...new Set(grounds.flatMap(({ proxy }) => proxy.undisciplined)),
    ];
    for (const line of more) process.stdout.write(`${line}\n`);
    return { ...result, violations: [...result.violations, ...more] };
  } finally {
    for (const { proxied, direct, proxy } of grounds) {
      await Promise.all([proxied.close(), direct.close()]);
      await proxy.stop();
    }
    await server.stop();
  }
}

/** Days ago: a schedule takes minutes of its ledger's time, and one begins where the one before has ended. */
const postgresBegin = () => new Date(Math.floor(Date.now() / 1000) * 1000 - 10 * 86_400_000);

async function playOnPostgres(
  ground: Ground,
  begins: { next: ToyBegin },
  schedule: Schedule,
): Promise<string[]> {
  const ledger = new ToyLedger(accountOf(randomUUID()), randomUUID(), begins.next);
  const store: Store = await createPostgresStore(ground, ledger);
  try {
    return await play(schedule, ledger, store);
  } finally {
    begins.next = ledger.head.header;
    await store.end();
  }
}
