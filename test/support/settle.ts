/** Settling as a worker does it: through the queue of a process. */
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from 'pg';
import * as schema from '../../src/db/schema/index.ts';
import type { Settled } from '../../src/db/settle.ts';
import { createSettleQueue } from '../../src/db/settle-queue.ts';

/**
 * Settles sessions until nothing of them is left to settle, each call in a queue of its own. Sessions that do not exist are
 * left out. @throws what a session could not be settled for
 */
export async function settleTogether(
  pool: Pool,
  sessionIds: readonly string[],
): Promise<{ value: Map<string, Settled>; retries: number }> {
  let retries = 0;
  const queue = createSettleQueue(
    { pool, db: drizzle(pool, { schema }) },
    (cost) => void (retries += cost.retries),
  );
  const value = new Map<string, Settled>();
  for (let ids = sessionIds; ids.length > 0;) {
    const more: string[] = [];
    for (const [id, settled] of await queue.settleAll(ids)) {
      if (settled instanceof Error) throw settled;
      value.set(id, settled);
      if (settled.isMore) more.push(id);
    }
    ids = more;
  }
  return { value, retries };
}
