/** Everything that is held, as `settle payments held --all` lists it, the oldest first. */
import type { Db } from '../../src/db/connection.ts';
import { heldOfSession, heldSessions, type HeldPayment } from '../../src/db/held.ts';
import { heldOfGone, heldWithoutSession } from '../../src/db/held-strays.ts';

export async function heldPayments(db: Db, account: string | null = null): Promise<HeldPayment[]> {
  const held: HeldPayment[] = [];
  for await (const page of heldWithoutSession(db, account)) held.push(...page);
  for await (const page of heldOfGone(db, account)) held.push(...page);
  for (let after: string | null = null; ;) {
    const { found, next } = await heldSessions(db, account, after);
    for (const { sessionId } of found) {
      for await (const page of heldOfSession(db, sessionId)) held.push(...page);
    }
    if (next === null) break;
    after = next;
  }
  return held.sort((a, b) => a.closedAt.localeCompare(b.closedAt));
}
