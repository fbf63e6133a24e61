/** Workers that die, or freeze, at a named point of an activity (parts/failpoint.ts has the points). */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Memo, Operation } from '@stellar/stellar-sdk';
import { assetOf } from '../../../src/sandbox/ledger/wallet.ts';
import { reconcileScheduleId } from '../../../src/workflows/contract.ts';
import type { Rng } from '../../rng.ts';
import { submit } from '../cast.ts';
import { cancelInRow } from '../workload.ts';
import { ownerOf } from '../stack.ts';
import { until, type Cell, type Scene } from './scene.ts';

const SETTLE = ['settle:begun', 'settle:inside', 'settle:commit', 'settle:committed'];
const SEND = ['attempt', 'attempted', 'answered', 'recorded'];
const STORE = ['store:begun', 'store:inside', 'store:commit', 'store:committed'];

/** Where a worker can die, by activity. */
const POINTS: Readonly<Record<string, readonly string[]>> = {
  openSession: ['before', ...STORE, 'returned'],
  look: ['before', ...SETTLE, ...SEND, 'write', 'written', 'returned'],
  requestCancel: ['before', ...STORE, 'returned'],
  redeliver: ['before', 'write', 'written', 'returned'],
  deliverEvents: ['before', ...SEND, 'returned'],
  proveReport: [
    'before',
    'write',
    'written',
    ...STORE,
    'settle:commit',
    'settle:committed',
    'returned',
  ],
  watchLedger: ['before', ...STORE, ...SETTLE, 'wakes', 'wakes taken', 'returned'],
  beginReconcile: ['before', 'returned'],
  repairPage: ['before', 'returned'],
  endReconcile: ['before', 'write', 'written', 'returned'],
};

/**
 * Where a worker is frozen for longer than Temporal believes in it, and then goes on as if nothing had been: before each
 * activity, after its commit, before its completion is told, and at what is worst for it in between.
 */
const FROZEN: Readonly<Record<string, readonly string[]>> = {
  openSession: ['before', 'store:committed', 'returned'],
  look: [
    'before',
    'settle:inside',
    'settle:committed',
    'attempted',
    'answered',
    'recorded',
    'returned',
  ],
  requestCancel: ['before', 'store:inside', 'store:committed', 'returned'],
  redeliver: ['before', 'written', 'returned'],
  deliverEvents: ['before', 'attempted', 'answered', 'recorded', 'returned'],
  proveReport: ['before', 'store:commit', 'store:committed', 'settle:committed', 'returned'],
  watchLedger: [
    'before',
    'store:begun',
    'store:commit',
    'store:committed',
    'settle:inside',
    'settle:commit',
    'settle:committed',
    'wakes taken',
    'returned',
  ],
  beginReconcile: ['before', 'returned'],
  repairPage: ['before', 'returned'],
  endReconcile: ['before', 'written', 'returned'],
};

/** Longer than the heartbeat timeout, shorter than PostgreSQL lets a transaction idle. */
const FROZEN_MS = 5_500;

/** A point may still be reached while workers are told that it is not armed any more. */
const DISARMED_WITHIN_MS = 500;

/** Sees to it that a point is reached which customers alone may not lead to. */
async function provoke(point: string, struck: () => boolean, scene: Scene): Promise<void> {
  const { stack, over } = scene;
  const handle = stack.temporal.schedule.getHandle(reconcileScheduleId(stack.network));
  while (!struck() && !over.aborted) {
    if (/reconcile|repairPage/i.test(point)) await handle.trigger().catch(() => undefined);
    else if (point.startsWith('look settle')) await cancelByHand(scene);
    else if (/^proveReport s(tore|ettle)/.test(point)) {
      const paid = await payStroop(scene);
      const reported = paid && stack.client.reportPayment(paid.id, paid.hash).catch(() => null);
      // A worker that dies of a report does not answer it.
      await Promise.race([reported, until(struck, over)]);
    } else return;
    await sleep(800);
  }
}

/**
 * Pays a stroop more to a session; resolves when its ledger has closed. Reported now, it is found before the watcher has
 * read it, or at the same time. What it means, the checks see.
 */
async function payStroop({
  stack,
  sessions,
  rng,
}: Scene): Promise<{ id: string; hash: string } | null> {
  if (sessions.length === 0) return null;
  const { id, shop, asset, reference } = rng.pick(sessions);
  const stroop = { destination: shop.wallet.address, asset: assetOf(asset), amount: '0.0000001' };
  const memo = Memo.id(reference);
  const hash = await submit(stack.ledger, stack.customer, [Operation.payment(stroop)], { memo });
  await stack.ledger.chain.nextLedger();
  return { id, hash };
}

