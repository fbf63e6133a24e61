/** Why a ledger payment was judged as it was, and what happens next, in words for an operator. */
import { assetKey } from './asset.ts';
import type { HeldReason } from './held.ts';
import type { InboxPayment, Verdict } from './judge.ts';
import { formatAmount, type Stroops } from './money.ts';
import { effectiveDeadline, type Session } from './session.ts';
import { isOver } from './terms.ts';

/** What is known beside the payment itself. */
export type ExplainContext = {
  /** The session it belongs to; null when it names none. */
  readonly session: Session | null;
  readonly credited: Stroops;
  /** Settle stands by an ending of before its time. */
  readonly legacy: boolean;
  /** The session that it was judged for, and that is gone; null when there is none. */
  readonly gone: string | null;
  /** A row that its reference names and that is no session, in words; null when there is none. */
  readonly notSession: string | null;
  /** The transaction that the session's `payments` row names. */
  readonly paidBy: string | null;
  /** The part of it that is held, and why; null when nothing of it is. */
  readonly held: { readonly amount: Stroops; readonly reason: HeldReason } | null;
};

/** The rule that decided, and what comes of it. */
export type Explanation = { readonly rule: string; readonly next: string };

const HELD = 'The money is held: return it, or resolve it with a reason.';

/** Explains one ledger payment. */
export function explain(payment: InboxPayment, context: ExplainContext): Explanation {
  const { session } = context;
  if (payment.resolved) {
    return {
      rule: ruleOf(payment, context),
      next: 'An operator has resolved it; it never counts again.',
    };
  }
  if (session === null || payment.verdict === null) return unsettled(payment, context);
  if (payment.verdict === 'credited') return credited(session, context);
  const next = payment.verdict === 'nothing' ? 'Nothing: there is nothing to return.' : HELD;
  return { rule: ruleOf(payment, context), next };
}

function unsettled(
  { verdict, reference, account }: InboxPayment,
  { gone, notSession }: ExplainContext,
): Explanation {
  if (gone !== null) {
    return {
      rule: `It was judged ${verdict ?? 'undecided'} for session ${gone}, whose row was deleted or no longer names it.`,
      next: 'The money is held: return it, or assign it to another session.',
    };
  }
  if (notSession !== null) {
    return {
      rule: notSession,
      next: 'The money is held. Once the row is corrected, it is judged again.',
    };
  }
  if (verdict === null) {
    return {
      rule: 'It has been read and is not judged yet.',
      next: "The watcher's next turn judges it.",
    };
  }
  const rule =
    reference === null
      ? 'It names no session: it has no memo or muxed id that can be read.'
      : `No session on ${account} has the reference ${JSON.stringify(reference)}.`;
  return {
    rule:
      verdict === 'ambiguous'
        ? `Two sessions on ${account} have the reference ${JSON.stringify(reference)}.`
        : rule,
    next: 'The money is held. If a session with its reference appears, it is judged again.',
  };
}

function credited(session: Session, { credited: sum, held, legacy }: ExplainContext): Explanation {
  const reached = `${formatAmount(sum)} of ${formatAmount(session.price)} is credited`;
  const rule = `It is the right asset, came in time and the session was short: ${reached}.`;
  if (session.status === 'paid') {
    const rest =
      held === null
        ? 'Nothing of it is held.'
        : `${formatAmount(held.amount)} of it is more than the price and held.`;
    return { rule, next: `The session is paid. ${rest}` };
  }
  if (isOver({ ...session, legacy })) {
    return { rule, next: `The session ended ${session.status}, short of its price. ${HELD}` };
  }
  return {
    rule,
    next: `The rest may come until ${effectiveDeadline(session).toISOString()}; if it does not, this is held.`,
  };
}

function ruleOf(payment: InboxPayment, context: ExplainContext): string {
  const { session, paidBy } = context;
  const { verdict } = payment;
  if (session === null || verdict === null || !hasRule(verdict)) {
    return unsettled(payment, context).rule;
  }
  return RULES[verdict](payment, session, paidBy);
}

type Ruled = Exclude<Verdict, 'unmatched' | 'ambiguous'>;

function hasRule(verdict: Verdict): verdict is Ruled {
  return verdict !== 'unmatched' && verdict !== 'ambiguous';
}

const RULES: Readonly<
  Record<Ruled, (payment: InboxPayment, session: Session, paidBy: string | null) => string>
> = {
  wrong_asset: (payment, { asset }) =>
    `The session asks for ${assetKey(asset)}; this is ${assetKey(payment.asset)}. An asset is code and issuer.`,
  nothing: () => 'Its amount is zero.',
  late: (payment, session) =>
    `Its ledger closed at ${payment.closedAt.toISOString()}, after the deadline ${effectiveDeadline(session).toISOString()}.`,
  duplicate: (_payment, _session, paidBy) =>
    `The session was already paid${paidBy === null ? '' : `, by ${paidBy}`}.`,
  after_cancellation: () =>
    'It came in time, but was found after everybody had been told that the session is cancelled.',
  credited: () => 'It was credited.',
};
