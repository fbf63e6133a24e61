import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { missingPayments } from '../db/inbox.ts';
import { inboxByHash, recordAnswer, recordReport } from '../db/reports.ts';
import { findSession } from '../db/sessions.ts';
import { askingFor } from '../horizon/budget.ts';
import type { Settled } from '../db/settle.ts';
import { watchedAccount } from '../db/watching.ts';
import type { LedgerHeader } from '../domain/evidence.ts';
import type { Found } from '../domain/ledger-source.ts';
import { formatAmount, parseSum } from '../domain/money.ts';
import { reasonOf } from '../domain/failure.ts';
import type { Verdict } from '../domain/judge.ts';
import type { ReportAnswer } from '../workflows/contract.ts';
import { createSlots } from '../webhook/slots.ts';
import type { Deps } from './deps.ts';
import { settleSession } from './report-settled.ts';
import { takeIntoCare } from './watch/care.ts';
import { advanceChain } from './watch/chain.ts';
import { readAccount } from './watch/read-account.ts';
import { ledgersBetween, readWholeLedgers } from './watch/whole-ledgers.ts';

/** `wait`: look again for a while when the ledger does not show it yet. */
export type ReportInput = { sessionId: string; txHash: string; wait: boolean };

/**
 * Pauses until the ledger is asked again for what it does not show yet: 10 s in all, two ledgers. They pass between attempts of
 * the activity, without a slot, and retries leave nothing in the history.
 */
const ASK_AGAIN_AFTER_MS = [1_000, 1_000, 2_000, 3_000, 3_000] as const;
const LOOK_FOR_MS = ASK_AGAIN_AFTER_MS.reduce((sum, ms) => sum + ms, 0);

/**
 * Transactions of one session, reported within an hour, that the ledger does not show. A customer signs a payment anew a few
 * times, hardly ever twenty times; more are not looked for, and leave no row.
 */
export const UNSEEN_PER_SESSION = 20;

/** Reports of one merchant that this process asks about at once: a quarter of the slots. */
export const ASKED_PER_MERCHANT = 5;
/** How long a report may wait for one of these in its slot; then it waits outside, for its next attempt. */
const TURN_WITHIN_MS = 250;
/** Pause of a report that found no turn, in milliseconds: each attempt costs a task, whether or not Horizon is asked. */
const LIMITED_PAUSE_MS = 4_000;
const asking = createSlots(ASKED_PER_MERCHANT);

/**
 * Proves a report on the ledger: reads the account forward to the transaction, settles, and says what it means for the
 * session. Never credits on the reporter's word; what Horizon does not show stays unknown.
 */
export function proveReport(deps: Deps, input: ReportInput): Promise<ReportAnswer> {
  return askingFor('reports', () => prove(deps, input));
}

async function prove(deps: Deps, input: ReportInput): Promise<ReportAnswer> {
  const { sessionId, txHash } = input;
  const session = await findSession(deps.database.db, sessionId);
  const { attempt } = activityInfo();
  const bound = { isNew: attempt === 1, mostUnseen: UNSEEN_PER_SESSION };
  const times = await recordReport(deps.database.db, sessionId, txHash, bound);
  if (times === null) {
    const known = await answerFromInbox(deps, sessionId, txHash, session.receivingAccount);
    return known ?? tooMany(deps, input);
  }
  if (times > 1 && attempt === 1) {
    deps.log.warn({ sessionId, txHash, times }, 'A transaction was reported again.');
  }
  // Null when no turn of the merchant was free in time.
  const asked = await asking.run(session.merchantId, TURN_WITHIN_MS, () =>
    ask(deps, session.receivingAccount, input),
  );
  const answer = asked ?? limited(deps, input);
  const isOpen = answer.kind === 'not_on_ledger' || answer.kind === 'unknown';
  if (isOpen && input.wait) askAgainLater(answer, asked === null);
  if (answer.kind !== 'not_on_ledger' && answer.kind !== 'unknown') {
    await recordAnswer(deps.database.db, { sessionId, txHash, times }, answer.kind, null);
  }
  await settleSession(deps, sessionId);
  deps.log.info({ sessionId, txHash, answer: answer.kind }, 'A report was answered.');
  return answer;
}

/** Ends this attempt, and asks for another, until the time is up. @throws ApplicationFailure, which the SDK does not log */
function askAgainLater({ kind }: ReportAnswer, isLimited: boolean): void {
  const { attempt, scheduledTimestampMs, currentAttemptScheduledTimestampMs } = activityInfo();
  const pause = isLimited ? LIMITED_PAUSE_MS : ASK_AGAIN_AFTER_MS[attempt - 1];
  // Temporal's clock for both: time that was spent in its queue counts.
  if (pause === undefined) return;
  if (currentAttemptScheduledTimestampMs - scheduledTimestampMs >= LOOK_FOR_MS) return;
  throw ApplicationFailure.create({
    message: `The answer is ${kind} so far; the ledger is asked again.`,
    type: 'NotOnLedgerYet',
    nextRetryDelay: pause,
    category: 'BENIGN',
  });
}

function limited(deps: Deps, { txHash }: ReportInput): ReportAnswer {
  deps.counters.reportLimited('merchant');
  const reason = `${ASKED_PER_MERCHANT} reports of the merchant are being looked for already. Ask again.`;
  return { kind: 'unknown', txHash, reason };
}

/** The session goes on as if nothing had been reported: the watcher reads its account in any case. */
function tooMany(deps: Deps, { sessionId, txHash }: ReportInput): ReportAnswer {
  deps.counters.reportLimited('session');
  deps.log.warn(
    { sessionId, txHash },
    'A report is not looked for: too many of the session are open.',
  );
  const reason =
    `${UNSEEN_PER_SESSION} transactions were reported for the session within an hour that the ledger does not show. ` +
    'This one is not looked for; if it pays the session, it is seen all the same.';
  return { kind: 'unknown', txHash, reason };
}

