/** Plays one schedule on a store, brings it to rest, and checks it. */
import type { Asset } from '../../src/domain/asset.ts';
import { createBooks, type Books } from './books.ts';
import { ASSETS, SESSIONS, type Death, type Schedule, type Step } from './schedule.ts';
import type { Store, ToyPost } from './store.ts';
import { WHOLE, type NodeView, type ToyLedger, type ToyPayment } from './toy-ledger.ts';

/** A schedule under way. */
type Playing = { ledger: ToyLedger; store: Store; posts: ToyPost[]; books: Books };

/** Plays it; what is wrong at the end, in words. */
export async function play(
  { groups }: Schedule,
  ledger: ToyLedger,
  store: Store,
): Promise<string[]> {
  const playing = { ledger, store, posts: [], books: createBooks(ledger) };
  for (const group of groups) {
    await Promise.all(group.map((step) => take(step, playing)));
    playing.books.look(await store.seen());
  }
  await finish(playing);
  return playing.books.check(await store.final(), playing.posts, { isInOrder: isInOrder(groups) });
}

/** Whether every page showed all there was: a payment that one did not show is judged behind what stands. */
function isInOrder(groups: Schedule['groups']): boolean {
  return groups.flat().every((step) => step.does !== 'read' || step.node.lacks === 0);
}

async function take(step: Step, playing: Playing): Promise<void> {
  const { ledger, store, posts, books } = playing;
  switch (step.does) {
    case 'close':
      return ledger.close(step.payments.map(toPayment), step.seconds);
    case 'advance':
      return advance(playing, step.node);
    case 'read':
      return read(playing, step);
    case 'evidence':
      return extend(playing, step);
    case 'report': {
      const payments = ledger.node(step.node).payments();
      const reported = payments[step.which % (payments.length + 1)];
      if (reported === undefined) return;
      return store.storeWhole(reported.ledger, ledger.node(step.node), step.death);
    }
    case 'settle':
      return store.settle(step.session === null ? everyone : [step.session], step.death);
    case 'cancel':
      books.sent(step.session, 'question');
      await store.requestCancel(step.session);
      return step.node === null ? undefined : advance(playing, step.node);
    case 'backend':
      if (step.status === 'cancelled') books.sent(step.session, 'backend');
      return store.backendWrites(step.session, step.status);
    case 'send':
      return store.send(step.session, step.accepted, step.death, (post) => posts.push(post));
  }
}

const everyone = SESSIONS.map((_, i) => i);

type DrawnPayment = Extract<Step, { does: 'close' }>['payments'][number];

function toPayment({ session, asset, share, sameTransaction }: DrawnPayment): ToyPayment {
  const { price, asset: right } = SESSIONS[session ?? 0] ?? { price: 1n, asset: 'usdc' as const };
  const amounts = {
    price,
    less: price - 1n,
    stroop: 1n,
    more: price + price / 4n,
    half: price / 2n + 1n,
    zero: 0n,
  };
  return {
    reference: session === null ? null : String(session + 1),
    asset: ASSETS[asset === 'right' ? right : asset],
    amount: amounts[share],
    sameTransaction,
  };
}

type Reading = { readonly node: NodeView; readonly limit: number; readonly death: Death };

async function advance({ ledger, store, books }: Playing, view: NodeView): Promise<void> {
  await store.advance(() => {
    const node = ledger.node(view);
    books.asked(node.head);
    return node;
  });
}

/** As the watcher does: a page from the record that is known. */
async function read({ ledger, store }: Playing, { node, limit, death }: Reading): Promise<void> {
  const start = await store.start();
  const payments = ledger.node(node).payments();
  const behind = payments.filter((p) => BigInt(p.operationId) > BigInt(start.known));
  const showsKnown =
    start.known === ledger.creation || payments.some((p) => p.operationId === start.known);
  const page = behind.slice(0, limit - 1);
  await store.storePage(
    { start, showsKnown, payments: page, isFull: page.length + 1 === limit },
    death,
  );
}

/** As the watcher does: what did not move, by the entries of one node; the other ledgers whole, from another one. */
async function extend(
  { ledger, store }: Playing,
  { state, history }: { state: NodeView; history: NodeView },
): Promise<void> {
  const entries = ledger.node(state).entries(nameOf);
  await store.storeUnmoved(entries);
  const newest = await store.newest();
  const node = ledger.node(history);
  for (const asset of ['native', 'usdc'] as const) {
    const moved = Math.min(entries.modified[nameOf(ASSETS[asset])] ?? 0, newest);
    for (const sequence of await store.unproven(asset, moved)) {
      await store.storeWhole(sequence, node, null);
    }
  }
}

/** Ledgers past every deadline, a last look at nodes that lag, and then everything is done until nothing is left. */
async function finish(playing: Playing): Promise<void> {
  const { ledger, store, posts, books } = playing;
  for (const seconds of [400, 5, 5]) ledger.close([], seconds);
  const lagging = { ...WHOLE, behind: 4 };
  for (const node of [lagging, WHOLE, WHOLE, WHOLE]) {
    await advance(playing, node);
    await read(playing, { node, limit: 200, death: null });
    await extend(playing, { state: node, history: node });
    await store.settle(everyone, null);
    books.look(await store.seen());
  }
  // Reconciliation reads it all once more: an amount of zero moves no entry.
  for (const { header } of ledger.blocks.slice(1)) {
    await store.storeWhole(header.sequence, ledger.node(WHOLE), null);
  }
  await store.settle(everyone, null);
  for (const session of everyone) {
    for (let sends = 0; sends < 40; sends += 1) {
      await store.send(session, true, null, (post) => posts.push(post));
    }
  }
}

const nameOf = ({ code, issuer }: Asset) => (issuer === null ? 'native' : `${code}:${issuer}`);
