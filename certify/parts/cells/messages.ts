/** Messages that are doubled, reordered, false or lost, and two of what there should be one of. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal } from '../../../src/client.ts';
import { describeSchedule, reconcileNow } from '../../../src/schedule.ts';
import {
  reconcileScheduleId,
  WATCHER_QUEUE,
  watcherWorkflowId,
} from '../../../src/workflows/contract.ts';
import { within } from '../deadline.ts';
import { soon, type Cell, type Scene } from './scene.ts';

/** Sends wakes as a network may: many, late, for sessions that are long over. */
async function strayWakes({ stack, sessions, rng, over }: Scene, forMs: number): Promise<number> {
  let sent = 0;
  for (const end = Date.now() + forMs; Date.now() < end && !over.aborted; await sleep(60)) {
    if (sessions.length === 0) continue;
    const txHash = rng.chance(20) ? 'f'.repeat(64) : undefined;
    const done = stack.client.wake(rng.pick(sessions).id, txHash === undefined ? {} : { txHash });
    sent += await done.then(
      () => 1,
      () => 0,
    );
  }
  return sent;
}

/** Sessions end within a minute, and questions are answered within half of one. */
const ENDS_WITHIN_MS = 90_000;

/** Asks everything there is to ask of sessions that are over, all at once: each question meets a run that is just ending. */
async function askAtTheEnd(scene: Scene, times: number): Promise<number> {
  const { stack, sessions, rng } = scene;
  const { client } = stack;
  let answered = 0;
  const ask = async (what: string, question: Promise<unknown>) => {
    try {
      await question;
      answered += 1;
    } catch (error) {
      // Nobody may have answered in time; but there is nothing to refuse.
      if (error instanceof Refusal) scene.complain(`${what} was refused: ${error.message}`);
    }
  };
  for (const end = Date.now() + ENDS_WITHIN_MS; Date.now() < end; await sleep(100)) {
    if (answered >= times * 3) break;
    const ended = await stack.rows<{ id: string }>(
      `SELECT id::text FROM checkout_sessions
       WHERE id = ANY($1) AND (status = 'paid' OR closed_through_ledger IS NOT NULL) ORDER BY id`,
      [sessions.map(({ id }) => id)],
    );
    if (ended.length === 0) continue;
    const { id } = rng.pick(ended);
    await Promise.all([
      ask(`a cancellation of ${id}, which is over,`, client.cancelSession(id)),
      ask(`a look at ${id}, which is over,`, client.sessionState(id, { fresh: true })),
      ask(`a wake of ${id}, which is over,`, client.wake(id)),
    ]);
  }
  return answered;
}

/** Messages to sessions. */
export const SIGNALS: readonly Cell[] = [
  {
    row: 'F13',
    name: 'duplicate and reordered wakes, with false reports among them, also after the end',
    rivals: 'stray wakes',
    strike: (scene) => strayWakes(scene, 8_000),
  },
  {
    row: 'F13',
    name: 'sessions that are over are cancelled, looked at and woken at once, again and again',
    rivals: 'questions at the end',
    strike: (scene) => askAtTheEnd(scene, 12),
  },
  {
    row: 'F13',
    name: 'wakes are lost: nobody tells a session that it is paid, for four seconds',
    rivals: 'lost wakes',
    strike: async ({ stack, over }) => {
      let lost = 0;
      for (const end = Date.now() + 4_000; Date.now() < end && !over.aborted; await sleep(10)) {
        // As if Temporal had taken the wake and forgotten it: it is due again only in a minute.
        const taken = await stack.rows(
          `UPDATE settlement.active_sessions SET wake_after = now() + interval '1 minute'
           WHERE wake_after <= now() RETURNING session_id`,
        );
        lost += taken.length;
      }
      return lost;
    },
  },
];

/** Two at once. */
export const TWICE: readonly Cell[] = [
  {
    row: 'F17',
    name: 'two watchers read at once',
    rivals: 'watchers',
    strike: async ({ stack, over }) => {
      const handle = await stack.temporal.workflow.start('ledgerWatcher', {
        workflowId: `${watcherWorkflowId(stack.network)}:second`,
        taskQueue: WATCHER_QUEUE,
        args: [{ network: stack.network }],
        workflowTaskTimeout: '5 seconds',
      });
      await sleep(9_000, undefined, { signal: over }).catch(() => undefined);
      await handle.cancel();
      const ended = handle.result().catch(() => undefined);
      await within(ENDS_WITHIN_MS, () => 'the second watcher ends', ended);
      return 1;
    },
  },
  {
    row: 'F17',
    name: 'two reconcilers repair at once, again and again',
    rivals: 'reconcilers',
    strike: async ({ stack, over }) => {
      const { temporal, network } = stack;
      const schedule = temporal.schedule.getHandle(reconcileScheduleId(network));
      // A worker takes work up before it has made the schedule, and may be killed in between.
      while ((await describeSchedule(temporal, network)) === null) {
        if (over.aborted) return 0;
        await sleep(100);
      }
      let runs = 0;
      for (const end = Date.now() + 6_000; Date.now() < end && !over.aborted;) {
        await schedule.trigger();
        await reconcileNow(temporal, network, { dryRun: false });
        runs += 1;
      }
      return runs;
    },
  },
];

/** Secrets that change while events are sent. */
export const SECRETS: readonly Cell[] = [
  {
    row: 'F21',
    name: 'every endpoint’s secret rotates, three times, while events are sent',
    rivals: 'secrets',
    strike: async (scene) => {
      const { stack, rng } = scene;
      const endpoints = stack.shops.flatMap(({ merchantId, endpoints }) =>
        endpoints.map((endpoint) => ({ merchantId, endpoint })),
      );
      await soon(scene);
      for (let turn = 0; turn < 3; turn += 1) {
        for (const { merchantId, endpoint } of endpoints) {
          const old = endpoint.secrets[0];
          const fresh = rng.int(0, 0xffff).toString(16).padStart(4, '0').repeat(16);
          // The receiver is told first, then it is done as docs/operations.md has it.
          endpoint.secrets.unshift(fresh);
          await stack.rows(
            `INSERT INTO settlement.endpoint_state (endpoint_id, merchant_id, previous_secret, previous_secret_until)
             VALUES ($1, $2, $3, now() + interval '1 hour')
             ON CONFLICT (endpoint_id) DO UPDATE SET previous_secret = excluded.previous_secret,
               previous_secret_until = excluded.previous_secret_until`,
            [endpoint.id, merchantId, old],
          );
          await stack.rows('UPDATE webhook_endpoints SET secret = $2 WHERE id = $1', [
            endpoint.id,
            fresh,
          ]);
          await stack.rows(
            `UPDATE merchants SET webhook_secret = $3 WHERE id = $1 AND webhook_url LIKE '%/' || $2`,
            [merchantId, endpoint.name, fresh],
          );
        }
        await sleep(2_000);
      }
      return endpoints.length * 3;
    },
  },
];
