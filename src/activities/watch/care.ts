import { randomUUID } from 'node:crypto';
import {
  placeOpening,
  surelyBefore,
  takeSeen,
  unseenSessions,
  type Unseen,
} from '../../db/care.ts';
import { isItsOwn, setAside, takeBack } from '../../db/set-aside.ts';
import { errorCode } from '../../db/sqlstate.ts';
import { lastLedgerBefore } from '../../db/ledgers.ts';
import { findSession } from '../../db/sessions.ts';
import { isWatchedFrom, registerAccount } from '../../db/watching.ts';
import { rowProblem } from '../../db/session-row.ts';
import { Refusal } from '../../domain/failure.ts';
import { rowProblemInWords, type RowProblem } from '../../domain/row-check.ts';
import { reached } from '../../metrics/bounds.ts';
import type { Deps } from '../deps.ts';
import { extendChainBack, type ChainDeps } from './chain.ts';

/** The chain is still being read back to the opening of a session; the next turn goes on. */
class NotReadBackYet extends Error {
  override readonly name = 'NotReadBackYet';
  constructor(sessionId: string) {
    super(
      `The ledgers are still being read back to the opening of session ${sessionId}. Ask again.`,
    );
  }
}

/** Ledgers closed faster than this on no network yet: where the chain ends, an opening is dated too early, never too late. */
const SHORTEST_LEDGER_MS = 1_000;

/** Watches an account from behind a ledger on, unless it is read from there already. */
export async function watchAccount(
  deps: Pick<Deps, 'database'>,
  account: string,
  afterLedger: number,
): Promise<void> {
  const { db } = deps.database;
  if (await isWatchedFrom(db, account, afterLedger)) return;
  await registerAccount(db, { account, start: { afterLedger, known: null } });
}

/**
 * Takes a session into care that the backend wrote by itself, or edited: its opening is dated by the ledger, its account is
 * watched from there, and it stands in the work list as its row is now.
 * @throws Refusal InvalidInput for a row that is not a session: a person is asked, and its account is left alone
 */
export async function takeIntoCare(deps: Deps, sessionId: string): Promise<void> {
  const problem = await takeUp(deps, sessionId);
  if (problem === null) return;
  await deps.queue.settle(sessionId);
  throw new Refusal('InvalidInput', rowProblemInWords(problem), problem.field);
}

async function takeUp(
  deps: Deps,
  sessionId: string,
  mayReadBack = true,
): Promise<RowProblem | null> {
  const { db } = deps.database;
  const problem = await rowProblem(db, sessionId);
  if (problem === null) {
    const row = await findSession(db, sessionId);
    const openedAfter = row.openedAfter ?? (await dateOpening(deps, sessionId, mayReadBack));
    if (openedAfter === null) throw new NotReadBackYet(sessionId);
    await watchAccount(deps, row.receivingAccount, openedAfter);
  }
  await takeSeen(db, [sessionId]);
  return problem;
}

/**
 * A ledger that surely closed before a session was opened of which only `created_at` is known; null while the chain is still
 * being read back to there.
 */
async function dateOpening(
  deps: ChainDeps,
  sessionId: string,
  mayReadBack: boolean,
): Promise<number | null> {
  const { db } = deps.database;
  const { time, readBackTo } = await surelyBefore(db, sessionId);
  const known = await lastLedgerBefore(db, time);
  if (known !== null) return placeOpening(db, sessionId, known.sequence);
  if (!mayReadBack) return null;
  const { first, isDone } = await extendChainBack(deps, readBackTo);
  const before = await lastLedgerBefore(db, time);
  if (before !== null) return placeOpening(db, sessionId, before.sequence);
  if (!isDone || first === null) return null;
  const earlier = Math.ceil((first.closedAt.getTime() - time.getTime()) / SHORTEST_LEDGER_MS);
  return placeOpening(db, sessionId, Math.max(first.sequence - earlier, 1));
}

/**
 * Sessions of the backend that are looked at in a turn, some ten statements each. The ledger is read before the next ones: a
 * backend that writes thousands at once delays nobody's payment by more than a fraction of a second.
 */
export const FOLLOWED_PER_TURN = 100;

const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/** Those of a turn, from a place that is drawn: sessions that must wait do not stand before the others in every turn. */
async function unseenOfTurn({ database: { db } }: Pick<Deps, 'database'>): Promise<Unseen[]> {
  const from = randomUUID();
  const page = await unseenSessions(db, from);
  const rest = page.length < FOLLOWED_PER_TURN ? await unseenSessions(db, FIRST_ID) : [];
  return [...page, ...rest.filter(({ id }) => id <= from)].slice(0, FOLLOWED_PER_TURN);
}

/**
 * Follows what the backend wrote since the last time, up to `FOLLOWED_PER_TURN` sessions. One that cannot be taken in does
 * not stop the others; it is found again by a later turn. `onFollowed` is called for each session whose row is to be
 * settled anew.
 */
export async function followBackend(
  deps: Deps,
  onFollowed: (sessionId: string) => void,
  signal: AbortSignal = deps.draining,
): Promise<void> {
  let mayReadBack = true;
  const unseen = await unseenOfTurn(deps);
  if (unseen.length >= FOLLOWED_PER_TURN) reached('followed');
  const followed: string[] = [];
  for (const session of unseen) {
    if (signal.aborted) break;
    const outcome = await follow(deps, session, mayReadBack);
    if (outcome === 'followed') {
      followed.push(session.id);
      onFollowed(session.id);
    }
    // The chain is read back once a turn, however many sessions wait for it.
    if (outcome === 'waits') mayReadBack = false;
  }
  await takeBack(deps.database.db, 'follow', followed);
}

async function follow(
  deps: Deps,
  session: Unseen,
  mayReadBack: boolean,
): Promise<'followed' | 'waits' | 'failed'> {
  try {
    // What ended before our time stands by its row: nothing is read for it.
    if (session.isHistory && session.openedAfter === null) {
      await takeSeen(deps.database.db, [session.id]);
    } else await takeUp(deps, session.id, mayReadBack);
    deps.log.info({ sessionId: session.id }, 'A session of the backend is taken into account.');
    return 'followed';
  } catch (error) {
    if (error instanceof NotReadBackYet) return 'waits';
    // A Horizon that does not answer, as little as a database that is away, is no fault of the session.
    if (errorCode(error) !== null && isItsOwn(error)) {
      await setAside(deps.database.db, 'follow', session.id, error);
      deps.counters.setAside('follow');
    }
    deps.log.error(
      { sessionId: session.id, err: error },
      'A session of the backend could not be taken into account; it is tried again.',
    );
    return 'failed';
  }
}
