/** The quiet merchant: sessions that are opened and paid at a steady rate, and how long each takes. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Memo, Operation } from '@stellar/stellar-sdk';
import { reasonOf } from '../src/domain/failure.ts';
import { submit, type Shop } from '../certify/parts/cast.ts';
import { assetOf } from '../src/sandbox/ledger/wallet.ts';
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

/** Milliseconds from the close of the payment's ledger. Infinite for what has not happened. */
export type Times = { readonly commit: number; readonly webhook: number };

/** How long each session took, and what is missing. */
export type Measured = {
  readonly times: ReadonlyMap<QuietSession, Times>;
  /** Sessions that were paid and whose merchant has not heard of it. */
  readonly lost: readonly QuietSession[];
};

const PRICE = '10';
/** Some seventy sessions in a quick phase: their slowest is not yet the one that met something rare. */
const EVERY_MS = 250;
/** Longer than any answer may take; a merchant whose session is not open by then has lost a customer. */
const OPEN_WITHIN_MS = 20_000;
/** Nothing expires while it is looked at. */
const TTL_MS = 30 * 60_000;

/** Whose session, in which asset (`native`, or `CODE:ISSUER`); the quiet merchant's in lumens unless it is said. */
export type Wanted = {
  readonly attacked: boolean;
  readonly shop?: Shop;
  readonly asset?: string;
};

/** Opens a session of the quiet merchant, or of another one that did nothing; asks again while a customer would wait. @throws Error with the last reason */
export async function openQuiet(
  { stack, quiet }: Stage,
  { attacked, shop = quiet, asset = 'native' }: Wanted,
): Promise<QuietSession> {
  const id = randomUUID();
  const [code = '', issuer = null] = asset === 'native' ? ['XLM'] : asset.split(':');
  const request = {
    merchantId: shop.merchantId,
    amount: PRICE,
    asset: { code, issuer },
    receivingAccount: shop.wallet.address,
    expiresAt: new Date(Date.now() + TTL_MS).toISOString(),
  };
  for (const end = Date.now() + OPEN_WITHIN_MS; ; await sleep(250)) {
    try {
      const { memo } = await stack.client.openSession(id, request);
      const kind = 'paid exactly';
      const common = { id, kind, shop, asset, price: PRICE } as const;
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
    asset: assetOf(session.asset),
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
    const session = await openQuiet(stage, { attacked: false });
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
    for (const { body, at: time } of [...receiver.posts, ...stack.merchant.posts]) {
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
  const since = ({ id, paidAt }: QuietSession, times: ReadonlyMap<string, number>) =>
    // A payment may be read in the moment in which its ledger closes, before the harness has heard of that.
    Math.max((times.get(id) ?? Infinity) - (paidAt ?? 0), 0);
  return {
    times: new Map(
      sessions.map((session) => [
        session,
        { commit: since(session, committed), webhook: since(session, told) },
      ]),
    ),
    lost: missing(),
  };
}
