/** What can happen in a world, as fast-check draws it, and how it is made to happen. */
import { MockActivityEnvironment } from '@temporalio/testing';
import * as fc from 'fast-check';
import { proveReport } from '../../src/activities/prove-report.ts';
import { requestCancel } from '../../src/db/sessions.ts';
import type { Fault } from '../../src/sandbox/ledger/faults.ts';
import { TRANSACTION, transact } from './transactions.ts';
import type { Watcher } from './watcher.ts';
import type { World, WorldSession } from './world.ts';

/** Sessions of every world: two on one account, in two assets; one whose account does not exist; one opened later. */
export const SESSIONS = 4;

const FAULT: fc.Arbitrary<Fault | null> = fc.constantFrom<Fault | null>(
  null,
  null,
  null,
  null,
  null,
  { kind: 'lag', ledgers: 2 },
  { kind: 'lag', ledgers: 6 },
  { kind: 'lag', ledgers: 4, path: 'payments' },
  { kind: 'go_back', ledgers: 3, path: 'payments', times: 2 },
  { kind: 'two_nodes', ledgers: 2 },
  { kind: 'two_nodes', ledgers: 5 },
  { kind: 'rate_limited', retryAfterSeconds: 0.01, times: 2 },
  { kind: 'still_ingesting', times: 3 },
  { kind: 'timeout', path: 'payments', times: 2 },
  { kind: 'server_error', path: 'ledgers', times: 2 },
  { kind: 'truncated', path: 'payments', times: 1 },
  { kind: 'disconnect', half: true, times: 2 },
  { kind: 'repeat_page', times: 2 },
);

/** One thing that happens. */
export const STEP = fc.oneof(
  { weight: 10, arbitrary: TRANSACTION },
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('close' as const),
      seconds: fc.constantFrom(1, 1, 5, 5, 40),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('turn' as const),
      fault: FAULT,
      thorough: fc.boolean(),
      who: fc.constantFrom('one', 'one', 'the other', 'both'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant('report' as const),
      transaction: fc.nat(),
      session: fc.nat({ max: SESSIONS - 1 }),
      inner: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant('cancel' as const),
      session: fc.nat({ max: SESSIONS - 1 }),
      skew: fc.constantFrom(-60, 0, 0, 20),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('open' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant('crash' as const),
      /** After how many settled batches the process dies in its last turn. */
      after: fc.nat({ max: 2 }),
      strategy: fc.constantFrom('accounts' as const, 'accounts' as const, 'ledgers' as const),
    }),
  },
);
export type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

/** What the steps work on. */
export type Scene = {
  readonly world: World;
  readonly sessions: WorldSession[];
  /** Two processes; a crash replaces the first. */
  watchers: [Watcher, Watcher];
  openLast(): Promise<void>;
};

/** Makes one step happen. */
export async function take(scene: Scene, step: Step): Promise<void> {
  const { world, sessions, watchers } = scene;
  const at = (index: number) => sessions[index % sessions.length] as WorldSession;
  switch (step.does) {
    case 'transact':
      return transact(scene, step);
    case 'close':
      return world.close(step.seconds);
    case 'open':
      return scene.openLast();
    case 'cancel': {
      const { id } = at(step.session);
      const cancelling = world.diary.cancels(id);
      await requestCancel(world.database.pool, id);
      return cancelling.isStored();
    }
    case 'report': {
      const known = world.ledger.chain.history.ledgers
        .filter(({ sequence }) => sequence > world.begin)
        .flatMap(({ transactions }) => transactions);
      const found = known[step.transaction % (known.length + 1)];
      const txHash = (step.inner ? found?.innerHash : null) ?? found?.hash ?? 'f'.repeat(64);
      const input = { sessionId: at(step.session).id, txHash, wait: false };
      await new MockActivityEnvironment().run(() => proveReport(watchers[0].deps, input));
      return;
    }
    case 'turn': {
      const { fault, thorough, who } = step;
      if (fault !== null) world.ledger.faults.set(fault);
      const [one, other] = watchers;
      const turning = who === 'one' ? [one] : who === 'both' ? [one, other] : [other];
      await Promise.all(turning.map((watcher) => watcher.turn({ thorough })));
      return world.ledger.faults.clear();
    }
    case 'crash': {
      const [dying] = watchers;
      await die(dying, step.after);
      scene.watchers = [world.watcher(step.strategy), watchers[1]];
    }
  }
}

/** Its last turn: it reads and stores, and is gone before the settle that would have come. */
async function die(watcher: Watcher, after: number): Promise<void> {
  let left = after;
  const queue = { ...watcher.deps.queue };
  Object.assign(watcher.deps.queue, {
    settleAll: async (ids: readonly string[]) => {
      if (left === 0) throw new Error('The process was killed.');
      left -= 1;
      return queue.settleAll(ids);
    },
  });
  await watcher.turn();
}
