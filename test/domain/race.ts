/** The ledger, the database and everybody who acts on them, for races. */
import type { EventType } from '../../src/domain/event.ts';
import type { InboxPayment } from '../../src/domain/judge.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { isOpen, type SessionStatus } from '../../src/domain/session.ts';
import { decide, type SessionFacts } from '../../src/domain/settle.ts';
import {
  apply,
  facts,
  FAKE_USDC,
  ledgerOf,
  minute,
  OPENED_AFTER,
  pay,
  READ,
  session,
  USDC,
} from './build.ts';

/** The minute in which the session expires. */
export const DEADLINE = 6;
/** One thing that somebody does. Minutes are the ledger's clock, the only one that decides. */
export type Step =
  | { readonly does: 'close'; readonly minutes: number }
  | {
      readonly does: 'pay';
      readonly amount: string;
      readonly wrong?: boolean;
      readonly hidden?: boolean;
    }
  | { readonly does: 'find'; readonly pick: number }
  | {
      readonly does:
        | 'read'
        | 'settle'
        | 'cancel'
        | 'date cancel'
        | 'report'
        | 'answer'
        | 'write cancelled'
        | 'write expired'
        | 'fill gap';
    };

/** The ledger, the database, and what everybody was told, in the order of the telling. */
export type World = {
  readonly ledger: (InboxPayment & { hidden: boolean })[];
  /** The minute in which the last ledger closed. */
  head: number;
  /** The last ledger that was read. */
  read: number;
  /** A cancellation was requested, and no node has shown since where the ledger is. */
  isCancelRequested: boolean;
  facts: SessionFacts;
  readonly told: EventType[];
  /** Every ending or payment that a caller saw in the database with its proof. */
  readonly seen: SessionStatus[];
};

export function newWorld(): World {
  const opened = session({ expiresAt: minute(DEADLINE) });
  return {
    ledger: [],
    head: 0,
    read: OPENED_AFTER,
    isCancelRequested: false,
    facts: facts({ session: opened, now: minute(0) }),
    told: [],
    seen: [],
  };
}

/** The world after a step. */
export function take(world: World, step: Step): void {
  const { facts: now, ledger, head } = world;
  const write = (fields: Partial<SessionFacts['session']>) => {
    world.facts = { ...world.facts, session: { ...now.session, ...fields } };
  };
  switch (step.does) {
    case 'close':
      world.head += step.minutes;
      world.facts = { ...now, now: minute(world.head) };
      return;
    case 'pay': {
      const asset = step.wrong === true ? FAKE_USDC : USDC;
      world.head += 0.5;
      const payment = pay(ledger.length, step.amount, { asset, closedAt: minute(world.head) });
      ledger.push({ ...payment, hidden: step.hidden === true });
      return;
    }
    case 'find': {
      // A report makes a row known before its ledger is read.
      const shown = ledger.filter(({ hidden }) => !hidden);
      return enter(world, shown.slice(step.pick % (shown.length + 1)).slice(0, 1));
    }
    case 'read':
      enter(
        world,
        ledger.filter(({ hidden }) => !hidden),
      );
      world.read = ledgerOf(head);
      return;
    case 'fill gap':
      return enter(world, ledger);
    case 'cancel': {
      // db/sessions.ts, requestCancel: committed before the ledger is asked.
      const { status, cancelAt, closedThroughLedger } = now.session;
      if (isOpen(status) && cancelAt === null && closedThroughLedger === null) {
        world.isCancelRequested = true;
      }
      return;
    }
    case 'date cancel': {
      // db/sessions.ts, completeCancels: what was on the ledger at the request cannot become late.
      const { status, cancelAt, closedThroughLedger } = now.session;
      const isAsked = world.isCancelRequested || status === 'cancelled';
      world.isCancelRequested = false;
      if (!isAsked || status === 'paid' || cancelAt !== null || closedThroughLedger !== null)
        return;
      return write({ cancelAt: minute(head) });
    }
    case 'write cancelled':
    case 'write expired':
      // An older backend, which knows nothing of coverage.
      if (isOpen(now.session.status))
        write({ status: step.does === 'write cancelled' ? 'cancelled' : 'expired' });
      return;
    case 'report':
      world.facts = { ...now, reportedAt: now.now, everReported: true };
      return;
    case 'answer':
      world.facts = { ...now, reportedAt: null };
      return;
    case 'settle':
      return settle(world);
  }
}

function enter(world: World, found: readonly InboxPayment[]): void {
  const known = new Set(world.facts.payments.map(ledgerPaymentKey));
  const payments = found.filter((p) => !known.has(ledgerPaymentKey(p)));
  world.facts = { ...world.facts, payments: [...world.facts.payments, ...payments] };
}

function settle(world: World): void {
  const { finalDeadline, expiresAt, cancelAt } = world.facts.session;
  const deadline =
    finalDeadline ?? (cancelAt !== null && cancelAt < expiresAt ? cancelAt : expiresAt);
  const end = ledgerOf((deadline.getTime() - minute(0).getTime()) / 60_000) + 1;
  const [tip, read] = [ledgerOf(world.head), world.read];
  const coverage = {
    ...READ,
    readThrough: read,
    provenThrough: read,
    endLedger: end <= tip ? end : null,
    newestLedger: tip,
  };
  world.facts = { ...world.facts, coverage };
  const decision = decide(world.facts);
  world.facts = apply(world.facts, decision);
  world.told.push(...decision.newEvents.map(({ type }) => type));
  const { status, closedThroughLedger } = world.facts.session;
  if (status === 'paid' || closedThroughLedger !== null) world.seen.push(status);
}
