import type { Pool } from 'pg';
import { findForeignDeliveries } from '../../db/unfinished.ts';
import { classify } from '../../db/sqlstate.ts';
import { takeOver } from '../../db/take-over.ts';
import { tally, untouched } from '../../domain/discrepancy.ts';
import { reasonOf } from '../../domain/failure.ts';
import type { ReconcileDeps } from './deps.ts';
import type { PageOutcome, PageRequest } from './page.ts';

/** Takes over the webhooks that an older backend has left open: they become deliveries of our events, under their old ids. */
export async function takeOverDeliveries(
  deps: ReconcileDeps,
  { after, dryRun }: PageRequest,
): Promise<PageOutcome> {
  const { found, next } = await findForeignDeliveries(deps.database.db, after);
  const subjects = found.map((id) => `delivery ${id}`);
  if (dryRun) return { ...untouched('foreign_delivery', subjects), next };
  const problems = await takeOverOrSplit(deps.database.pool, found);
  const left = new Map([...problems].map(([id, why]) => [`delivery ${id}`, why]));
  return { ...tally(subjects, left), next };
}

/** Deliveries that cannot be taken over together are halved until the one that is the reason stands alone. */
async function takeOverOrSplit(pool: Pool, ids: readonly string[]): Promise<Map<string, string>> {
  try {
    return await takeOver(pool, ids);
  } catch (error) {
    if (classify(error) === 'unknown') throw error;
    if (ids.length === 1) return new Map(ids.map((id) => [id, reasonOf(error)]));
    const middle = Math.ceil(ids.length / 2);
    return new Map([
      ...(await takeOverOrSplit(pool, ids.slice(0, middle))),
      ...(await takeOverOrSplit(pool, ids.slice(middle))),
    ]);
  }
}
