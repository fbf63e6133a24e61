/** Anybody who may say "I have paid". */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal, settlementClient } from '../../src/client.ts';
import { payQuiet } from '../quiet.ts';
import { openHostile } from './hostile-session.ts';
import type { Attack, Scene } from './actor.ts';

/** The attacks. */
export const reporter = { nonsense } satisfies Record<string, Attack>;

const SESSIONS = 40;
const EACH = 8;
const ANSWER_WITHIN_MS = 20_000;
/** So that as many reports are under way as there can be when a worker dies. */
const UNTIL_THE_KILL_MS = 4_000;

/** Hashes of no transaction, 320 under way at once until the scene is over; a worker is killed among them. */
async function nonsense(scene: Scene): Promise<void> {
  const { stack } = scene.stage;
  const victim = await scene.victim();
  const ids: string[] = [];
  const sessions = scene.quick ? SESSIONS / 2 : SESSIONS;
  for (let n = 0; n < sessions; n += 1) ids.push((await openHostile(scene, {})).sessionId);
  const client = settlementClient(stack.temporal, ANSWER_WITHIN_MS);
  const reporting = ids.flatMap((id) =>
    Array.from({ length: (SESSIONS * EACH) / sessions }, async () => {
      while (!scene.over.aborted) await report(scene, client, id);
    }),
  );
  await sleep(UNTIL_THE_KILL_MS);
  const [first] = stack.workers;
  scene.killed();
  first?.signal('SIGKILL');
  await first?.ended;
  scene.did('workers killed among them');
  await Promise.all([stack.restaff(), payQuiet(scene.stage, victim), ...reporting]);
}

async function report(
  scene: Scene,
  client: ReturnType<typeof settlementClient>,
  id: string,
): Promise<void> {
  scene.did('reports of nonsense');
  try {
    const answer = await client.reportPayment(id, randomBytes(32).toString('hex'));
    scene.reached(`answered ${answer.kind}`);
    if (answer.kind === 'paid') scene.breach(`a hash of nothing has paid session ${id}`);
  } catch (error) {
    scene.reached(error instanceof Refusal ? 'refused' : 'not answered');
    await sleep(250, undefined, { signal: scene.over }).catch(() => undefined);
  }
}
