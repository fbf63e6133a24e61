/** Somebody who reaches Temporal: another tenant of the namespace, or a backend with another version or key. */
import { randomUUID } from 'node:crypto';
import {
  sessionWorkflowId,
  SESSION_WORKFLOW,
  SETTLEMENT_QUEUE,
} from '../../src/workflows/contract.ts';
import { payQuiet } from '../quiet.ts';
import { tryToOpen } from './hostile-session.ts';
import type { Attack, Scene } from './actor.ts';

/** The attacks. */
export const neighbour = { starts, messages } satisfies Record<string, Attack>;

const size = ({ quick }: Scene, small: number, large: number) => (quick ? small : large);

/** Runs that are started without an argument, with a wrong one, or for an id that is none. */
async function starts(scene: Scene): Promise<void> {
  const { workflow } = scene.stage.stack.temporal;
  const start = async (workflowId: string, args: unknown[]) => {
    scene.did('starts');
    await workflow
      .start(SESSION_WORKFLOW, { workflowId, taskQueue: SETTLEMENT_QUEUE, args })
      .catch(() => scene.reached('starts refused by Temporal'));
  };
  for (let n = 0; n < size(scene, 10, 100) && !scene.over.aborted; n += 1) {
    const squatted = randomUUID();
    await Promise.all([
      start(sessionWorkflowId(squatted), []),
      start(sessionWorkflowId(randomUUID()), [null]),
      start(sessionWorkflowId(randomUUID()), [{ sessionId: randomUUID() }]),
      start(sessionWorkflowId(`x-${randomUUID()}`), [{ sessionId: "x'; DROP TABLE payments; --" }]),
      start(sessionWorkflowId(randomUUID()), [{ sessionId: 7 }, 'more']),
      start(`not-a-session:${randomUUID()}`, [{ sessionId: randomUUID() }]),
      start(sessionWorkflowId('../../etc/passwd'), ['x'.repeat(100_000)]),
    ]);
    if (n > 0) continue;
    scene.did('ids taken before their backend opens them');
    await tryToOpen(scene, {}, squatted);
  }
}

/** Messages of shapes that no version has: half a JSON, another key, other types. They go to open sessions of the attacked merchant. */
async function messages(scene: Scene): Promise<void> {
  const { temporal } = scene.stage.stack;
  const send = async (id: string, signalName: string, encoding: string, data: string) => {
    scene.did('signals');
    await temporal.connection.workflowService.signalWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: sessionWorkflowId(id) },
      signalName,
      input: {
        payloads: [{ metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from(data) }],
      },
    });
  };
  for (let n = 0; n < size(scene, 3, 20) && !scene.over.aborted; n += 1) {
    const victim = await scene.victim();
    const { id } = victim;
    await scene.stage.stack.client.wake(id);
    await send(id, 'wake', 'json/plain', '{"txHash":');
    await send(id, 'wake', 'binary/encrypted', 'x');
    await send(id, 'wake', 'nobody/knows', 'x');
    for (const data of ['5', '[]', 'null', '{"txHash":7}', '{"txHash":{"a":1}}', '"x"']) {
      await send(id, 'wake', 'json/plain', data);
    }
    await send(id, 'nobodyKnows', 'json/plain', '1');
    const handle = temporal.workflow.getHandle(sessionWorkflowId(id));
    const updates: [string, unknown[]][] = [
      ['open', [null]],
      ['open', []],
      ['reportPayment', [{ txHash: ['a'] }]],
      ['redeliver', [{ deliveryId: randomUUID() }]],
      ['nobodyKnows', []],
    ];
    await Promise.all(
      updates.map(async ([name, args]) => {
        scene.did('updates');
        await temporal
          .withDeadline(Date.now() + 8_000, () => handle.executeUpdate(name, { args: args as [] }))
          .then(
            () => scene.reached('answered'),
            () => scene.reached('refused or not answered'),
          );
      }),
    );
    await payQuiet(scene.stage, victim);
  }
}
