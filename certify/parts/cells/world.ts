/** What Horizon and the merchants' receivers do. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from '../../../src/sandbox/ledger/faults.ts';
import type { Node } from '../../../src/sandbox/ledger/nodes.ts';
import type { Mood } from '../merchant.ts';
import { soon, until, type Cell, type Scene } from './scene.ts';

const HORIZON_FAULTS: readonly (Fault & { forMs: number })[] = [
  { kind: 'rate_limited', retryAfterSeconds: 1, forMs: 3_000 },
  { kind: 'stale_history', forMs: 3_000 },
  { kind: 'still_ingesting', forMs: 3_000 },
  { kind: 'over_capacity', retryAfterSeconds: 1, forMs: 3_000 },
  { kind: 'timeout', forMs: 3_000 },
  { kind: 'server_error', forMs: 3_000 },
  { kind: 'hang', times: 4, forMs: 3_000 },
  { kind: 'disconnect', forMs: 3_000 },
  { kind: 'disconnect', half: true, forMs: 3_000 },
  { kind: 'slow', delayMs: 700, forMs: 5_000 },
  { kind: 'truncated', forMs: 3_000 },
  { kind: 'repeat_page', forMs: 9_000 },
  { kind: 'lag', ledgers: 4, forMs: 9_000 },
  { kind: 'go_back', ledgers: 5, times: 200, forMs: 9_000 },
  { kind: 'two_nodes', ledgers: 4, forMs: 9_000 },
];

const BAD_ANSWERS = new Set(['repeat_page', 'lag', 'go_back', 'two_nodes']);

/** How long the nodes differ, and ledgers share their seconds. */
const DIFFER_FOR_MS = 9_000;

/** Nodes of which none has everything, but for the last; `head` is the newest ledger as they come up. */
const differing = (head: number, someone: string): readonly Node[] => [
  { name: 'has not ingested two ledgers', gaps: [[head + 2, head + 3]] },
  { name: 'keeps three ledgers', oldest: { keeps: 3 } },
  { name: 'reads operations from a replica that lags', operations: { head: { behind: 3 } } },
  { name: 'lags with accounts', path: '^/accounts/', head: { behind: 4 } },
  {
    name: 'has dropped operations of others',
    path: '^/ledgers/\\d+/operations',
    filter: { accounts: [someone] },
  },
  { name: 'has everything' },
];

/** What no single answer gives away: nodes that differ behind one address, and the seconds of the ledger itself. */
const WORLD: readonly Cell[] = [
  {
    row: 'F15',
    name: 'Horizon: nodes that differ, by path',
    rivals: 'Horizon',
    strike: async ({ stack: { ledger, customer }, rng }) => {
      const { sequence } = ledger.chain.history.latest();
      const nodes = differing(sequence, customer.address);
      ledger.nodes.set(nodes, { seed: rng.int(1, 999_999) });
      await sleep(DIFFER_FOR_MS);
      const answered = ledger.nodes.list().slice(0, -1);
      ledger.nodes.clear();
      return answered.reduce((sum, one) => sum + one.answered, 0);
    },
  },
  {
    row: 'F15',
    name: 'the ledger closes several times in a second',
    rivals: 'seconds of the ledger',
    strike: async ({ stack: { ledger }, rng, over }) => {
      let closed = 0;
      for (const end = Date.now() + DIFFER_FOR_MS; Date.now() < end && !over.aborted;) {
        ledger.closeLedger({ sameSecond: true });
        closed += 1;
        await sleep(rng.int(150, 800));
      }
      return closed;
    },
  },
];

/** Every fault of the sandbox ledger. */
const FAULTS: readonly Cell[] = HORIZON_FAULTS.map(({ forMs, ...fault }) => ({
  row: BAD_ANSWERS.has(fault.kind) ? 'F15' : 'F14',
  name: `Horizon: ${fault.kind.replaceAll('_', ' ')}${'half' in fault ? ' in the middle' : ''}`,
  rivals: 'Horizon',
  strike: async (scene: Scene) => {
    const { faults } = scene.stack.ledger;
    if (!BAD_ANSWERS.has(fault.kind)) await soon(scene);
    let struck = 0;
    const strike = faults.strike.bind(faults);
    faults.strike = (path) => {
      struck += faults.list().length > 0 ? 1 : 0;
      return strike(path);
    };
    const id = faults.set(fault);
    await sleep(forMs);
    faults.clear(id);
    faults.strike = strike;
    return struck;
  },
}));

/** What Horizon does. */
export const HORIZON: readonly Cell[] = [...FAULTS, ...WORLD];

const MOODS: readonly Mood[] = [
  'slow',
  'answers 500',
  'answers 400',
  'redirects',
  'huge answer',
  'accepts and dies',
];

/** Has the receiver take events by this mood for so long, and longer if none has come. How often it was not at its best. */
async function feel(
  { stack: { merchant }, over }: Scene,
  forMs: number,
  mood: () => Mood,
): Promise<number> {
  const taken: Mood[] = [];
  merchant.feel(() => {
    taken.push(mood());
    return taken.at(-1) ?? 'accepts';
  });
  await sleep(forMs);
  await until(() => taken.some((one) => one !== 'accepts'), over);
  merchant.feel(() => 'accepts');
  return taken.filter((one) => one !== 'accepts').length;
}

const NAMES: Readonly<Partial<Record<Mood, string>>> = {
  slow: 'is slow',
  'huge answer': 'gives a huge answer',
};

/** Receivers as they are. */
export const RECEIVER: readonly Cell[] = [
  ...MOODS.map((mood) => ({
    row: mood === 'accepts and dies' ? 'F3' : 'F18',
    name: `the receiver ${NAMES[mood] ?? mood}`,
    rivals: 'receiver',
    strike: (scene: Scene) => feel(scene, 4_000, () => mood),
  })),
  {
    row: 'F18',
    name: 'the receiver takes each event in another mood',
    rivals: 'receiver',
    strike: (scene) => feel(scene, 6_000, () => scene.rng.pick(['accepts', ...MOODS] as const)),
  },
];
