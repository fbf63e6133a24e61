/** What customers and backends do in one round: sessions of every kind, and what must come of each. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Memo, Operation } from '@stellar/stellar-sdk';
import { Refusal } from '../../src/client.ts';
import { muxedAddress } from '../../src/horizon/address.ts';
import { assetOf } from '../../src/sandbox/ledger/wallet.ts';
import { stroopsOf } from '../books/money.ts';
import { Rng } from '../rng.ts';
import { submit, type Shop } from './cast.ts';
import { hasTaken, sessionOf } from './merchant.ts';
import type { Stack } from './stack.ts';

/** How a session is treated. The first sessions of a round are one of each, the others are drawn. */
const KINDS = [
  'paid exactly',
  'paid exactly',
  'paid in two parts',
  'paid too much',
  'paid twice',
  'paid by two operations of one transaction',
  'a stroop short',
  'a stroop short, then the stroop',
  'paid in another issuer’s asset',
  'paid after its deadline',
  'not paid',
  'cancelled',
  'cancelled while it is paid',
  'cancelled by the backend itself',
  'made by the backend itself, and paid',
  'reported by its backend',
  'reported by a wake',
  'paid, and sent again by hand',
] as const;
type Kind = (typeof KINDS)[number];

/** A session of the round. */
export type RoundSession = {
  readonly id: string;
  readonly kind: Kind;
  readonly shop: Shop;
  readonly asset: string;
  readonly price: string;
  readonly reference: string;
};

/** A round's workload under way. */
export type Workload = {
  /** Sessions whose opening was answered; grows until `done`. */
  readonly sessions: RoundSession[];
  /** What customers and backends were told that cannot be right. */
  readonly complaints: string[];
  /** Events that are to be sent again, and whether they were. */
  readonly resent: { readonly id: string; readonly isSent: () => boolean }[];
  readonly counts: { asked: number; answered: number; unanswered: number };
  /** Resolves when everybody has done what they wanted. */
  readonly done: Promise<void>;
};

/** Payments may come this late; a session that is not to be paid ends after the shorter time. */
const LONG_MS = 180_000;
const SHORT_MS = 5_000;
/** A backend that gets no answer asks again for so long: on a machine that has other things to do, too. */
const ASK_FOR_MS = 240_000;

/** Which sessions of the drawn ones are played (all unless given): leaving out one changes nothing in the others. */
export type Draw = {
  readonly seed: number;
  readonly sessions: number;
  readonly only?: readonly number[];
};

/** Starts a round's workload. */
export function startWorkload(stack: Stack, { seed, sessions: count, only }: Draw): Workload {
  const rng = new Rng(seed);
  const workload: Workload = {
    sessions: [],
    complaints: [],
    resent: [],
    counts: { asked: 0, answered: 0, unanswered: 0 },
    done: Promise.resolve(),
  };
  const plays = Array.from({ length: count }, (_, index) => ({ index, rng: rng.fork(index) }));
  const played = plays.filter(({ index }) => only === undefined || only.includes(index));
  const done = Promise.all([
    ...played.map(({ index, rng }) => play(stack, workload, rng, KINDS[index] ?? rng.pick(KINDS))),
    payStranger(stack, rng),
  ]);
  // What was handed over last must be in the books before anybody says that all is done.
  return Object.assign(workload, {
    done: done.then(async () => void (await stack.ledger.chain.nextLedger())),
  });
}

async function play(stack: Stack, workload: Workload, rng: Rng, kind: Kind): Promise<void> {
  const shop = rng.pick(stack.shops);
  const asset = rng.chance(50) ? 'native' : stack.usdc;
  const price = rng.pick(['10', '0.7', '12.3456789']);
  const short = [
    'a stroop short',
    'paid in another issuer’s asset',
    'paid after its deadline',
    'not paid',
  ];
  const ttl = short.includes(kind) ? SHORT_MS : LONG_MS;
  await sleep(rng.int(0, 1_500));
  const session = await open(stack, workload, rng, { kind, shop, asset, price, ttl });
  if (session === null) return;
  workload.sessions.push(session);
  await sleep(rng.int(0, 800));
  await act(stack, workload, rng, session, ttl);
}

type Wanted = { kind: Kind; shop: Shop; asset: string; price: string; ttl: number };

