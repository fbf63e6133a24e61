import {
  askedAbout,
  findSessions,
  stillSo,
  timeProcessing,
  whyLeft,
  type SessionDiscrepancy,
} from '../../db/discrepancies.ts';
import { asideAmong, isItsOwn, takeBack } from '../../db/set-aside.ts';
import { watchedAccount } from '../../db/watching.ts';
import type { LedgerHeader } from '../../domain/evidence.ts';
import { findSession } from '../../db/sessions.ts';
import { foresee } from '../../db/settle.ts';
import { NOTHING, tally, untouched } from '../../domain/discrepancy.ts';
import { reasonOf, Refusal } from '../../domain/failure.ts';
import { asideIfOwn } from '../aside.ts';
import type { Deps } from '../deps.ts';
import { reportSettled } from '../report-settled.ts';
import { takeIntoCare } from '../watch/care.ts';
import { advanceChain } from '../watch/chain.ts';
import { readMissingLedgers } from '../watch/evidence.ts';
import { readAccount } from '../watch/read-account.ts';
import { settleDue } from '../watch/settle-due.ts';
import type { PageOutcome, PageRequest } from './page.ts';

/**
 * Repairs a page of sessions: asks Horizon for what their accounts have received, then settles them. A session whose
 * account cannot be read is left as it is (P6), and one that cannot be settled does not stop the others.
 */
export async function repairSessions(
  deps: Deps,
  kind: SessionDiscrepancy,
  { after, dryRun, thorough }: PageRequest,
): Promise<PageOutcome> {
  const { db } = deps.database;
  const { found, next } = await findSessions(db, kind, { after, thorough });
  const subjects = found.map(nameOf);
  if (found.length === 0) return { ...NOTHING, next };
  if (dryRun) return { ...untouched(kind, subjects, await foreseen(deps, found)), next };
  const aside = await asideAmong(db, 'settle', found);
  const tried = found.filter((id) => !aside.has(id));
  const problems = new Map([...aside, ...(await repair(deps, kind, tried))]);
  // One that a person is asked about from now on will not be found again, and is not repaired all the same.
  // Nor is one that is set aside, whatever its row looks like meanwhile.
  const remaining = new Set([
    ...(await stillSo(db, kind, found)),
    ...(await askedAbout(db, kind, found)),
    ...(await asideAmong(db, 'settle', found)).keys(),
  ]);
  const why = await whyLeft(db, [...remaining]);
  const left = new Map(
    [...remaining].map((id) => [nameOf(id), problems.get(id) ?? why.get(id) ?? 'it is gone']),
  );
  return { ...tally(subjects, left), next };
}

const nameOf = (sessionId: string) => `session ${sessionId}`;

/** What settling these sessions would make of them, by what is read already; nothing is written. */
async function foreseen(deps: Deps, ids: readonly string[]): Promise<Map<string, string>> {
  const seen = new Map<string, string>();
  for (const id of ids) {
    const settled = await foresee(deps.database.db, id).catch(reasonOf);
    if (typeof settled === 'string') seen.set(nameOf(id), `but: ${settled}`);
    else if (settled !== null && settled.from !== settled.status) {
      seen.set(nameOf(id), `by what is read so far: ${settled.from} → ${settled.status}`);
    }
  }
  return seen;
}

/** Returns why a session could not be repaired, by id. */
async function repair(
  deps: Deps,
  kind: SessionDiscrepancy,
  found: readonly string[],
): Promise<Map<string, string>> {
  // What settle finds out without the ledger (old rows, above all) needs no request to Horizon.
  const problems =
    kind === 'unsettled_payment' ? await settle(deps, found) : await readFor(deps, kind, found);
  const readable = found.filter((id) => !problems.has(id));
  if (kind === 'stuck_processing') await timeEach(deps, readable);
  const failed = await settle(deps, readable);
  // Whoever wrote the row, its money must be in the inbox. What cannot be read now does not undo the repair.
  if (kind === 'unsettled_payment') await readFor(deps, kind, readable);
  if (kind === 'foreign_ending' || kind === 'overdue') {
    try {
      const { newest } = await advanceChain(deps);
      await readMissingLedgers(deps, newest, deps.draining);
      await settleDue(deps);
    } catch (error) {
      deps.log.warn({ err: error }, 'Ledgers could not be read whole; the watcher tries again.');
    }
  }
  return new Map([...problems, ...failed]);
}

/** Reads the sessions' accounts up to now. An ending older than what is read back is settled first: it asks nothing. */
async function readFor(
  deps: Deps,
  kind: SessionDiscrepancy,
  found: readonly string[],
): Promise<Map<string, string>> {
  const { db } = deps.database;
  const problems = new Map<string, string>();
  if (kind === 'foreign_ending') await settle(deps, found);
  const sessions = kind === 'foreign_ending' ? await stillSo(db, kind, found) : found;
  let newest: LedgerHeader;
  try {
    ({ newest } = await advanceChain(deps));
  } catch (error) {
    return new Map(sessions.map((id) => [id, reasonOf(error)]));
  }
  const accounts = new Map<string, string[]>();
  for (const id of sessions) {
    try {
      await takeIntoCare(deps, id);
      const { receivingAccount: account } = await findSession(db, id);
      accounts.set(account, [...(accounts.get(account) ?? []), id]);
    } catch (error) {
      problems.set(id, reasonOf(error));
      if (!(error instanceof Refusal)) await asideIfOwn(deps, 'follow', id, error);
    }
  }
  for (const [account, ids] of accounts) {
    const problem = await readToTheEnd(deps, account, newest).catch(reasonOf);
    if (problem !== null) for (const id of ids) problems.set(id, problem);
  }
  await settleDue(deps);
  return problems;
}

async function readToTheEnd(
  deps: Deps,
  account: string,
  newest: LedgerHeader,
): Promise<string | null> {
  for (;;) {
    const watched = await watchedAccount(deps.database.db, account);
    if (watched === null) return `${account} is not watched.`;
    const options = { newest, isShown: true, thorough: true, signal: deps.draining };
    const { pages, isAtEnd, problem } = await readAccount(deps, watched, options);
    if (problem !== null || isAtEnd) return problem;
    // Another reader is at it: what it reads is what we would read.
    if (pages === 0) return null;
  }
}

/** Together; where one of them is the reason that this fails, each by itself. That one is told when it is settled. */
async function timeEach(deps: Deps, ids: readonly string[]): Promise<void> {
  const { db } = deps.database;
  try {
    await timeProcessing(db, ids);
  } catch (error) {
    if (!isItsOwn(error)) throw error;
    for (const id of ids) {
      await timeProcessing(db, [id]).catch((own: unknown) => asideIfOwn(deps, 'settle', id, own));
    }
  }
}

async function settle(deps: Deps, ids: readonly string[]): Promise<Map<string, string>> {
  const failed = new Map<string, string>();
  const settled: string[] = [];
  for (const [id, result] of await deps.queue.settleAll(ids)) {
    if (result instanceof Error) {
      deps.log.error({ sessionId: id, err: result }, 'A session could not be repaired.');
      failed.set(id, reasonOf(result));
      await asideIfOwn(deps, 'settle', id, result);
    } else {
      settled.push(id);
      reportSettled(deps, result);
    }
  }
  await takeBack(deps.database.db, 'settle', settled);
  return failed;
}
