/** Sessions of the hostile merchant. */
import { randomUUID } from 'node:crypto';
import { settlementClient, type OpenedSession } from '../../src/client.ts';
import { Refusal } from '../../src/client.ts';
import type { Shop } from '../../certify/parts/cast.ts';
import type { Scene } from './actor.ts';

/** An attacker does not wait long. */
const ANSWER_WITHIN_MS = 8_000;
const TTL_MS = 30 * 60_000;

/** Opens a session with what an attacker adds to a request. @throws what the client throws */
export async function openHostile(
  { stage }: Scene,
  more: Readonly<Record<string, unknown>>,
  shop: Shop = stage.hostile,
  id: string = randomUUID(),
): Promise<OpenedSession> {
  const client = settlementClient(stage.stack.temporal, ANSWER_WITHIN_MS);
  return client.openSession(id, {
    merchantId: shop.merchantId,
    amount: '10',
    asset: { code: 'XLM', issuer: null },
    receivingAccount: shop.wallet.address,
    expiresAt: new Date(Date.now() + TTL_MS).toISOString(),
    ...more,
  });
}

/** Tries to open one, and counts what came of it. Null when it was not opened. */
export async function tryToOpen(
  scene: Scene,
  more: Readonly<Record<string, unknown>>,
  id?: string,
  shop?: Shop,
): Promise<OpenedSession | null> {
  try {
    const opened = await openHostile(scene, more, shop, id);
    scene.reached('opened');
    return opened;
  } catch (error) {
    scene.reached(error instanceof Refusal ? 'refused' : 'not answered');
    return null;
  }
}
