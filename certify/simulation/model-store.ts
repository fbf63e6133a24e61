/**
 * A model of the storage, with the semantics the product relies on: snapshots, row locks, first updater wins. Every
 * transaction yields between its statements, so that others run in between; who runs is drawn from the seed.
 */
import { eventBody } from '../../src/domain/event.ts';
import type { LedgerHeader } from '../../src/domain/evidence.ts';
import type { InboxPayment } from '../../src/domain/judge.ts';
import { ledgerPaymentKey, type LedgerPayment } from '../../src/domain/ledger-payment.ts';
import type { Session } from '../../src/domain/session.ts';
import { decide, type PaymentRow, type SessionFacts } from '../../src/domain/settle.ts';
import { eventId } from '../../src/db/ids.ts';
import type { Rng } from '../rng.ts';
import { ASSETS, SESSIONS, type Death } from './schedule.ts';
import type { Store, ToyStart } from './store.ts';
import type { ToyLedger } from './toy-ledger.ts';

type Event = { id: string; type: string; told: string; body: string };
type Delivery = {
  eventId: string;
  body: string;
  sequence: number;
  attempts: number;
  status: 'pending' | 'delivered';
};

/** A row and what hangs on it: locked and versioned together, as everything settle writes is under the session's lock. */
type Row = {
  readonly version: number;
  readonly session: Session;
  /** The status that was last followed. */
  readonly seenStatus: string;
  readonly paymentRow: PaymentRow | null;
  readonly events: readonly Event[];
  readonly deliveries: readonly Delivery[];
  readonly reported: boolean;
};

/** Everything committed. Replaced, never changed in place: holding one is a snapshot. */
type State = {
  readonly rows: readonly Row[];
  readonly inbox: ReadonlyMap<string, InboxPayment>;
  readonly chain: readonly LedgerHeader[];
  /** Sessions whose cancellation waits for its instant. */
  readonly cancels: ReadonlySet<number>;
  readonly start: ToyStart;
  /** Ledgers, as plain sets: read by pages, read whole, and those in which an asset did not move. */
  readonly paged: ReadonlySet<number>;
  readonly whole: ReadonlySet<number>;
  readonly unmoved: Readonly<Record<'native' | 'usdc', ReadonlySet<number>>>;
};

class Died extends Error {}

/** Lets others run. */
export type Yield = () => Promise<void>;

