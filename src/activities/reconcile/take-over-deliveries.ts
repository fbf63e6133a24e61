import type { Pool } from 'pg';
import { findForeignDeliveries } from '../../db/unfinished.ts';
import { asideAmong, takeBack } from '../../db/set-aside.ts';
import { classify } from '../../db/sqlstate.ts';
import { takeOver } from '../../db/take-over.ts';
import { tally, untouched } from '../../domain/discrepancy.ts';
import { reasonOf } from '../../domain/failure.ts';
import { asideIfOwn } from '../aside.ts';
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
  const { db, pool } = deps.database;
  const aside = await asideAmong(db, 'take_over', found);
  const tried = found.filter((id) => !aside.has(id));
  const failed = await takeOverOrSplit(pool, tried);
  for (const [id, { error }] of failed)
    if (error !== null) await asideIfOwn(deps, 'take_over', id, error);
  await takeBack(
    db,
    'take_over',
    tried.filter((id) => !failed.has(id)),
  );
  const problems = new Map([...aside, ...[...failed].map(([id, { why }]) => [id, why] as const)]);
  const left = new Map([...problems].map(([id, why]) => [`delivery ${id}`, why]));
  return { ...tally(subjects, left), next };
}

/** Why a delivery is left, by its id; `error` where taking it over failed. */
type Failed = Map<string, { readonly why: string; readonly error: unknown }>;

/** Deliveries that cannot be taken over together are halved until the one that is the reason stands alone. */
async function takeOverOrSplit(pool: Pool, ids: readonly string[]): Promise<Failed> {
  if (ids.length === 0) return new Map();
  try {
    const left = await takeOver(pool, ids);
    return new Map([...left].map(([id, why]) => [id, { why, error: null }]));
  } catch (error) {
    if (classify(error) === 'unknown') throw error;
    if (ids.length === 1) return new Map(ids.map((id) => [id, { why: reasonOf(error), error }]));
    const middle = Math.ceil(ids.length / 2);
    return new Map([
      ...(await takeOverOrSplit(pool, ids.slice(0, middle))),
      ...(await takeOverOrSplit(pool, ids.slice(middle))),
    ]);
  }
}
