import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { storeFindings } from '../db/inbox.ts';
import { inboxByHash, recordAnswer, recordReport } from '../db/reports.ts';
import { findSession } from '../db/sessions.ts';
import type { Settled } from '../db/settle.ts';
import { formatAmount, parseSum } from '../domain/money.ts';
import { reasonOf } from '../domain/failure.ts';
import type { Verdict } from '../domain/judge.ts';
import type { ReportAnswer } from '../workflows/contract.ts';
import type { Deps } from './deps.ts';
import { settleSession } from './report-settled.ts';

/** `wait`: look again for a while when the ledger does not show it yet. */
export type ReportInput = { sessionId: string; txHash: string; wait: boolean };

/** How long a report is looked for before the answer is `not on the ledger`: two ledgers. */
const LOOK_FOR_MS = 10_000;
const LOOK_EVERY_MS = 1_000;

/**
 * Proves a report on the ledger: fetches the transaction, stores what it moves, settles, and says what it means for
 * the session. Never credits on the reporter's word; what Horizon does not show stays unknown.
 */
export async function proveReport(deps: Deps, input: ReportInput): Promise<ReportAnswer> {
  const { sessionId, txHash } = input;
  const session = await findSession(deps.database.db, sessionId);
  const times = await recordReport(deps.database.db, sessionId, txHash);
  if (times > 1) deps.log.warn({ sessionId, txHash, times }, 'A transaction was reported again.');
  const until = Date.now() + (input.wait ? LOOK_FOR_MS : 0);
  const signal = Context.current().cancellationSignal;
  let answer = await ask(deps, session.receivingAccount, input);
  while ((answer.kind === 'not_on_ledger' || answer.kind === 'unknown') && Date.now() < until) {
    await sleep(LOOK_EVERY_MS, undefined, { signal });
    answer = await ask(deps, session.receivingAccount, input);
  }
  if (answer.kind !== 'not_on_ledger' && answer.kind !== 'unknown') {
    await recordAnswer(deps.database.db, { sessionId, txHash, times }, answer.kind, null);
  }
  await settleSession(deps, sessionId);
  deps.log.info({ sessionId, txHash, answer: answer.kind }, 'A report was answered.');
  return answer;
}

async function ask(
  deps: Deps,
  account: string,
  { sessionId, txHash }: ReportInput,
): Promise<ReportAnswer> {
  const known = await answerFromInbox(deps, sessionId, txHash);
  if (known !== null) return known;
  try {
    const found = await deps.source.transaction(txHash, new Set([account]));
    if (found.kind === 'not_found') {
      const asOfLedger = found.asOfLedger ?? (await deps.source.head()).latestLedger;
      return { kind: 'not_on_ledger', txHash, asOfLedger };
    }
    if (!found.successful) return { kind: 'failed', txHash };
    await storeFindings(deps.database.pool, found);
  } catch (error) {
    deps.log.warn({ sessionId, txHash, err: error }, 'Horizon could not be asked about a report.');
    return {
      kind: 'unknown',
      txHash,
      reason: reasonOf(error),
    };
  }
  return (await answerFromInbox(deps, sessionId, txHash)) ?? { kind: 'pays_another', txHash };
}

/** What the inbox says about the transaction after a settle; null while it knows nothing of it. */
async function answerFromInbox(
  deps: Deps,
  sessionId: string,
  txHash: string,
): Promise<ReportAnswer | null> {
  const before = await inboxByHash(deps.database.db, txHash);
  if (before.length === 0) return null;
  const settled = await settleSession(deps, sessionId);
  const rows = await inboxByHash(deps.database.db, txHash);
  const ours = rows.filter((row) => row.sessionId === sessionId);
  const verdicts = new Set(ours.map((row) => row.verdict));
  if (verdicts.has('credited') && settled) return credited(settled, txHash);
  const first = OTHER_VERDICTS.find((verdict) => verdicts.has(verdict));
  if (first) return { kind: first, txHash };
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