/** Opens through the workflow, or as a backend does that writes its own rows. Null when it came too late for that. */
async function open(
  stack: Stack,
  workload: Workload,
  rng: Rng,
  { kind, shop, asset, price, ttl }: Wanted,
): Promise<RoundSession | null> {
  const id = randomUUID();
  const [code = '', issuer = null] = asset === 'native' ? ['XLM'] : asset.split(':');
  const receivingAccount = shop.wallet.address;
  const expiresAt = new Date(Date.now() + ttl).toISOString();
  const common = { id, kind, shop, asset, price };
  if (kind === 'made by the backend itself, and paid') {
    const reference = String(BigInt(Date.now()) * 1_000_000n + BigInt(rng.int(0, 999_999)));
    await stack.rows(
      `INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, asset_issuer, receiving_account,
         memo, status, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8)
       ON CONFLICT (id) DO NOTHING`, // asked again when PostgreSQL went away with its answer
      [id, shop.merchantId, price, code, issuer, receivingAccount, reference, expiresAt],
    );
    stack.diary.opened(id, {
      account: receivingAccount,
      asset: { code, issuer },
      reference,
      price: stroopsOf(price),
      expiresAt: Date.parse(expiresAt),
      metadata: null,
    });
    return { ...common, reference };
  }
  const request = {
    merchantId: shop.merchantId,
    amount: price,
    asset: { code, issuer },
    receivingAccount,
    expiresAt,
    metadata: { order: id.slice(0, 8) },
  };
  const opened = await ask(workload, `open ${id}`, () => stack.client.openSession(id, request));
  if (opened === null) return null;
  return { ...common, reference: opened.memo };
}

/**
 * Asks until there is an answer. A refusal that the request deserves (it came after its deadline) is null; any other
 * one is a complaint.
 */
async function ask<T>(
  workload: Workload,
  what: string,
  request: () => Promise<T>,
): Promise<T | null> {
  const { counts, complaints } = workload;
  counts.asked += 1;
  for (const end = Date.now() + ASK_FOR_MS; ; await sleep(250)) {
    try {
      const answer = await request();
      counts.answered += 1;
      return answer;
    } catch (error) {
      if (error instanceof Refusal) {
        if (/is in the past/.test(error.message)) return null;
        complaints.push(`${what} was refused: ${error.message}`);
        return null;
      }
      counts.unanswered += 1;
      const ended = /completed|AcceptedUpdateCompletedWorkflow/i.test(causes(error));
      if (ended) complaints.push(`${what} was accepted, and its run ended without an answer.`);
      if (Date.now() < end) continue;
      complaints.push(`${what} was never answered: ${String(error)}`);
      return null;
    }
  }
}

function causes(error: unknown): string {
  const words: string[] = [];
  for (let e = error; e instanceof Error; e = e.cause) words.push(`${e.name} ${e.message}`);
  return words.join(' | ');
}

const STROOP = 10_000_000n;

/** A share of a price, plus some stroops. */
function part(price: string, share: number, plus = 0n): string {
  const [whole = '0', fraction = ''] = price.split('.');
  const stroops = BigInt(whole) * STROOP + BigInt(fraction.padEnd(7, '0'));
  const wanted = (stroops * BigInt(Math.round(share * 1000))) / 1000n + plus;
  return `${wanted / STROOP}.${String(wanted % STROOP).padStart(7, '0')}`;
}

/** Pays by one of the ways there are; the hash of the transaction. */
async function pay(
  stack: Stack,
  rng: Rng,
  session: RoundSession,
  amounts: readonly string[],
  asset = session.asset,
): Promise<string> {
  const { shop, reference } = session;
  const muxed = rng.chance(30);
  const destination = muxed
    ? muxedAddress(shop.wallet.address, BigInt(reference))
    : shop.wallet.address;
  const memo = rng.chance(50) ? Memo.id(reference) : Memo.text(reference);
  const path = {
    sendAsset: assetOf(asset),
    sendMax: '1000000',
    destination,
    destAsset: assetOf(asset),
  };
  const operations = amounts.map((amount) =>
    rng.chance(15)
      ? Operation.pathPaymentStrictReceive({ ...path, destAmount: amount })
      : Operation.payment({ destination, asset: assetOf(asset), amount }),
  );
  return submit(stack.ledger, stack.customer, operations, {
    memo: muxed ? undefined : memo,
    bumped: rng.chance(15),
  });
}

