/** `npm run demo`: the whole system at work, a worker killed in the middle, and the proof that nothing was lost. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectSettlement, type OpenedSession, type SettlementClient } from '../../client.ts';
import { auditDatabase } from '../../db/audit.ts';
import type { Progress } from '../child.ts';
import type { SandboxWallet } from '../ledger/wallet.ts';
import { startWorker, type WorkerProcess } from '../worker-process.ts';
import { castPlayers, type Cast } from './cast.ts';
import { announceSandbox } from './running.ts';
import { PRICE, SCENES, type Act, type Scene } from './scenes.ts';
import { auditLines, places, problemsOf, table, thingsToTry, type Ending } from './screen.ts';
import { setStage, type Stage } from './stage.ts';

/** How the demo is played. */
export type DemoOptions = {
  /** A real network's Horizon; null plays on the sandbox. */
  readonly horizonUrl: string | null;
  /** Keep everything running at the end, until SIGINT or SIGTERM. */
  readonly stay: boolean;
};

/** Sessions that are to expire within the demo: long enough to be paid wrongly, short enough to wait for. */
const SHORT_MS = { sandbox: 25_000, network: 90_000 };
const LONG_MS = 30 * 60_000;
/** How long the demo waits for all sessions to come to rest. */
const REST_WITHIN_MS = 180_000;

/** A session on its way through the demo. */
type Playing = {
  readonly scene: Scene;
  readonly sessionId: string;
  readonly opened: OpenedSession;
  readonly payers: readonly SandboxWallet[];
};

/** Plays all scenes. Resolves to true only if every outcome is the expected one and the audit finds nothing. */
export async function runDemo(
  { horizonUrl, stay }: DemoOptions,
  env: NodeJS.ProcessEnv,
  progress: Progress,
): Promise<boolean> {
  const stage = await setStage(horizonUrl, env, progress);
  let worker: WorkerProcess | null = null;
  let client: SettlementClient | null = null;
  try {
    worker = await startWorker(stage.env, stage.logFile);
    progress(`A worker runs (pid ${worker.pid}).`);
    client = await connectSettlement({ address: stage.temporalAddress });
    const needed = SCENES.reduce((sum, { payers }) => sum + payers, 0);
    const cast = await castPlayers(stage, needed);
    progress(`A shop, two issuers and ${needed} customers have accounts on the ledger.`);
    const playing = await openAll(stage, client, cast);
    progress(`${playing.length} sessions of ${PRICE} are open.`);
    worker = await playAll(stage, client, cast, playing, worker, progress);
    const endings = await waitForRest(stage, client, playing, progress);
    return await conclude(stage, cast, endings, stay, progress);
  } finally {
    await client?.close();
    await worker?.drain();
    await stage.stop();
  }
}

async function openAll(stage: Stage, client: SettlementClient, cast: Cast): Promise<Playing[]> {
  const short = stage.sandbox ? SHORT_MS.sandbox : SHORT_MS.network;
  const waiting = [...cast.customers];
  return Promise.all(
    SCENES.map(async (scene) => {
      const payers = waiting.splice(0, scene.payers);
      const sessionId = randomUUID();
      const opened = await client.openSession(sessionId, {
        merchantId: cast.merchantId,
        amount: PRICE,
        asset:
          scene.asset === 'XLM'
            ? { code: 'XLM', issuer: null }
            : { code: 'USDC', issuer: cast.issuer },
        receivingAccount: cast.shop.address,
        expiresAt: new Date(Date.now() + (scene.short ? short : LONG_MS)).toISOString(),
        metadata: { scene: scene.title },
      });
      return { scene, sessionId, opened, payers };
    }),
  );
}

/** Returns the worker that runs at the end. */
async function playAll(
  stage: Stage,
  client: SettlementClient,
  cast: Cast,
  playing: readonly Playing[],
  first: WorkerProcess,
  progress: Progress,
): Promise<WorkerProcess> {
  const act = (name: Act) => playing.filter(({ scene }) => scene.act === name);
  const pay = (scenes: readonly Playing[]) =>
    Promise.all(scenes.map(({ scene, opened, payers }) => scene.pay(opened, cast, payers)));
  const paying = pay(act('with the worker'));
  await stage.receiver.waitFor(({ event }) => event === 'payment.confirmed');
  await first.kill();
  progress(`The worker (pid ${first.pid}) was killed with SIGKILL in the middle of it.`);
  await Promise.all([paying, pay(act('without a worker'))]);
  progress('Customers went on paying while no worker lived.');
  const worker = await startWorker(stage.env, stage.logFile);
  progress(`A new worker runs (pid ${worker.pid}).`);
  for (const { sessionId } of act('cancel')) {
    let answer = await client.cancelSession(sessionId);
    while (answer.kind === 'closing') answer = await client.cancelSession(sessionId);
    progress(`The merchant cancelled a session: ${answer.kind}.`);
  }
  for (const { opened } of act('too late')) {
    await sleep(Math.max(0, new Date(opened.expiresAt).getTime() + 1_500 - Date.now()));
  }
  await pay(act('too late'));
  progress('One customer paid too late.');
  return worker;
}

async function waitForRest(
  stage: Stage,
  client: SettlementClient,
  playing: readonly Playing[],
  progress: Progress,
): Promise<Ending[]> {
  progress('Waiting for every session to come to rest …');
  const until = Date.now() + REST_WITHIN_MS;
  for (;;) {
    const endings = await Promise.all(
      playing.map(async ({ scene, sessionId }) => ({
        scene,
        sessionId,
        view: await client.sessionState(sessionId),
        webhooks: stage.receiver.received.filter((post) => post.sessionId === sessionId),
      })),
    );
    const resting = endings.every((e) => e.view?.atRest === true && problemsOf(e).length === 0);
    if (resting || Date.now() > until) return endings;
    await sleep(500);
  }
}

async function conclude(
  stage: Stage,
  cast: Cast,
  endings: readonly Ending[],
  stay: boolean,
  progress: Progress,
): Promise<boolean> {
  const report = await auditDatabase(stage.databaseUrl);
  const right = endings.every((ending) => problemsOf(ending).length === 0);
  progress(
    `\n${table(endings)}\n\n${auditLines(report)}\n\n${places(stage)}${stay ? '' : '\n(they end with the demo; `npm run demo -- --stay` keeps them)'}\n`,
  );
  if (stay) {
    const { path, remove } = announceSandbox(stage, cast);
    progress(`${thingsToTry(stage, path)}\n`);
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    });
    remove();
  }
  return right && report.findings.length === 0;
}
