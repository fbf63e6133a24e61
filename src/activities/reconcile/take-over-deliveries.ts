import { findForeignDeliveries } from '../../db/discrepancies.ts';
import { takeOver } from '../../db/take-over.ts';
import { tally } from '../../domain/discrepancy.ts';
import type { ReconcileDeps } from './deps.ts';
import type { PageOutcome, PageRequest } from './page.ts';

/** Takes over the webhooks that an older backend has left open: they become deliveries of our events, under their old ids. */
export async function takeOverDeliveries(
  deps: ReconcileDeps,
  { after, dryRun }: PageRequest,
): Promise<PageOutcome> {
  const { found, next } = await findForeignDeliveries(deps.database.db, after);
  const problems = dryRun
    ? new Map(found.map((id) => [id, 'dry run']))
    : await takeOver(deps.database.pool, found);
  const left = new Map([...problems].map(([id, why]) => [`delivery ${id}`, why]));
  return {
    ...tally(
      found.map((id) => `delivery ${id}`),
      left,
    ),
    next,
  };
}