async function act(
  stack: Stack,
  workload: Workload,
  rng: Rng,
  session: RoundSession,
  ttl: number,
): Promise<void> {
  const { id, price, kind } = session;
  const { client } = stack;
  const pays = (...amounts: string[]) => pay(stack, rng, session, amounts);
  switch (kind) {
    case 'paid exactly':
    case 'made by the backend itself, and paid':
      await pays(price);
      return;
    case 'paid in two parts':
      await pays(part(price, 0.4));
      await sleep(rng.int(0, 1_500));
      await pays(part(price, 1, 0n));
      return;
    case 'paid too much':
      await pays(part(price, 1.5));
      return;
    case 'paid twice':
      await pays(price);
      await sleep(rng.int(0, 1_500));
      await pays(price);
      return;
    case 'paid by two operations of one transaction':
      await pays(part(price, 0.5), part(price, 0.5, 1n));
      return;
    case 'a stroop short':
      await pays(part(price, 1, -1n));
      return;
    case 'a stroop short, then the stroop':
      await pays(part(price, 1, -1n));
      await sleep(rng.int(300, 1_500));
      await pays('0.0000001');
      return;
    case 'paid in another issuer’s asset':
      await pay(stack, rng, session, [price], session.asset === 'native' ? stack.usdc : stack.fake);
      return;
    case 'paid after its deadline':
      await sleep(ttl + 1_200);
      await pays(price);
      return;
    case 'not paid':
      return;
    case 'cancelled':
      await cancel(stack, workload, session);
      return;
    case 'cancelled while it is paid': {
      const cancelling = cancel(stack, workload, session);
      await sleep(rng.int(0, 2_000));
      await pays(price);
      return cancelling;
    }
    case 'cancelled by the backend itself':
      if (rng.chance(50)) await pays(part(price, 0.3));
      await cancelInRow(stack, id);
      await ask(workload, `wake ${id}`, () => client.wake(id));
      return;
    case 'reported by its backend': {
      const hash = await pays(price);
      await report(stack, workload, session, hash);
      return;
    }
    case 'reported by a wake': {
      const hash = await pays(price);
      await Promise.all(
        Array.from({ length: rng.int(1, 4) }, () =>
          ask(workload, `wake ${id}`, () => client.wake(id, { txHash: hash })),
        ),
      );
      return;
    }
    case 'paid, and sent again by hand':
      await pays(price);
      await sendAgain(stack, workload, session);
  }
}

/** A backend cancels by writing the row of a session that is open. */
export async function cancelInRow(stack: Stack, id: string): Promise<void> {
  const cancelling = stack.diary.cancels(id);
  // Asked again when PostgreSQL went away with its answer: then nobody knows whether it was stored.
  const stored = await stack.rows(
    `UPDATE checkout_sessions SET status = 'cancelled' WHERE id = $1 AND status = 'pending' RETURNING id`,
    [id],
  );
  if (stored.length > 0) cancelling.isStored();
}

/** Asks to cancel until it is decided. */
async function cancel(stack: Stack, workload: Workload, { id }: RoundSession): Promise<void> {
  for (const end = Date.now() + ASK_FOR_MS; Date.now() < end;) {
    const answer = await ask(workload, `cancel ${id}`, () => stack.client.cancelSession(id));
    if (answer !== null && answer.kind !== 'closing') return;
  }
  workload.complaints.push(`cancel ${id} was never decided.`);
}

/** Reports the payment of the price until the ledger has shown it. */
async function report(
  stack: Stack,
  workload: Workload,
  { id }: RoundSession,
  hash: string,
): Promise<void> {
  for (const end = Date.now() + ASK_FOR_MS; Date.now() < end;) {
    const answer = await ask(workload, `report ${id}`, () => stack.client.reportPayment(id, hash));
    if (answer === null || ['not_on_ledger', 'unknown'].includes(answer.kind)) continue;
    return;
  }
  workload.complaints.push(`report ${id} was never answered.`);
}

/** Has an event sent again that the receiver took, and demands that it comes. */
async function sendAgain(stack: Stack, workload: Workload, { id }: RoundSession): Promise<void> {
  for (const end = Date.now() + ASK_FOR_MS; Date.now() < end; await sleep(200)) {
    const taken = stack.merchant.posts.find((post) => hasTaken(post) && sessionOf(post) === id);
    const delivery = taken?.headers['x-orbitstream-delivery-id'];
    if (delivery === undefined) continue;
    const times = () =>
      stack.merchant.posts.filter(
        (post) => hasTaken(post) && post.headers['x-orbitstream-delivery-id'] === delivery,
      ).length;
    const before = times();
    const answer = await ask(workload, `redeliver ${id}`, () =>
      stack.client.redeliver(id, delivery),
    );
    if (answer !== null) workload.resent.push({ id, isSent: () => times() > before });
    return;
  }
}

/** Money that names nobody. */
async function payStranger(stack: Stack, rng: Rng): Promise<void> {
  const payment = {
    destination: rng.pick(stack.shops).wallet.address,
    asset: assetOf('native'),
    amount: '3',
  };
  await submit(stack.ledger, stack.customer, [Operation.payment(payment)], { memo: Memo.id('7') });
}