/** A backend cancels one session that nobody pays, by writing its row: the next look finds something to settle. */
async function cancelByHand({ stack, sessions }: Scene): Promise<void> {
  const unpaid = sessions.filter(({ kind }) =>
    /^(not paid|a stroop short|paid in another)/.test(kind),
  );
  const [open] = await stack.rows<{ id: string }>(
    `SELECT id::text FROM checkout_sessions WHERE id = ANY($1) AND status = 'pending' LIMIT 1`,
    [unpaid.map(({ id }) => id)],
  );
  if (!open) return;
  await cancelInRow(stack, open.id);
  await stack.client.wake(open.id).catch(() => undefined);
}

/** The first activities to get there are not the interesting ones alone. */
function nthOf(point: string, rng: Rng): number {
  const often = /^(openSession|look (attempt|answered)|watchLedger (store|settle))/.test(point);
  return often && !/ (before|returned)$/.test(point) ? rng.int(1, 3) : 1;
}

function killAt(point: string): Cell {
  return {
    row: / (answered|attempted)$/.test(point)
      ? 'F3'
      : /commit(ted)?$|written|recorded|returned/.test(point)
        ? 'F2'
        : 'F1',
    name: `SIGKILL at ${point}`,
    rivals: `SIGKILL at ${point}`,
    strike: async (scene) => {
      const { stack, rng, over } = scene;
      const arm = stack.arm({ point, nth: nthOf(point, rng), signal: 'SIGKILL' });
      const struck = () => existsSync(arm.mark);
      const provoked = provoke(point, struck, scene);
      const drained = drainUntil(struck, point, scene);
      const hit = await reachedBy(struck, point, { drained, over });
      arm.disarm();
      await Promise.all([drained, provoked]);
      if (!hit) return 0;
      const at = Number(readFileSync(arm.mark, 'utf8').split(' ')[1]);
      scene.settlesAgain('SIGKILL', at);
      await stack.addWorker();
      return 1;
    },
  };
}

/** A stretch of watching begins and ends when workers are replaced. */
const isOfAStretch = (point: string) => /^watchLedger (returned|before)$/.test(point);

async function drainUntil(struck: () => boolean, point: string, { stack }: Scene): Promise<void> {
  if (!isOfAStretch(point)) return;
  for (const worker of stack.workers) {
    await stack.addWorker();
    worker.signal('SIGTERM');
    await worker.ended;
    if (struck()) return;
  }
}

/** Whether a point was reached: before the round is over or, where workers are replaced for it, before that is done. */
async function reachedBy(
  struck: () => boolean,
  point: string,
  { drained, over }: { drained: Promise<void>; over: AbortSignal },
): Promise<boolean> {
  if (!isOfAStretch(point)) return until(struck, over);
  const enough = new AbortController();
  const hit = await Promise.race([drained.then(struck), until(struck, enough.signal)]);
  enough.abort();
  return hit;
}

function freezeAt(point: string): Cell {
  return {
    row: 'F4',
    name: `SIGSTOP for ${FROZEN_MS / 1000} s at ${point}`,
    rivals: 'SIGSTOP',
    strike: async (scene) => {
      const { stack, rng, over } = scene;
      const arm = stack.arm({ point, nth: nthOf(point, rng), signal: 'SIGSTOP' });
      const struck = () => ownerOf(arm.mark) !== null;
      const provoked = provoke(point, struck, scene);
      const drained = drainUntil(struck, point, scene);
      const hit = await reachedBy(struck, point, { drained, over });
      arm.disarm();
      await sleep(hit ? FROZEN_MS : DISARMED_WITHIN_MS);
      const frozen = stack.workers.find(({ pid }) => pid === ownerOf(arm.mark));
      frozen?.signal('SIGCONT');
      await Promise.all([drained, provoked]);
      return hit && frozen ? 1 : 0;
    },
  };
}

/** Every point where a worker is killed, then every one where it is frozen. */
export const FAILPOINTS: readonly Cell[] = [
  ...cellsAt(POINTS, killAt),
  ...cellsAt(FROZEN, freezeAt),
];

function cellsAt(
  points: Readonly<Record<string, readonly string[]>>,
  cell: (point: string) => Cell,
): Cell[] {
  return Object.entries(points).flatMap(([activity, of]) =>
    of.map((where) => cell(`${activity} ${where}`)),
  );
}
