/** Everything that is held, as `settle payments held --all` lists it, the oldest first. */
import type { Db } from '../../src/db/connection.ts';
import type { HeldPayment } from '../../src/db/held.ts';
import { everyHeld } from '../../src/db/held-strays.ts';

export async function heldPayments(db: Db, account: string | null = null): Promise<HeldPayment[]> {
  const held: HeldPayment[] = [];
  for await (const page of everyHeld(db, account)) held.push(...page);
  return held.sort((a, b) => a.closedAt.localeCompare(b.closedAt));
}
