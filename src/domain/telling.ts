/** Of the held payments of a session, those that are to be told now. Pure. */
import type { Coverage } from './coverage.ts';
import { countToldOneByOne, exceptionsOf, isUntold, type Exception } from './exceptions.ts';
import type { JudgedBefore } from './judged-before.ts';
import type { InboxPayment, Judgement } from './judge.ts';
import type { Session } from './session.ts';

/** What a decision needs of payments that it does not read. */
export type Rest = {
  readonly before: JudgedBefore;
  /** Payments behind those that were read have no verdict yet: nothing is said of the session as a whole. */
  readonly isCut: boolean;
  /** One of those judged before is the transaction that the payments row names. */
  readonly seesRow: boolean;
  /** The first ambiguous payment that nobody has dealt with. */
  readonly ambiguous: InboxPayment | null;
  /** Held payments to tell, of those judged before. */
  readonly exceptions: readonly Exception[];
  /** The totals are not written down yet. */
  readonly isUnwritten: boolean;
};

/** The facts on which telling depends. */
type Facts = {
  readonly rest?: Rest;
  readonly coverage: Coverage | null;
  readonly existingEvents: ReadonlySet<string>;
};

/** What is to be told of a settled session beside the events that exist. */
export function untoldExceptions(
  session: Session,
  { rest, coverage, existingEvents }: Facts,
  judgement: Judgement,
): Exception[] {
  const told = countToldOneByOne(existingEvents);
  const exceptions =
    rest === undefined
      ? exceptionsOf(session, judgement, toldThrough(session, coverage))
      : [...surplus(session, judgement), ...rest.exceptions];
  return exceptions.filter((e) => isUntold(e, told));
}

/**
 * Sums are told up to this ledger: what lies beyond it may still get company before it. Behind the end of a session nobody
 * reads on for its sake, so that what is known then is told.
 */
export function toldThrough(
  { status, closedThroughLedger }: Pick<Session, 'status' | 'closedThroughLedger'>,
  coverage: Coverage | null,
): number {
  if (coverage === null || status === 'paid' || closedThroughLedger !== null) return Infinity;
  return Math.max(coverage.openedAfter, coverage.readThrough);
}

/** The part of the completing payment that the price did not need. */
function surplus(session: Session, { completing, completed }: Judgement): Exception[] {
  if (session.status !== 'paid' || completing === null || completed <= session.price) return [];
  const amount = completed - session.price;
  return [{ payment: completing, amount, reason: 'overpaid', together: null }];
}
