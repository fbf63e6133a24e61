/** `settle trigger`: one scene of the demo on a sandbox that runs, with a customer of its own. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Keypair } from '@stellar/stellar-sdk';
import { connectSettlement, type SessionView, type SettlementClient } from '../../client.ts';
import type { Progress } from '../child.ts';
import type { Case } from './cases.ts';
import { makeCustomer } from './cast.ts';
import type { RunningSandbox } from './running.ts';
import { PRICE, sceneOf, type Scene } from './scenes.ts';

/** Sessions that are to expire: long enough to be paid wrongly before, short enough to wait for. */
const SHORT_MS = { sandbox: 8_000, network: 60_000 };
const LONG_MS = 30 * 60_000;
/** Ledgers close in whole seconds: this much after the deadline, a payment is late for certain. */
const LATE_BY_MS = 1_500;
/** From the last act to its outcome: a ledger, a turn of the watcher, a settle. */
const WITHIN_MS = 60_000;
/** How long to wait for its webhooks then; a receiver that refuses them must not keep us. */
const DELIVERED_WITHIN_MS = 5_000;

/** What came of a case. */
export type Outcome = {
  readonly case: Case;
  readonly asExpected: boolean;
  /** What the customer did, and why it comes out as it does; in words. */
  readonly paid: string;
  readonly why: string;
  readonly view: SessionView;
};

/**
 * Makes the case happen: a new session, a new customer, really signed transactions. Resolves when the session has come
 * to what is expected of it and is at rest, or when that takes too long.
 */
export async function trigger(
  sandbox: RunningSandbox,
  name: Case,
  progress: Progress,
): Promise<Outcome> {
  const scene = sceneOf(name);
  const client = await connectSettlement({ address: sandbox.temporalAddress });
  try {
    const sessionId = await play(sandbox, scene, client, progress);
    const look = () => client.sessionState(sessionId);
    const isRight = (view: SessionView | null) => view !== null && isAsExpected(view, scene);
    await until(look, isRight, WITHIN_MS);
    const view = await until(look, (v) => v?.atRest === true, DELIVERED_WITHIN_MS);
    if (view === null) throw new Error(`Session ${sessionId} has vanished.`);
    return { case: name, asExpected: isRight(view), paid: scene.paid, why: scene.why, view };
  } finally {
    await client.close();
  }
}

/** Asks until the answer is wanted, or the time is over; resolves to the last answer. */
async function until<T>(
  ask: () => Promise<T>,
  wanted: (answer: T) => boolean,
  withinMs: number,
): Promise<T> {
  const end = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (wanted(answer) || Date.now() > end) return answer;
    await sleep(200);
  }
}

/** Returns the session when everything has been done to it. */
async function play(
  sandbox: RunningSandbox,
  scene: Scene,
  client: SettlementClient,
  progress: Progress,
): Promise<string> {
  const issuers = sandbox.issuers.map((secret) => Keypair.fromSecret(secret));
  const payers = await Promise.all(
    Array.from({ length: scene.payers }, () => makeCustomer(sandbox, issuers)),
  );
  const sessionId = randomUUID();
  const short = sandbox.isSandboxLedger ? SHORT_MS.sandbox : SHORT_MS.network;
  const expiresAt = Date.now() + (scene.short ? short : LONG_MS);
  const [code = '', issuer = ''] = sandbox.usdc.split(':');
  const opened = await client.openSession(sessionId, {
    merchantId: sandbox.merchantId,
    amount: PRICE,
    asset: { code, issuer },
    receivingAccount: sandbox.shop,
    expiresAt: new Date(expiresAt).toISOString(),
    metadata: { case: scene.case },
  });
  progress(`Session ${sessionId} asks for ${PRICE} ${code}.`);
  const pay = async () => {
    await scene.pay(opened, { ...sandbox, shop: { address: sandbox.shop } }, payers);
    if (scene.payers > 0) progress(`Paid: ${scene.paid}.`);
  };
  const deadline = async () => {
    const wait = Math.max(0, expiresAt + LATE_BY_MS - Date.now());
    progress(`Its deadline passes in ${Math.ceil(wait / 1000)} s …`);
    await sleep(wait);
  };
  if (scene.act === 'cancel') {
    while ((await client.cancelSession(sessionId)).kind === 'closing');
    progress('The merchant cancelled it.');
  } else if (scene.act === 'too late') {
    await deadline();
    await pay();
  } else {
    await pay();
    if (scene.short) await deadline();
  }
  return sessionId;
}

function isAsExpected({ status, payments, deliveries }: SessionView, { expected }: Scene): boolean {
  const verdicts = payments.map(({ verdict }) => verdict).sort();
  const events = new Set(deliveries.map(({ event }) => event));
  return (
    status === expected.status &&
    verdicts.join() === expected.verdicts.join() &&
    expected.events.every((event) => events.has(event))
  );
}
