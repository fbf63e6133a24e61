/**
 * A model of the storage, with the semantics the product relies on: snapshots, row locks, first updater wins. Every
 * transaction yields between its statements, so that others run in between; who runs is drawn from the seed.
 */
import { eventBody } from '../../src/domain/event.ts';
import type { InboxPayment } from '../../src/domain/judge.ts';
import { ledgerPaymentKey, type LedgerPayment } from '../../src/domain/ledger-payment.ts';
import type { Session } from '../../src/domain/session.ts';
import { decide, type PaymentRow, type SessionFacts } from '../../src/domain/settle.ts';
import { eventId } from '../../src/db/ids.ts';
import type { Rng } from '../rng.ts';
import { ASSETS, SESSIONS, type Death } from './schedule.ts';
import type { Store } from './store.ts';
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
  readonly paymentRow: PaymentRow | null;
  readonly events: readonly Event[];
  readonly deliveries: readonly Delivery[];
  readonly reported: boolean;
};

type Interval = { readonly throughLedger: number; readonly throughTime: Date };

/** Everything committed. Replaced, never changed in place: holding one is a snapshot. */
type State = {
  readonly rows: readonly Row[];
  readonly inbox: ReadonlyMap<string, InboxPayment>;
  readonly cursor: string;
  readonly pages: Interval;
  readonly assets: Readonly<Record<string, Interval>>;
};

class Died extends Error {}

/** Lets others run. */
export type Yield = () => Promise<void>;

export function createModelStore(ledger: ToyLedger, rng: Rng, pause: Yield): Store {
  const begin: Interval = { throughLedger: 1, throughTime: ledger.closedAt(1) };
  const createdAt = new Date(ledger.closedAt(1).getTime() + 1_000);
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
        metadata: null,
      },
      paymentRow: null,
      events: [],
      deliveries: [],
      reported: false,
    })),
    inbox: new Map(),
    cursor: String(1n << 32n),
    pages: begin,
    assets: {},
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
        : [{ i, row, decision: decide(factsOf(snapshot, row, ledger.head.closedAt)) }];
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
    cursor: async () => state.cursor,
    covered: async (asset) => coverageOf(state, asset).throughLedger,
    storePage: (page, death) =>
      dying(() =>
        change(death, (now) => {
          if (now.cursor !== page.cursor) return now;
          const pages = later(now.pages, page.covers);
          return { ...now, cursor: page.nextCursor, pages, inbox: added(now.inbox, page.payments) };
        }),
      ),
    storeFindings: (payments, death) =>
      dying(() => change(death, (now) => ({ ...now, inbox: added(now.inbox, payments) }))),
    extend: (asset, modified, through) =>
      change(null, (now) => {
        const known = coverageOf(now, asset);
        if (known.throughLedger < modified) return now;
        return { ...now, assets: { ...now.assets, [asset]: later(known, through) } };
      }),
    settle: (sessions, death) =>
      dying(async () => {
        let fate = death;
        while ((await settleOnce(sessions, fate)) === 'again') fate = null;
      }),
    cancel: (i, at) =>
      change(null, (now) =>
        changed(now, i, ({ session, ...row }) => {
          const isOpen = session.status === 'pending' || session.status === 'processing';
          if (!isOpen || session.cancelAt !== null || session.closedThroughLedger !== null)
            return null;
          const seen = [
            at,
            ...[now.pages, ...Object.values(now.assets)].map((c) => c.throughTime),
            ...paymentsOf(now, session).map((p) => p.closedAt),
          ];
          const cancelAt = new Date(Math.max(...seen.map((d) => d.getTime())));
          return { ...row, session: { ...session, cancelAt } };
        }),
      ),
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
    endings: async () =>
      state.rows.map(({ session: { status, closedThroughLedger } }) =>
        status === 'paid' || closedThroughLedger !== null ? status : null,
      ),
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

function later(a: Interval, b: Interval | null): Interval {
  return b !== null && b.throughLedger > a.throughLedger ? b : a;
}

function added(
  inbox: ReadonlyMap<string, InboxPayment>,
  payments: readonly LedgerPayment[],
): ReadonlyMap<string, InboxPayment> {
  const fresh = payments.filter((p) => !inbox.has(ledgerPaymentKey(p)));
  const unjudged = { verdict: null, resolved: false, assigned: false };
  return new Map([
    ...inbox,
    ...fresh.map((p) => [ledgerPaymentKey(p), { ...p, ...unjudged }] as const),
  ]);
}

function coverageOf({ pages, assets }: State, asset: 'native' | 'usdc'): Interval {
  return later(pages, assets[asset] ?? null);
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

function factsOf(now: State, row: Row, clock: Date): SessionFacts {
  const { session, paymentRow, events } = row;
  const from = now.rows[0]?.session.createdAt ?? session.createdAt;
  return {
    session,
    rowProblem: null,
    payments: paymentsOf(now, session),
    paymentRow,
    ambiguous: false,
    coverage: {
      fromTime: new Date(from.getTime() - 1_000),
      ...coverageOf(now, session.asset.issuer === null ? 'native' : 'usdc'),
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
    now: clock,
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
  const verdicts = new Map(
    decision.verdicts.map(({ payment, verdict }) => [ledgerPaymentKey(payment), verdict]),
  );
  const inbox = new Map(
    [...now.inbox].map(([key, p]) => [key, { ...p, verdict: verdicts.get(key) ?? p.verdict }]),
  );
  const { status, cancelAt, closedThroughLedger, processingSince } = decision;
  return changed({ ...now, inbox }, i, () => ({
    ...current,
    session: { ...session, status, cancelAt, closedThroughLedger, processingSince },
    paymentRow: row.paymentRow ?? decision.newPayment,
    events: [...current.events, ...fresh],
    deliveries,
  }));
}
