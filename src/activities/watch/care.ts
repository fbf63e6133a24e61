import { findSession } from '../../db/sessions.ts';
import { findAccount, registerAccount } from '../../db/watching.ts';
import { rowProblem } from '../../db/session-row.ts';
import { activate } from '../../db/worklists.ts';
import { Refusal } from '../../domain/failure.ts';
import { rowProblemInWords } from '../../domain/row-check.ts';
import type { Deps } from '../deps.ts';
import { registrationAt } from './registration.ts';

/**
 * Watches the account of a session from a ledger before its opening, unless it is watched already. Returns the account.
 * A row that is no session is settled, which asks a person, and its account is left alone.
 * @throws Refusal InvalidInput for such a row
 */
export async function watchAccountOf(deps: Deps, sessionId: string): Promise<string> {
  const { db } = deps.database;
  const problem = await rowProblem(db, sessionId);
  if (problem !== null) {
    await deps.queue.settle(sessionId);
    throw new Refusal('InvalidInput', rowProblemInWords(problem), problem.field);
  }
  const { receivingAccount } = await findSession(db, sessionId);
  if ((await findAccount(db, receivingAccount)) === null) {
    await registerAccount(db, await registrationAt(deps, receivingAccount));
  }
  return receivingAccount;
}

/**
 * Takes a session into care that a backend wrote without telling anybody: its account is watched, and it stands in the
 * work list, so that its workflow is woken and its end is awaited.
 */
export async function takeIntoCare(deps: Deps, sessionId: string): Promise<void> {
  const { db } = deps.database;
  await watchAccountOf(deps, sessionId);
  const row = await findSession(db, sessionId);
  await activate(
    db,
    {
      id: row.id,
      receivingAccount: row.receivingAccount,
      asset: { code: row.assetCode, issuer: row.assetIssuer },
      expiresAt: row.expiresAt,
      cancelAt: row.cancelAt,
    },
    { wake: true },
  );
  deps.log.info({ sessionId }, 'A session of the backend is taken into care.');
}