export function createModelStore(ledger: ToyLedger, rng: Rng, pause: Yield): Store {
  const begin = ledger.begin.header;
  const createdAt = new Date(begin.closedAt.getTime() + 1_000);
  let state: State = {
    rows: SESSIONS.map(({ price, asset, seconds }, i) => ({
      version: 0,
      session: {
        id: sessionId(rng),
        merchantId: '00000000-0000-4000-8000-000000000000',
        price,
        asset: ASSETS[asset],
        receivingAccount: ledger.account,
        reference: String(i + 1),
        status: 'pending',
        processingSince: null,
        createdAt,
        expiresAt: new Date(createdAt.getTime() + seconds * 1000),
        cancelAt: null,
        closedThroughLedger: null,
        finalDeadline: null,
        metadata: null,
      },
      seenStatus: 'pending',
      paymentRow: null,
      events: [],
      deliveries: [],
      reported: false,
    })),
    inbox: new Map(),
    chain: [begin],
    cancels: new Set(),
    start: { afterLedger: begin.sequence, known: ledger.creation },
    paged: new Set(),
    whole: new Set(),
    unmoved: { native: new Set(), usdc: new Set() },
  };

  /** A statement of its own, or a READ COMMITTED transaction: it sees and changes what is committed when it ends. */
  const change = async (death: Death, apply: (now: State) => State): Promise<void> => {
    await pause();
    if (death === 'before' || death === 'inside') throw new Died();
    if (death === 'commit lost') await pause();
    state = apply(state);
    if (death === 'commit unknown') {
      await pause();
      state = apply(state);
    }
    if (death === 'after') throw new Died();
  };

  const settleOnce = async (
    sessions: readonly number[],
    death: Death,
  ): Promise<'done' | 'again'> => {
    await pause();
    if (death === 'before') throw new Died();
    const snapshot = state;
    await pause();
    const decided = sessions.flatMap((i) => {
      const row = snapshot.rows[i];
      return row === undefined
        ? []
        : [{ i, row, decision: decide(factsOf(snapshot, row, ledger)) }];
    });
    await pause();
    if (death === 'inside') throw new Died();
    // First updater wins: a row that was changed since the snapshot refuses this one.
    if (decided.some(({ i, row }) => state.rows[i]?.version !== row.version)) return 'again';
    if (death === 'commit lost') return 'again';
    for (const { i, row, decision } of decided) {
      if (decision.changes) state = written(state, i, row, decision);
    }
    if (death === 'after') throw new Died();
    return death === 'commit unknown' ? 'again' : 'done';
  };

  const dying = (work: () => Promise<void>) =>
    work().catch((error: unknown) => {
      if (!(error instanceof Died)) throw error;
    });

  return {
    sessionIds: state.rows.map(({ session }) => session.id),
    advance: async (ask) => {
      await pause();
      const [waiting, tip] = [state.cancels, tipOf(state)];
      const shown = ask().headersFrom(tip.sequence);
      await change(null, (now) => ({ ...now, chain: chained(now.chain, shown) }));
      const isWhole = chained([tip], shown).at(-1)?.hash === shown.at(-1)?.hash;
      if (isWhole) await change(null, (now) => dated(now, waiting));
      await change(null, followed);
    },
    newest: async () => tipOf(state).sequence,
    start: async () => state.start,
    storePage: ({ start, showsKnown, payments, isFull }, death) =>
      dying(async () => {
        if (!showsKnown) return;
        const last = payments.at(-1);
        const ends = last?.ledger ?? start.afterLedger;
        const through = isFull ? ends - 1 : ends;
        await change(death, (now) => {
          const { known, afterLedger } = now.start;
          if (known !== start.known || afterLedger !== start.afterLedger) return now;
          return {
            ...now,
            start: {
              afterLedger: Math.max(through, start.afterLedger),
              known: last?.operationId ?? start.known,
            },
            paged: withRange(now.paged, start.afterLedger + 1, through),
            inbox: added(now.inbox, payments),
          };
        });
      }),
    storeWhole: (sequence, node, death) =>
      dying(async () => {
        const header = state.chain.find((one) => one.sequence === sequence);
        const operations = node.operationsOf(sequence);
        if (header?.operationCount !== operations.length) return;
        await change(death, (now) => ({
          ...now,
          whole: new Set([...now.whole, sequence]),
          inbox: added(now.inbox, operations),
        }));
      }),
    storeUnmoved: async ({ asOf, modified }) => {
      for (const asset of ['native', 'usdc'] as const) {
        const since = modified[keyOf(asset)] ?? begin.sequence;
        await change(null, (now) => {
          const through = Math.min(asOf, tipOf(now).sequence);
          const grown = withRange(now.unmoved[asset], since + 1, through);
          return { ...now, unmoved: { ...now.unmoved, [asset]: grown } };
        });
      }
    },
    unproven: async (asset, through) =>
      range(begin.sequence + 1, through).filter((n) => !isProven(state, asset, n)),
    settle: (sessions, death) =>
      dying(async () => {
        let fate = death;
        while ((await settleOnce(sessions, fate)) === 'again') fate = null;
      }),
    requestCancel: (i) =>
      change(null, (now) => {
        const { status, cancelAt, closedThroughLedger } = now.rows[i]?.session ?? {};
        const isOpen = status === 'pending' || status === 'processing';
        if (!isOpen || cancelAt !== null || closedThroughLedger !== null) return now;
        return { ...now, cancels: new Set([...now.cancels, i]) };
      }),
    backendWrites: (i, status) =>
      change(null, (now) =>
        changed(now, i, (row) =>
          row.session.status === 'pending' ? { ...row, session: { ...row.session, status } } : null,
        ),
      ),
    send: (i, accepted, death, received) =>
      dying(async () => {
        await pause();
        const head = state.rows[i]?.deliveries.find(({ status }) => status === 'pending');
        if (head === undefined || death === 'before') return;
        const of = (now: State) => now.rows[i]?.deliveries.find((d) => d.eventId === head.eventId);
        let started = false;
        await change(null, (now) => {
          const open = of(now);
          if (open?.status !== 'pending' || open.attempts !== head.attempts) return now;
          started = true;
          return delivered(now, i, head.eventId, { attempts: head.attempts + 1 });
        });
        if (!started || death === 'inside') return;
        await pause();
        received({ eventId: head.eventId, body: head.body, sequence: head.sequence, accepted });
        await pause();
        if (death !== null && death !== 'commit unknown') return;
        if (accepted)
          await change(null, (now) => delivered(now, i, head.eventId, { status: 'delivered' }));
      }),
    seen: async () =>
      state.rows.map(({ session: { status, closedThroughLedger, cancelAt } }) => ({
        ending: status === 'paid' || closedThroughLedger !== null ? status : null,
        cancelAt,
      })),
    final: async () =>
      state.rows.map(({ session, paymentRow, events, deliveries }) => ({
        ...session,
        paymentRows: paymentRow === null ? [] : [paymentRow],
        events,
        verdicts: new Map(paymentsOf(state, session).map((p) => [ledgerPaymentKey(p), p.verdict])),
        sequences: deliveries.map((d) => ({ ...d, delivered: d.status === 'delivered' })),
      })),
    end: async () => undefined,
  };
}

