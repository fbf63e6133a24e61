import { findSession } from '../../db/sessions.ts';
import { findAccount, registerAccount } from '../../db/watching.ts';
import { activate } from '../../db/worklists.ts';
import type { Deps } from '../deps.ts';
import { registrationAt } from './registration.ts';

/** Watches the account of a session from a ledger before its opening, unless it is watched already. Returns the account. */
export async function watchAccountOf(deps: Deps, sessionId: string): Promise<string> {
  const { db } = deps.database;
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
