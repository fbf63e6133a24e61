/** A merchant who is hostile to the platform and to other merchants. */
import { randomUUID } from 'node:crypto';
import { Asset, Memo, Operation } from '@stellar/stellar-sdk';
import { addShop, submit, type Shop } from '../../certify/parts/cast.ts';
import { MOODS } from '../hostile-receiver.ts';
import { INSIDE } from '../names.ts';
import { tryToOpen } from './hostile-session.ts';
import type { Attack, Scene } from './actor.ts';

/** The attacks. */
export const merchant = { texts, bulk, receivers, names } satisfies Record<string, Attack>;

const size = ({ quick }: Scene, small: number, large: number) => (quick ? small : large);
const nested = (levels: number): unknown =>
  JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);
/** JSON.stringify of V8 ends at about 4,100 levels with an error of the caller's; below that a request leaves him. */
const DEEP = 3_500;

/** Requests with what PostgreSQL or JSON refuses. A good request follows each under the same id, and is paid. */
async function texts(scene: Scene): Promise<void> {
  const bad: readonly Readonly<Record<string, unknown>>[] = [
    { metadata: { note: 'a\u0000b' } },
    { metadata: { 'a\u0000b': 1 } },
    { metadata: { note: '\ud83d' } },
    { metadata: { deep: nested(DEEP) } },
    { metadata: JSON.parse('{"__proto__":{"polluted":1}}') as unknown },
    { successUrl: 'https://shop.example/\u0000' },
    { cancelUrl: 'https://shop.example/a\r\nSet-Cookie:x=1' },
    { memo: 'x\ud83d' },
    { expiresAt: '+275760-09-13T00:00:00.000Z' },
  ];
  for (let n = 0; n < size(scene, 1, 5) && !scene.over.aborted; n += 1) {
    const ids = await Promise.all(
      bad.map(async (more) => {
        const id = randomUUID();
        scene.did('requests with broken text');
        const opened = await tryToOpen(scene, more, id, scene.stage.hostile);
        return opened === null ? id : null;
      }),
    );
    await Promise.all(ids.filter((id) => id !== null).map((id) => paidAfterAll(scene, id)));
  }
}

/** The same session, asked for rightly: one bad request must not have spoilt it. */
async function paidAfterAll(scene: Scene, id: string): Promise<void> {
  const opened = await tryToOpen(scene, {}, id);
  if (opened === null) return scene.breach(`a bad request has blocked session ${id} for good ones`);
  await pay(scene, scene.stage.hostile, opened.memo);
}

async function pay({ stage }: Scene, shop: Shop, memo: string, times = 1): Promise<void> {
  const payment = { destination: shop.wallet.address, asset: Asset.native(), amount: '10' };
  const operations = Array.from({ length: times }, () => Operation.payment(payment));
  await submit(stage.stack.ledger, stage.mallory, operations, { memo: Memo.id(memo) });
}

/** Megabytes of metadata, which every exception of the session repeats. */
async function bulk(scene: Scene): Promise<void> {
  const note = 'x'.repeat(1_500_000);
  for (let n = 0; n < size(scene, 1, 4) && !scene.over.aborted; n += 1) {
    scene.did('sessions with 1.5 MB of metadata');
    const opened = await tryToOpen(scene, { metadata: { note } });
    if (opened === null) continue;
    await pay(scene, scene.stage.hostile, opened.memo);
    await scene.stage.stack.ledger.chain.nextLedger();
    for (let sent = 0; sent < 1_200; sent += 100) {
      await pay(scene, scene.stage.hostile, opened.memo, 100);
      scene.did('payments too many', 100);
    }
  }
}

/** A merchant of the attacker's at such an address. */
async function shopAt(scene: Scene, url: string): Promise<Shop> {
  const { stack, hostile } = scene.stage;
  return addShop(hostile.wallet, 200 + scene.rng.int(0, 1_000_000) * 2, { url }, (s, v) =>
    stack.rows(s, v),
  );
}

async function paidSessions(scene: Scene, shop: Shop, count: number): Promise<void> {
  for (let n = 0; n < count && !scene.over.aborted; n += 1) {
    const opened = await tryToOpen(scene, {}, undefined, shop);
    if (opened !== null) await pay(scene, shop, opened.memo);
    scene.did('webhooks to hostile receivers');
  }
}

/** Receivers that are silent, slow, endless, and that redirect to where no webhook may go. */
async function receivers(scene: Scene): Promise<void> {
  const { bad } = scene.stage;
  const before = { ...bad.got };
  await Promise.all(
    MOODS.map(async (mood) => {
      const shop = await shopAt(scene, bad.url(mood));
      await paidSessions(scene, shop, size(scene, 10, 60));
    }),
  );
  scene.atTheEnd(() => {
    for (const mood of MOODS)
      scene.reached(`POSTs to a ${mood} receiver`, bad.got[mood] - before[mood]);
  });
}

/** Hosts whose names nobody resolves, or that lead inside; others each time they are asked for. */
async function names(scene: Scene): Promise<void> {
  const { bad, names: server } = scene.stage;
  const before = { ...server?.asked };
  const port = new URL(bad.canary).port;
  const hosts = Array.from({ length: size(scene, 24, 80) }, (_, n) =>
    n % 4 === 3 ? `rebinding-${n}.${INSIDE}:${port}` : `silent-${n}.attack.test`,
  );
  await Promise.all(
    hosts.map(async (host) => paidSessions(scene, await shopAt(scene, `http://${host}`), 1)),
  );
  scene.atTheEnd(() => {
    if (!server) return;
    scene.reached('questions left without an answer', server.asked.silent - (before.silent ?? 0));
    scene.reached('answers that lead inside', server.asked.inside - (before.inside ?? 0));
  });
}