function sessionId(rng: Rng): string {
  const hex = Array.from({ length: 32 }, () => rng.int(0, 15).toString(16)).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}

const keyOf = (asset: 'native' | 'usdc') =>
  asset === 'native' ? 'native' : `USDC:${ASSETS.usdc.issuer}`;

const tipOf = ({ chain }: State) => chain.at(-1) as LedgerHeader;

function range(from: number, through: number): number[] {
  return Array.from({ length: Math.max(0, through - from + 1) }, (_, i) => from + i);
}

function withRange(set: ReadonlySet<number>, from: number, through: number): ReadonlySet<number> {
  return new Set([...set, ...range(from, through)]);
}

/** Takes from an answer what follows the chain, hash by hash. */
function chained(
  chain: readonly LedgerHeader[],
  shown: readonly LedgerHeader[],
): readonly LedgerHeader[] {
  const longer = [...chain];
  for (const header of shown) {
    const tip = longer.at(-1) as LedgerHeader;
    if (header.sequence <= tip.sequence) continue;
    if (header.sequence !== tip.sequence + 1 || header.previousHash !== tip.hash) break;
    longer.push(header);
  }
  return longer;
}

/** Gives the cancellations that waited the close time of the newest ledger. */
function dated(now: State, waiting: ReadonlySet<number>): State {
  const cancels = new Set([...now.cancels].filter((i) => !waiting.has(i)));
  let after: State = { ...now, cancels };
  for (const i of waiting) {
    if (!now.cancels.has(i)) continue;
    after = changed(after, i, (row) => {
      const { status, cancelAt, closedThroughLedger } = row.session;
      if (cancelAt !== null || closedThroughLedger !== null || status === 'paid') return null;
      return { ...row, session: { ...row.session, cancelAt: tipOf(now).closedAt } };
    });
  }
  return after;
}

/** What the backend wrote is followed: its cancellations become requests. */
function followed(now: State): State {
  let after = now;
  for (const [i, { session, seenStatus }] of now.rows.entries()) {
    if (session.status === seenStatus) continue;
    after = changed(after, i, (row) => ({ ...row, seenStatus: session.status }));
    const isOver = session.closedThroughLedger !== null;
    if (session.status !== 'cancelled' || session.cancelAt !== null || isOver) continue;
    after = { ...after, cancels: new Set([...after.cancels, i]) };
  }
  return after;
}

const isProven = ({ whole, unmoved }: State, asset: 'native' | 'usdc', ledger: number) =>
  whole.has(ledger) || unmoved[asset].has(ledger);

/** The last ledger up to which all are in. */
function lastOf(from: number, isIn: (ledger: number) => boolean): number {
  let last = from;
  while (isIn(last + 1)) last += 1;
  return last;
}

