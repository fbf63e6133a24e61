import { registerAccount } from '../../db/watching.ts';
import { activate, discoverSessions } from '../../db/worklists.ts';
import { findSession } from '../../db/sessions.ts';
import type { Deps } from '../deps.ts';
import { registrationAt } from './registration.ts';

/** How far back the first turn of a stretch looks for sessions of the backend; older ones are reconciliation's to find. */
const FIRST_LOOK_BACK_MS = 24 * 60 * 60 * 1000;
/** Every later turn: longer than any transaction that might still insert a session with an older created_at. */
const LOOK_BACK_MS = 10 * 60 * 1000;

/**
 * Takes sessions into care that a backend wrote without telling anybody: their accounts are watched from a ledger
 * before their opening, and their workflows are woken.
 */
export async function discoverForeignSessions(deps: Deps, firstTurn: boolean): Promise<void> {
  const { db } = deps.database;
  const since = new Date(Date.now() - (firstTurn ? FIRST_LOOK_BACK_MS : LOOK_BACK_MS));
  const watched = new Set<string>();
  for (const found of await discoverSessions(db, since)) {
    const row = await findSession(db, found.id);
    if (!found.watched && !watched.has(found.account)) {
      await registerAccount(db, await registrationAt(deps, found.account));
      watched.add(found.account);
    }
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
    deps.log.info({ sessionId: row.id }, 'A session of the backend is taken into care.');
  }
}
