/** Waiting until nothing is left to do, and looking at what anybody could see meanwhile. */
import { setTimeout as sleep } from 'node:timers/promises';
import { readBooks, type Books, type Movement } from '../books/ledger.ts';
import type { Stack } from './stack.ts';
import { collect, type Part } from './violation.ts';
import type { RoundSession, Workload } from './workload.ts';

/** How long after everything is well again. A wake that was lost with its worker is repeated after a minute. */
const REST_WITHIN_MS = 200_000;

/** How often a snapshot is taken. */
const SNAPSHOT_EVERY_MS = 200;

/** Looks at the round's sessions in one snapshot after the other until `over`; what no snapshot may show, in words. */
export async function watchAlways(
  stack: Stack,
  sessions: readonly RoundSession[],
  over: AbortSignal,
): Promise<Part> {
  const part = collect();
  const ended = new Map<string, string>();
  for (; !over.aborted; await sleep(SNAPSHOT_EVERY_MS)) {
    const rows = await stack.rows<{ id: string; status: string; halves: string }>(
      `SELECT s.id::text, status, concat_ws(' ', CASE WHEN status = 'paid' THEN 'status' END,
          (SELECT 'row' FROM payments p WHERE p.session_id = s.id LIMIT 1),
          (SELECT 'event' FROM settlement.events e
            WHERE e.session_id = s.id AND e.type = 'payment.confirmed')) AS halves
       FROM checkout_sessions s
       WHERE id = ANY($1) AND (status = 'paid' OR closed_through_ledger IS NOT NULL)`,
      [sessions.map(({ id }) => id)],
    );
    for (const { id, status, halves } of rows) {
      const whole = halves === '' || halves === 'status row event';
      part.must(whole, 'always', `session ${id} was seen as paid by its ${halves} alone.`);
      const before = ended.get(id) ?? status;
      part.must(
        before === status,
        'always',
        `session ${id} had ended as ${before}, and then was ${status}.`,
      );
      ended.set(id, status);
      const entry = stack.diary.entry(id);
      if (entry) entry.over ??= { status, by: stack.diary.head() };
    }
  }
  return part;
}

/** Waits until nothing is left to do for these sessions. Returns the milliseconds, or what is left. */
export async function rest(
  stack: Stack,
  { sessions }: Workload,
): Promise<{ ms: number } | { left: string }> {
  const started = Date.now();
  const ids = sessions.map(({ id }) => id);
  let left = '';
  let skippedAt = 0;
  let isQuiet = false;
  while (Date.now() - started < REST_WITHIN_MS) {
    const due: string[] = isQuiet ? expected(stack).due.map(({ key }) => key) : [];
    const [row] = await stack.rows<{
      open: number;
      active: number;
      undecided: number;
      inbox: number;
    }>(
      `SELECT (SELECT count(*)::int FROM checkout_sessions WHERE id = ANY($1)
          AND status <> 'paid' AND closed_through_ledger IS NULL) AS open,
        (SELECT count(*)::int FROM settlement.active_sessions WHERE session_id = ANY($1)) AS active,
        (SELECT count(*)::int FROM settlement.undecided_payments) AS undecided,
        (SELECT count(*)::int FROM settlement.ledger_payments
          WHERE concat_ws(':', tx_hash, op_index, sub_index) = ANY($2)) AS inbox`,
      [ids, due],
    );
    left = JSON.stringify({ ...row, due: due.length });
    const wasQuiet = isQuiet;
    isQuiet = row?.open === 0 && row.active === 0 && row.undecided === 0;
    if (isQuiet && wasQuiet && row?.inbox === due.length) return { ms: Date.now() - started };
    // Pauses of the retry schedule last hours. They are cut short here, as if the time had passed.
    if (Date.now() - skippedAt > 2_000) {
      skippedAt = Date.now();
      await skipPauses(stack, ids);
    }
    await sleep(100);
  }
  return { left };
}

async function skipPauses(stack: Stack, ids: readonly string[]): Promise<void> {
  await stack.rows(
    `UPDATE settlement.endpoint_state SET paused_until = now() WHERE paused_until > now()`,
  );
  const waiting = await stack.rows<{ id: string }>(
    `UPDATE webhook_deliveries SET next_retry_at = now() WHERE session_id = ANY($1)
       AND status IN ('pending', 'failed') AND next_retry_at > now() + interval '10 seconds'
     RETURNING session_id::text AS id`,
    [ids],
  );
  for (const { id } of waiting) await stack.client.wake(id).catch(() => undefined);
}

/** The books as they are now, and of their movements those that must be in the inbox: all since the account is watched. */
export function expected({ ledger, diary }: Stack): { books: Books; due: Movement[] } {
  const books = readBooks(ledger.chain);
  const watched = diary.watchedAfter();
  const due = books.movements.filter((m) => m.ledger > (watched.get(m.account) ?? Infinity));
  return { books, due };
}
