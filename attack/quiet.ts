/** The quiet merchant: sessions that are opened and paid at a steady rate, and how long each takes. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Asset, Memo, Operation } from '@stellar/stellar-sdk';
import { reasonOf } from '../src/domain/failure.ts';
import { submit } from '../certify/parts/cast.ts';
import type { RoundSession } from '../certify/parts/workload.ts';
import type { Stage } from './stage.ts';

/** A session of the quiet merchant. Times are milliseconds since 1970. */
export type QuietSession = RoundSession & {
  /** Its price has been paid by a ledger that closed then; null before. */
  paidAt: number | null;
  /** Somebody attacks this session itself: it must end like any other, but its times are not the quiet merchant's. */
  readonly attacked: boolean;
};

/** What the quiet merchant has had in one phase. */
export type Served = {
  readonly sessions: QuietSession[];
  /** What could not be opened, in words. */
  readonly complaints: string[];
};

/** Milliseconds. Infinite for what has not happened. */
export type Latency = { readonly p50: number; readonly p99: number };

/** The quiet merchant's times, and what is missing. */
export type Measured = {
  readonly count: number;
  readonly commit: Latency;
  readonly webhook: Latency;
  /** Sessions that were paid and whose merchant has not heard of it. */
  readonly lost: readonly QuietSession[];
};

const PRICE = '10';
const EVERY_MS = 400;
const OPEN_WITHIN_MS = 60_000;
/** Nothing expires while it is looked at. */
const TTL_MS = 30 * 60_000;

/** Opens a session of the quiet merchant; asks again for a minute. @throws Error with the last reason */
export async function openQuiet({ stack, quiet }: Stage, attacked: boolean): Promise<QuietSession> {
  const id = randomUUID();
  const receivingAccount = quiet.wallet.address;
  const request = {
    merchantId: quiet.merchantId,
    amount: PRICE,
    asset: { code: 'XLM', issuer: null },
    receivingAccount,
    expiresAt: new Date(Date.now() + TTL_MS).toISOString(),
  };
  for (const end = Date.now() + OPEN_WITHIN_MS; ; await sleep(250)) {
    try {
      const { memo } = await stack.client.openSession(id, request);
      const kind = 'paid exactly';
      const common = { id, kind, shop: quiet, asset: 'native', price: PRICE } as const;
      return { ...common, reference: memo, paidAt: null, attacked };
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

/** Pays a session; resolves when the ledger has closed. */
export async function payQuiet({ stack }: Stage, session: QuietSession): Promise<void> {
  const payment = {
    destination: session.shop.wallet.address,
    asset: Asset.native(),
    amount: session.price,
  };
  await submit(stack.ledger, stack.customer, [Operation.payment(payment)], {
    memo: Memo.id(session.reference),
  });
  await stack.ledger.chain.nextLedger();
  session.paidAt = Date.now();
}

/** Opens and pays until the signal; resolves when all that were opened are paid. */
export async function serve(stage: Stage, over: AbortSignal): Promise<Served> {
  const served: Served = { sessions: [], complaints: [] };
  const under: Promise<void>[] = [];
  const one = async () => {
    const session = await openQuiet(stage, false);
    served.sessions.push(session);
    await payQuiet(stage, session);
  };
  for (; !over.aborted; await sleep(EVERY_MS)) {
    under.push(
      one().catch((error: unknown) => {
        served.complaints.push(
          `A session of the quiet merchant could not be opened: ${reasonOf(error)}`,
        );
      }),
    );
  }
  await Promise.all(under);
  return served;
}

/** Waits until the merchant has heard of every paid session, or the time is over; measures. */
export async function measure(
  { stack, receiver }: Stage,
  sessions: readonly QuietSession[],
  withinMs: number,
): Promise<Measured> {
  const heard = () => {
    const at = new Map<string, number>();
    for (const { body, at: time } of receiver.posts) {
      const { type, data } = JSON.parse(body) as { type?: string; data: { sessionId: string } };
      if (type === undefined || type === 'payment.confirmed')
        at.set(data.sessionId, at.get(data.sessionId) ?? time);
    }
    return at;
  };
  const missing = () => {
    const at = heard();
    return sessions.filter(({ id }) => !at.has(id));
  };
  for (const end = Date.now() + withinMs; missing().length > 0 && Date.now() < end;)
    await sleep(100);
  const rows = await stack.rows<{ id: string; at: number }>(
    `SELECT session_id::text AS id, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000)::float8 AS at
     FROM payments WHERE session_id = ANY($1::uuid[])`,
    [sessions.map(({ id }) => id)],
  );
  const committed = new Map(rows.map(({ id, at }) => [id, at]));
  const told = heard();
  const own = sessions.filter(({ attacked }) => !attacked);
  return {
    count: own.length,
    commit: latency(own, committed),
    webhook: latency(own, told),
    lost: missing(),
  };
}

function latency(sessions: readonly QuietSession[], times: ReadonlyMap<string, number>): Latency {
  const all = sessions
    .map(({ id, paidAt }) => (times.get(id) ?? Infinity) - (paidAt ?? 0))
    // A payment may be read in the moment in which its ledger closes, before the harness has heard of that.
    .map((ms) => Math.max(ms, 0))
    .sort((a, b) => a - b);
  return { p50: at(all, 0.5), p99: at(all, 0.99) };
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.max(Math.ceil(sorted.length * share) - 1, 0)] ?? Infinity;
}
