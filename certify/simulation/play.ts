/** Plays one schedule on a store, brings it to rest, and checks it. */
import { ledgerPaymentKey, type LedgerPayment } from '../../src/domain/ledger-payment.ts';
import { pageProves } from '../../src/horizon/coverage.ts';
import { ending, type Arrival } from '../../test/pipeline/model.ts';
import { ASSETS, SESSIONS, type Schedule, type Step } from './schedule.ts';
import type { FinalSession, Store, ToyPost } from './store.ts';
import type { ToyLedger, ToyPayment } from './toy-ledger.ts';

/** Plays it; what is wrong at the end, in words. */
export async function play(
  { groups }: Schedule,
  ledger: ToyLedger,
  store: Store,
): Promise<string[]> {
  const posts: ToyPost[] = [];
  const told: (string | null)[] = [];
  for (const group of groups) {
    await Promise.all(group.map((step) => take(step, ledger, store, posts)));
    (await store.endings()).forEach((status, i) => (told[i] ??= status));
  }
  await finish(ledger, store, posts);
  return check(ledger, await store.final(), posts, told);
}

async function take(step: Step, ledger: ToyLedger, store: Store, posts: ToyPost[]): Promise<void> {
  switch (step.does) {
    case 'close':
      return ledger.close(step.payments.map(toPayment), step.seconds);
    case 'read':
      return read(ledger, store, step);
    case 'evidence':
      return extend(ledger, store, step.behind);
    case 'report': {
      const { payments } = ledger.node(step.behind);
      const { txHash } = payments[step.which % (payments.length + 1)] ?? {};
      return store.storeFindings(
        payments.filter((p) => p.txHash === txHash),
        step.death,
      );
    }
    case 'settle':
      return store.settle(step.session === null ? everyone : [step.session], step.death);
    case 'cancel': {
      const at = ledger.head.closedAt.getTime() + step.skewSeconds * 1000;
      return store.cancel(step.session, new Date(at));
    }
    case 'backend':
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

type Reading = Omit<Extract<Step, { does: 'read' }>, 'does'>;

/** As the watcher does: a page from where the cursor stands, proof by what the page shows. */
async function read(
  ledger: ToyLedger,
  store: Store,
  { behind, limit, death }: Reading,
): Promise<void> {
  const cursor = await store.cursor();
  const { payments } = ledger.node(behind);
  const page = payments.filter((p) => BigInt(p.operationId) > BigInt(cursor)).slice(0, limit);
  const covers = pageProves(page.at(-1) ?? null, page.length === limit);
  const nextCursor = page.at(-1)?.operationId ?? cursor;
  await store.storePage({ cursor, nextCursor, payments: page, covers }, death);
}

/**
 * As the watcher does with account entries: when each asset was last modified, as one node says; ledgers that are not
 * covered up to there are read whole.
 */
async function extend(ledger: ToyLedger, store: Store, behind: number): Promise<void> {
  const { head, payments } = ledger.node(behind);
  const through = { throughLedger: head.sequence, throughTime: head.closedAt };
  for (const asset of ['native', 'usdc'] as const) {
    const same = payments.filter((p) => p.asset.issuer === ASSETS[asset].issuer && p.amount > 0n);
    const modified = same.at(-1)?.ledger ?? 1;
    for (let covered = await store.covered(asset); covered < modified; covered += 1) {
      const whole = payments.filter((p) => p.ledger === covered + 1);
      await store.storeFindings(whole, null);
      const throughTime = ledger.closedAt(covered + 1);
      await store.extend(asset, covered, { throughLedger: covered + 1, throughTime });
    }
    await store.extend(asset, modified, through);
  }
}

/** Ledgers past every deadline, a last look at nodes that lag, and then everything is done until nothing is left. */
async function finish(ledger: ToyLedger, store: Store, posts: ToyPost[]): Promise<void> {
  for (const seconds of [400, 5, 5]) ledger.close([], seconds);
  await read(ledger, store, { behind: 4, limit: 200, death: null });
  await extend(ledger, store, 4);
  await store.settle(everyone, null);
  for (let turn = 0; turn < 3; turn += 1) {
    await read(ledger, store, { behind: 0, limit: 200, death: null });
    await extend(ledger, store, 0);
    await store.settle(everyone, null);
  }
  for (const session of everyone) {
    for (let sends = 0; sends < 40; sends += 1) {
      await store.send(session, true, null, (post) => posts.push(post));
    }
  }
}

const TOLD: Readonly<Record<string, string>> = {
  paid: 'payment.confirmed',
  expired: 'session.expired',
  cancelled: 'session.cancelled',
};

function check(
  ledger: ToyLedger,
  sessions: readonly FinalSession[],
  posts: readonly ToyPost[],
  told: readonly (string | null)[],
): string[] {
  const wrong: string[] = [];
  const must = (is: boolean, problem: string) => void (is || wrong.push(problem));
  const all = ledger.node(0).payments.map(toArrival);
  for (const [i, session] of sessions.entries()) {
    const { price, asset } = SESSIONS[i] ?? { price: 0n, asset: 'usdc' as const };
    const who = `session ${i + 1}`;
    const reference = String(i + 1);
    const terms = {
      ...session,
      account: ledger.account,
      asset: nameOf(ASSETS[asset]),
      reference,
      price,
    };
    const { meanings, status } = ending(terms, all);
    must(session.status === status, `${who} is ${session.status}; by the books it is ${status}.`);
    const before = told[i] ?? status;
    must(before === status, `${who} was ${before} for good, and then ${status}.`);
    let credited = 0n;
    for (const { key, meaning, amount } of meanings) {
      const verdict = session.verdicts.get(key);
      const allowed =
        meaning !== 'counts'
          ? [meaning]
          : status === 'paid'
            ? ['credited', 'duplicate']
            : ['credited'];
      must(
        allowed.includes(verdict ?? 'none'),
        `${who}: ${key} is ${verdict}, by the books ${meaning}.`,
      );
      if (verdict === 'credited') credited += amount;
    }
    must(session.verdicts.size === meanings.length, `${who} has payments that never happened.`);
    const rows = session.paymentRows.map(({ amount }) => amount).join();
    must(
      rows === (status === 'paid' ? String(credited) : ''),
      `${who} is ${status} with payments rows of ${rows}; credited is ${credited}.`,
    );
    must(
      credited >= price === (status === 'paid'),
      `${who} is ${status}, ${credited} of ${price} is credited.`,
    );
    const ends = session.events
      .filter(({ type }) => type !== 'payment.exception')
      .map((e) => e.type);
    must(
      ends.join() === TOLD[status],
      `${who} is ${status}; its events say ${ends.join() || 'nothing'}.`,
    );
    heard(session, posts, who, must);
  }
  return wrong;
}

function heard(
  { events, sequences }: FinalSession,
  posts: readonly ToyPost[],
  who: string,
  must: (is: boolean, problem: string) => void,
): void {
  const bodies = new Map(events.map(({ id, body }) => [id, body]));
  const ours = posts.filter(({ eventId }) => sequences.some((s) => s.eventId === eventId));
  for (const { eventId, body } of ours) {
    must(bodies.get(eventId) === body, `${who}: other bytes were sent than the event's.`);
  }
  const first = [...new Set(ours.filter((p) => p.accepted).map((p) => p.sequence))];
  must(
    first.every((n, k) => n === k + 1),
    `${who}: events came in the order ${first.join()}.`,
  );
  must(
    sequences.every((s) => s.delivered),
    `${who}: not everything was delivered.`,
  );
  const numbers = sequences.map(({ sequence }) => sequence).sort((a, b) => a - b);
  must(
    numbers.every((n, k) => n === k + 1),
    `${who}: the sequence is ${numbers.join()}.`,
  );
}

const nameOf = ({ code, issuer }: { code: string; issuer: string | null }) =>
  issuer === null ? 'native' : `${code}:${issuer}`;

function toArrival(p: LedgerPayment): Arrival {
  const { account, amount, reference, closedAt, asset } = p;
  return { key: ledgerPaymentKey(p), account, amount, reference, closedAt, asset: nameOf(asset) };
}
