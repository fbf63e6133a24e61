/** A foreign worker on the same Temporal: it answers under a session's id, or polls our queue with code of its own. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { AnswerDiffers, connectSettlement, type SettlementClient } from '../../src/client.ts';
import { endRun } from '../../src/temporal.ts';
import { sessionWorkflowId, SETTLEMENT_QUEUE } from '../../src/workflows/contract.ts';
import { HIS_ACCOUNT } from '../support/squatter-code.ts';
import { startSystem, tenLumens, until, type System } from '../support/system.ts';

let system: System;
let connection: Connection;
let native: NativeConnection;
let temporal: Client;
/** A client whose patience ends soon. */
let hasty: SettlementClient;
beforeAll(async () => {
  system = await startSystem();
  const { address } = system.temporal;
  [connection, native, hasty] = await Promise.all([
    Connection.connect({ address }),
    NativeConnection.connect({ address }),
    connectSettlement({ address, answerWithinMs: 4_000 }),
    system.worker(),
  ]);
  temporal = new Client({ connection });
}, 60_000);
afterAll(async () => {
  await Promise.all([hasty.close(), connection.close()]);
  await system.close();
  await native.close();
});

const workflowsPath = fileURLToPath(new URL('../support/squatter-code.ts', import.meta.url));

/** Answers every activity of ours that a session's run may ask for: with his account, or with "paid". */
const hisActivities = {
  openSession: ({ sessionId, request }: { sessionId: string; request: object }) =>
    Promise.resolve({ ...request, sessionId, receivingAccount: HIS_ACCOUNT, memo: '1' }),
  look: ({ sessionId }: { sessionId: string }) =>
    Promise.resolve({ sessionId, found: true, status: 'paid', atRest: true, over: true }),
};

/** Runs his worker while `work` is done. */
async function whileSquatting<T>(taskQueue: string, work: () => Promise<T>): Promise<T> {
  const options = { connection: native, taskQueue, workflowsPath, activities: hisActivities };
  const worker = await Worker.create(options);
  return worker.runUntil(work());
}

const request = () => tenLumens(system.merchantId, system.shop.address);
const openedOrNot = (client: SettlementClient, id: string) =>
  client.openSession(id, request()).catch((error: unknown) => error);

/** Ends what he left under the session's id, as an operator does; then the session opens, is paid and told. */
async function isMineAgain(id: string): Promise<void> {
  await endRun(temporal, sessionWorkflowId(id), 'a foreign run');
  const { memo } = await system.client.openSession(id, request());
  await system.pay(memo);
  await system.receiver.waitFor((post) => post.sessionId === id);
}

test('a run of a foreign type under a session’s id is not believed, and does not keep the id', async () => {
  const id = randomUUID();
  const workflowId = sessionWorkflowId(id);
  await whileSquatting('his', async () => {
    await temporal.workflow.start('squat', { workflowId, taskQueue: 'his', args: [id] });
    const answer = await openedOrNot(system.client, id);
    expect(answer).toBeInstanceOf(AnswerDiffers);
    expect(answer).toMatchObject({ field: 'receivingAccount' });
    await expect(system.client.sessionState(id)).rejects.toMatchObject({
      name: 'AnswerDiffers',
      field: 'its workflow type',
    });
  });
  await isMineAgain(id);
}, 60_000);

test('a run that takes no question is known by what the SDK says of it, which has no type', async () => {
  const id = randomUUID();
  const workflowId = sessionWorkflowId(id);
  await whileSquatting('his', async () => {
    const run = await temporal.workflow.start('deaf', { workflowId, taskQueue: 'his' });
    // src/client-errors.ts goes by the sentence for want of anything better: a type would be.
    const refused = await run.executeUpdate('open').catch((error: Error) => error.cause);
    expect(refused).toMatchObject({
      name: 'ApplicationFailure',
      message: 'No registered handler for update: open',
      // What an error gets that was given no type.
      type: 'Error',
      details: [],
    });
    expect(await openedOrNot(hasty, id)).toMatchObject({
      name: 'AnswerDiffers',
      field: 'what it takes',
    });
  });
  await isMineAgain(id);
}, 60_000);

test('a worker that polls our queue with other code gets nobody’s money, and what it took is taken back', async () => {
  const honest = await Promise.all(Array.from({ length: 4 }, () => system.open()));
  const ids = Array.from({ length: 12 }, () => randomUUID());
  const answers = await whileSquatting(SETTLEMENT_QUEUE, async () => {
    const opened = Promise.all(ids.map((id) => openedOrNot(hasty, id)));
    // The ledger says what is paid, whoever answers for the sessions' runs.
    for (const { memo } of honest) await system.pay(memo);
    const paid = () =>
      system.database.rows(
        `SELECT FROM checkout_sessions WHERE status = 'paid' AND id = ANY($1::uuid[])`,
        [honest.map(({ id }) => id)],
      );
    await until(paid, ({ length }) => length === honest.length);
    return opened;
  });
  expect(answers.filter((answer) => answer instanceof AnswerDiffers).length).toBeGreaterThan(0);
  for (const answer of answers) {
    if (!(answer instanceof Error)) {
      expect(answer).toMatchObject({ receivingAccount: system.shop.address });
    }
  }
  const [lost] = ids.filter((_, i) => answers[i] instanceof AnswerDiffers);
  await isMineAgain(lost ?? '');
  for (const { id } of honest) {
    await endRun(temporal, sessionWorkflowId(id), 'whoever has it').catch(() => undefined);
    await system.client.wake(id);
    const [told] = await system.receiver.waitFor((post) => post.sessionId === id);
    expect(told?.event).toBe('payment.confirmed');
  }
}, 90_000);