function added(
  inbox: ReadonlyMap<string, InboxPayment>,
  payments: readonly LedgerPayment[],
): ReadonlyMap<string, InboxPayment> {
  const fresh = payments.filter((p) => !inbox.has(ledgerPaymentKey(p)));
  const unjudged = { verdict: null, placedAfter: null, resolved: false, assigned: false };
  return new Map([
    ...inbox,
    ...fresh.map((p) => [ledgerPaymentKey(p), { ...p, ...unjudged }] as const),
  ]);
}

function paymentsOf({ inbox }: State, { reference }: Session): InboxPayment[] {
  return [...inbox.values()].filter((p) => p.reference === reference);
}

function changed(now: State, i: number, by: (row: Row) => Omit<Row, 'version'> | null): State {
  const row = now.rows[i];
  const after = row === undefined ? null : by(row);
  if (row === undefined || after === null) return now;
  const fresh = { ...after, version: row.version + 1 };
  return { ...now, rows: now.rows.map((one, n) => (n === i ? fresh : one)) };
}

/** Deliveries are written outside of the session's lock. */
function delivered(now: State, i: number, id: string, by: Partial<Delivery>): State {
  return {
    ...now,
    rows: now.rows.map((row, n) =>
      n === i
        ? {
            ...row,
            deliveries: row.deliveries.map((d) => (d.eventId === id ? { ...d, ...by } : d)),
          }
        : row,
    ),
  };
}

function factsOf(now: State, row: Row, ledger: ToyLedger): SessionFacts {
  const { session, paymentRow, events } = row;
  const { expiresAt, cancelAt } = session;
  const over =
    session.finalDeadline ?? (cancelAt !== null && cancelAt < expiresAt ? cancelAt : expiresAt);
  const asset = session.asset.issuer === null ? 'native' : 'usdc';
  const openedAfter = ledger.begin.header.sequence;
  const proven = (n: number) => isProven(now, asset, n);
  return {
    session,
    rowProblem: null,
    payments: paymentsOf(now, session),
    paymentRow,
    ambiguous: false,
    coverage: {
      openedAfter,
      readThrough: lastOf(openedAfter, (n) => proven(n) || now.paged.has(n)),
      provenThrough: lastOf(openedAfter, proven),
      endLedger: now.chain.find(({ closedAt }) => closedAt > over)?.sequence ?? null,
      hasHole: false,
      newestLedger: tipOf(now).sequence,
    },
    undecoded: false,
    reportedAt: null,
    everReported: row.reported,
    existingEvents: new Set(events.map(({ told }) => told)),
    legacy: false,
    rowSettled: true,
    rowForeign: false,
    legacyEnding: false,
    historyFrom: null,
    openAttention: new Set(),
    answeredAttention: new Set(),
    // The database's clock is right, and the reading is behind it.
    now: ledger.head.header.closedAt,
  };
}

function written(now: State, i: number, row: Row, decision: ReturnType<typeof decide>): State {
  const { session } = row;
  const fresh = decision.newEvents.map((fact) => {
    const id = eventId(session.id, fact.type, fact.fact);
    return { id, type: fact.type, told: `${fact.type} ${fact.fact}`, body: eventBody(id, fact) };
  });
  const current = now.rows[i] ?? row;
  const deliveries = [
    ...current.deliveries,
    ...fresh.map(({ id, body }, n) => ({
      eventId: id,
      body,
      sequence: current.deliveries.length + n + 1,
      attempts: 0,
      status: 'pending' as const,
    })),
  ];
  const verdicts = new Map(decision.verdicts.map((j) => [ledgerPaymentKey(j.payment), j] as const));
  const inbox = new Map(
    [...now.inbox].map(([key, p]) => {
      const { verdict, placedAfter } = verdicts.get(key) ?? p;
      return [key, { ...p, verdict, placedAfter }];
    }),
  );
  const { status, closedThroughLedger, finalDeadline, processingSince } = decision;
  return changed({ ...now, inbox }, i, () => ({
    ...current,
    session: { ...session, status, closedThroughLedger, finalDeadline, processingSince },
    seenStatus: row.seenStatus === session.status ? status : row.seenStatus,
    paymentRow: row.paymentRow ?? decision.newPayment,
    events: [...current.events, ...fresh],
    deliveries,
  }));
}
