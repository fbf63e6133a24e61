/** Where reconciliation looks for running totals of sessions that are not those of their payments, and how it forgets them. */
import { isDeepStrictEqual } from 'node:util';
import { sql } from 'drizzle-orm';
import { formatAmount } from '../domain/money.ts';
import { inSnapshot } from './audit-snapshot.ts';
import type { Db } from './connection.ts';
import { parseStored } from './inbox-payment.ts';
import { START, type Finding } from './paging.ts';
import { ARE_OF_SESSION, countAnew, type StoredTotals } from './session-totals.ts';

/** Sessions in one page; each has more payments than are read whole. */
const PAGE = 50;
/** Payments that are counted for one page, if they are not of one session: some seconds. */
const COUNTED_AT_ONCE = 200_000;

/** Totals that are not those of the session's payments, as they stand in their row. */
export type WrongTotals = { readonly sessionId: string; readonly totals: string };

/**
 * Finds a page of wrong totals, of sessions that are gone, too. It counts every payment of these sessions. `after` is the
 * `next` of the page before; null for the first.
 */
export async function findWrongTotals(db: Db, after: string | null): Promise<Finding<WrongTotals>> {
  const { rows } = await db.execute<{ id: string }>(sql`
    SELECT t.session_id AS id FROM settlement.session_totals t
    WHERE t.session_id > ${after ?? START.id}::uuid ORDER BY t.session_id LIMIT ${PAGE}`);
  const found: WrongTotals[] = [];
  let counted = 0;
  for (const [i, { id }] of rows.entries()) {
    const { payments, wrong } = await inSnapshot(db, (snapshot) => lookAt(snapshot, id));
    if (wrong !== null) found.push(wrong);
    counted += payments;
    if (counted > COUNTED_AT_ONCE && i < rows.length - 1) return { found, next: id };
  }
  return { found, next: rows.length < PAGE ? null : (rows.at(-1)?.id ?? null) };
}

async function lookAt(
  db: Db,
  id: string,
): Promise<{ payments: number; wrong: WrongTotals | null }> {
  const { rows } = await db.execute<{ totals: string }>(sql`
    SELECT t.totals::text AS totals FROM settlement.session_totals t
    WHERE t.session_id = ${id} AND (NOT EXISTS (SELECT FROM checkout_sessions s WHERE s.id = t.session_id)
      -- Those of another account, reference, price or deadline are void: settling does not read them.
      OR EXISTS (SELECT FROM checkout_sessions s WHERE ${ARE_OF_SESSION}))`);
  const [row] = rows;
  if (row === undefined) return { payments: 0, wrong: null };
  const right = await countAnew(db, id);
  const payments = Object.values(right.counts).reduce((sum, n) => sum + n, 0);
  const isRight = isSame(row.totals, right);
  return { payments, wrong: isRight ? null : { sessionId: id, totals: row.totals } };
}

function isSame(stored: string, right: StoredTotals): boolean {
  try {
    return isDeepStrictEqual(comparable(JSON.parse(stored) as StoredTotals), comparable(right));
  } catch {
    // What cannot be read is not right.
    return false;
  }
}

/** PostgreSQL writes a sum of nothing as `0`, and JSON keeps no order of keys. */
function comparable(stored: StoredTotals) {
  const { misjudged: _, ...totals } = stored;
  const amount = (decimal: string) => formatAmount(parseStored(decimal));
  const { credited, everCredited, completed, afterCancellation: after, held } = totals;
  return {
    ...totals,
    credited: amount(credited),
    everCredited: amount(everCredited),
    completed: amount(completed),
    afterCancellation: after && { ...after, amount: amount(after.amount) },
    held: Object.fromEntries(
      Object.entries(held).map(([verdict, of]) => [
        verdict,
        { ...of, sums: of.sums.map((sum) => ({ ...sum, amount: amount(sum.amount) })) },
      ]),
    ),
  };
}

/** Forgets totals that still stand as they were found; settling counts the payments anew. */
export async function forgetTotals(db: Db, wrong: readonly WrongTotals[]): Promise<void> {
  await db.execute(sql`
    DELETE FROM settlement.session_totals t
    USING jsonb_to_recordset(${JSON.stringify(wrong)}::jsonb) AS w("sessionId" uuid, totals text)
    WHERE t.session_id = w."sessionId" AND t.totals = w.totals::jsonb`);
}