/**
 * The transaction is a hint that names a ledger: the account is read forward up to it now, and the answer comes from
 * what is read. Nothing overtakes the reading, so what a report brings is what the watcher would have brought.
 */
async function ask(
  deps: Deps,
  account: string,
  { sessionId, txHash }: ReportInput,
): Promise<ReportAnswer> {
  const known = await answerFromInbox(deps, sessionId, txHash, account);
  if (known !== null) return known;
  try {
    const found = await deps.source.transaction(txHash, new Set([account]));
    if (found.kind === 'not_found') {
      // Anybody can report what is nowhere: it costs one request. The chain is the watcher's to extend.
      const watched = await watchedAccount(deps.database.db, account);
      const asOfLedger = watched?.readThrough ?? (await advanceChain(deps)).newest.sequence;
      return { kind: 'not_on_ledger', txHash, asOfLedger };
    }
    if (!found.successful) return { kind: 'failed', txHash };
    const { newest } = await advanceChain(deps);
    const readThrough = await readForward(deps, sessionId, account, found.ledger, newest);
    if (readThrough >= found.ledger) await readOnceMore(deps, account, found, newest);
    const answer = await answerFromInbox(deps, sessionId, txHash, account);
    if (answer !== null) return answer;
    const { length: unread } = await missingPayments(deps.database.db, found.payments);
    if (readThrough >= found.ledger && unread === 0) return { kind: 'pays_another', txHash };
    const reason = `It is on ledger ${found.ledger}; the account is read through ledger ${readThrough}.`;
    return { kind: 'unknown', txHash, reason };
  } catch (error) {
    deps.log.warn({ sessionId, txHash, err: error }, 'Horizon could not be asked about a report.');
    return {
      kind: 'unknown',
      txHash,
      reason: reasonOf(error),
    };
  }
}

/** A ledger that is read did not show the transaction then: its history was filled in, so it is read whole now. */
async function readOnceMore(
  deps: Deps,
  account: string,
  { ledger, payments }: Pick<Extract<Found, { kind: 'found' }>, 'ledger' | 'payments'>,
  newest: LedgerHeader,
): Promise<void> {
  const missing = await missingPayments(deps.database.db, payments);
  if (missing.length === 0 || ledger > newest.sequence) return;
  const wanted = [{ sequence: ledger, accounts: [account] }];
  await readWholeLedgers(deps, wanted, newest, deps.draining);
}

/** A report makes an account be read forward by this many whole ledgers at most; the watcher does the rest. */
const LEDGERS_FORWARD = 24;

/** Reads the account up to a ledger, as the watcher does. Returns the ledger through which it is read without a hole. */
async function readForward(
  deps: Deps,
  sessionId: string,
  account: string,
  ledger: number,
  newest: LedgerHeader,
): Promise<number> {
  const { db } = deps.database;
  await takeIntoCare(deps, sessionId);
  const signal = deps.draining;
  const before = await watchedAccount(db, account);
  if (before === null || before.readThrough >= ledger) return before?.readThrough ?? 0;
  await readAccount(deps, before, { newest, isShown: true, thorough: true, signal });
  const pages = await watchedAccount(db, account);
  if (pages === null || pages.readThrough >= ledger) return pages?.readThrough ?? 0;
  const last = Math.min(ledger, pages.readThrough + LEDGERS_FORWARD, newest.sequence);
  const wanted = ledgersBetween(account, { after: pages.readThrough, through: last });
  await readWholeLedgers(deps, wanted, newest, signal);
  return (await watchedAccount(db, account))?.readThrough ?? 0;
}

/**
 * What the inbox says about the transaction after a settle; null while it knows nothing of it at this account (it may
 * pay others, too), or has not judged it yet.
 */
async function answerFromInbox(
  deps: Deps,
  sessionId: string,
  txHash: string,
  account: string,
): Promise<ReportAnswer | null> {
  const known = async () =>
    (await inboxByHash(deps.database.db, txHash)).filter((row) => row.account === account);
  if ((await known()).length === 0) return null;
  const settled = await settleSession(deps, sessionId);
  const rows = await known();
  const ours = rows.filter((row) => row.sessionId === sessionId);
  const verdicts = new Set(ours.map((row) => row.verdict));
  if (verdicts.has('credited') && settled) return credited(settled, txHash);
  const first = OTHER_VERDICTS.find((verdict) => verdicts.has(verdict));
  if (first) return { kind: first, txHash };
  if (rows.some((row) => row.verdict === null)) return null;
  const ambiguous = rows.some((row) => row.verdict === 'ambiguous');
  return { kind: ambiguous ? 'ambiguous' : 'pays_another', txHash };
}

/** When one transaction has several meanings for the session, the first of these is told. */
const OTHER_VERDICTS = [
  'duplicate',
  'late',
  'after_cancellation',
  'wrong_asset',
  'nothing',
] as const satisfies readonly Verdict[];

function credited(settled: Settled, txHash: string): ReportAnswer {
  const { credited: sum, price } = settled;
  const missing = parseSum(price) - parseSum(sum);
  if (settled.status !== 'paid') {
    return { kind: 'underpaid', txHash, credited: sum, price, missing: formatAmount(missing) };
  }
  const overpaid = missing < 0n ? -missing : 0n;
  return { kind: 'paid', txHash, credited: sum, price, overpaid: formatAmount(overpaid) };
}
