import { isItsOwnBesideOthers, setAside, type AsideKind } from '../db/set-aside.ts';
import type { Deps } from './deps.ts';

/**
 * Sets a subject aside when its error is its own: it is counted, logged, and asked about. Returns whether that was so; otherwise
 * the caller tells what happened.
 */
export async function asideIfOwn(
  { database, counters, log }: Pick<Deps, 'database' | 'counters' | 'log'>,
  kind: AsideKind,
  subject: string,
  error: unknown,
): Promise<boolean> {
  if (!isItsOwnBesideOthers(error)) return false;
  counters.setAside(kind);
  log.error(
    { event: 'set_aside', kind, subject, err: error },
    'It failed by itself and is set aside.',
  );
  await setAside(database.db, kind, subject, error);
  return true;
}
