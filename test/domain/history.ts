/** What a ledger holds for a session, and what may happen to the session, one step after the other. */
import * as fc from 'fast-check';
import type { InboxPayment } from '../../src/domain/judge.ts';
import { ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import type { SessionStatus } from '../../src/domain/session.ts';
import type { SessionFacts } from '../../src/domain/settle.ts';
import { FAKE_USDC, ledgerOf, minute, pay, READ, row, USDC } from './build.ts';

/** An instant as minutes after the opening. */
export const minutesOf = (instant: Date) => (instant.getTime() - minute(0).getTime()) / 60_000;

const MOVEMENT = fc.record({
  units: fc.integer({ min: 0, max: 11 }),
  closed: fc.integer({ min: -1, max: 34 }),
  asset: fc.constantFrom(USDC, USDC, USDC, USDC, FAKE_USDC),
  operations: fc.constantFrom(1, 1, 2),
});

/** What the ledger holds for a session: up to six transactions of one or two operations, in ledger order. */
export const LEDGER = fc
  .array(MOVEMENT, { minLength: 1, maxLength: 6 })
  .map((all) =>
    all
      .toSorted((a, b) => a.closed - b.closed)
      .flatMap(({ units, closed, asset, operations }, n) =>
        Array.from({ length: operations }, (_, opIndex) =>
          pay(n, String(units), { opIndex, asset, closedAt: minute(closed) }),
        ),
      ),
  );

/** One thing that happens to a session. `pick` chooses among what there is. */
export const STEP = fc.record({
  what: fc.constantFrom(
    'find',
    'find',
    'find',
    'report',
    'fill in',
    'gap',
    'cover',
    'cancel',
    'wait for report',
    'answer',
    'park',
    'unpark',
    'foreign status',
    'foreign row',
    'row lost',
    'events lost',
    'resolve',
    'wait',
  ),
  pick: fc.nat({ max: 40 }),
});
export type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

const STATUSES: SessionStatus[] = ['pending', 'processing', 'paid', 'expired', 'cancelled'];

/** Coverage through a ledger. */
export const reached = (ledger: number) => ({ readThrough: ledger, provenThrough: ledger });

/** The facts with the first ledger after the deadline, as the chain has it. */
export function withEnd(now: SessionFacts): SessionFacts {
  const { expiresAt, cancelAt, finalDeadline } = now.session;
  const deadline =
    finalDeadline ?? (cancelAt !== null && cancelAt < expiresAt ? cancelAt : expiresAt);
  const minutes = minutesOf(deadline);
  return {
    ...now,
    coverage: now.coverage && { ...now.coverage, endLedger: ledgerOf(minutes) + 1 },
  };
}

/** The facts after the step, before anybody settles. */
export function happen(
  now: SessionFacts,
  ledger: readonly InboxPayment[],
  { what, pick }: Step,
): SessionFacts {
  const set = (fields: Partial<SessionFacts['session']>) => ({
    ...now,
    session: { ...now.session, ...fields },
  });
  const known = new Set(now.payments.map(ledgerPaymentKey));
  const missing = ledger.filter((p) => !known.has(ledgerPaymentKey(p)));
  const readSoFar = now.coverage?.readThrough ?? 0;
  const isRead = (p: InboxPayment) => p.ledger <= readSoFar;
  const through = (to: number) => ({ ...READ, ...reached(Math.max(to, readSoFar)) });
  const read = (to: number) => ({
    ...now,
    payments: [...now.payments, ...missing.filter((p) => !isRead(p) && p.ledger <= to)],
    coverage: through(to),
  });
  switch (what) {
    case 'find': {
      // The next ledger in order, whole.
      const next = ledger.find((p) => !isRead(p))?.ledger;
      return next === undefined ? now : read(next);
    }
    case 'report': {
      // A row becomes known; it is no coverage.
      const [found] = missing.filter((p) => !isRead(p)).slice(pick % 4);
      return found ? { ...now, payments: [...now.payments, found] } : now;
    }
    case 'fill in': {
      // A ledger that was read shows more than before.
      const [found] = missing.filter(isRead).slice(pick % 4);
      return found ? { ...now, payments: [...now.payments, found] } : now;
    }
    case 'gap':
      // The next ledger is read, and the node leaves out what is in it.
      return { ...now, coverage: through(ledger.find((p) => !isRead(p))?.ledger ?? 0) };
    case 'cover':
      return read(ledgerOf(pick));
    case 'cancel': {
      const { status, cancelAt, closedThroughLedger } = now.session;
      const refused = status === 'paid' || cancelAt !== null || closedThroughLedger !== null;
      return refused ? now : set({ cancelAt: minute(pick) });
    }
    case 'wait for report':
      return { ...now, reportedAt: now.now, everReported: true };
    case 'answer':
      return { ...now, reportedAt: null };
    case 'park':
    case 'unpark':
      return { ...now, undecoded: what === 'park' };
    case 'foreign status':
      return set({ status: STATUSES[pick % STATUSES.length] ?? 'pending' });
    case 'foreign row':
      return now.paymentRow ? now : { ...now, paymentRow: row(pick % 8, '10') };
    case 'row lost':
      return { ...now, paymentRow: null };
    case 'events lost':
      return { ...now, existingEvents: new Set() };
    case 'resolve':
      return {
        ...now,
        payments: now.payments.map((p, i) => ({
          ...p,
          resolved: p.resolved || i === pick % now.payments.length,
        })),
      };
    default:
      return { ...now, now: new Date(now.now.getTime() + pick * 10_000) };
  }
}
