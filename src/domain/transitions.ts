/**
 * Which changes of a session's status there may be, and who makes them. Settle writes each of its own into the session's
 * journal, so what the journal does not explain was written by somebody else. Pure.
 */
import type { SessionStatus } from './session.ts';

type Reasons = Readonly<Record<SessionStatus, Readonly<Partial<Record<SessionStatus, string>>>>>;

/** What settle may change, from what to what, and why. Whatever is absent never happens. */
const BY_SETTLE: Reasons = {
  pending: {
    processing: 'a report is under way',
    paid: 'the price is credited, or a payments row was found',
    expired: 'its deadline is covered, and it is short',
    cancelled: 'its cancellation is covered, and it is short',
  },
  processing: {
    pending: 'the report was answered, or is older than two minutes',
    paid: 'the price is credited, or a payments row was found',
    expired: 'its deadline is covered, and it is short',
    cancelled: 'its cancellation is covered, and it is short',
  },
  expired: {
    paid: 'on-time money was found after the ending, or a payments row',
    expired: 'an ending that somebody else wrote is proven now',
    cancelled: 'somebody else called it expired; its cancellation came first',
  },
  cancelled: {
    paid: 'the money came before a cancellation that was not proven, or a payments row was found',
    cancelled: 'a cancellation that somebody else wrote is proven now',
    expired: 'somebody else called it cancelled; its deadline came first',
  },
  // Money that has arrived stays arrived.
  paid: {},
};

/** What the older backend's API may write beside us (docs/adoption.md): no entry of the journal, and no ending yet. */
const BY_BACKEND: Reasons = {
  pending: {
    processing: 'a payment was reported to it',
    expired: 'it was read after its deadline',
    cancelled: 'its merchant cancelled it',
  },
  processing: {
    pending: 'it gave a report up',
    expired: 'it was read after its deadline',
    cancelled: 'its merchant cancelled it',
  },
  expired: {},
  cancelled: {},
  paid: {},
};

/** What an entry comes from when the row of a session was deleted, and a client has opened it again under its id. */
export const DELETED = 'deleted';

/** One entry of a session's journal. Operators' and clients' notes name the status they found twice. */
export type JournalEntry = {
  readonly from: string;
  readonly to: string;
  readonly actor: string;
};

/** What a session's row says that the end of its journal must explain. */
export type JournaledSession = {
  readonly status: SessionStatus;
  /** The ledger of an ending of ours; null without one. */
  readonly closedThroughLedger: number | null;
  /** Settle has found the payments row by which it is paid, or that it ended before our time. */
  readonly isKnown: boolean;
};

/** What a journal shows: changes that must not be, and changes that somebody else made. In words, without a subject. */
export type JournalReading = { readonly forbidden: string[]; readonly foreign: string[] };

/**
 * Reads a session's journal (in its order) against its row. A gap between two entries is somebody else's write; settle
 * has looked at the session since, so it breaks nothing, but it is named. A row that the last entry does not
 * explain is forbidden, unless the older backend may write just that, or settle knows of it.
 */
export function readJournal(
  row: JournaledSession,
  journal: readonly JournalEntry[],
): JournalReading {
  const forbidden: string[] = [];
  const foreign: string[] = [];
  let last: string | null = null;
  for (const { from, to, actor } of journal) {
    const isNote = from === to && actor !== 'settle';
    if (isNote) continue;
    if (from === 'none') {
      if (last !== null || to !== 'pending') {
        forbidden.push(`was opened as ${to}${last === null ? '' : `, after it had been ${last}`}.`);
      }
    } else if (from === DELETED && to === 'pending') {
      foreign.push(`was deleted by somebody else after it had been ${last}, and opened again.`);
    } else if (actor !== 'settle') {
      forbidden.push(`was changed from ${from} to ${to} by ${actor}: only settle may do that.`);
    } else if (!isAllowed(BY_SETTLE, from, to)) {
      forbidden.push(`was changed from ${from} to ${to} by settle, which nothing allows.`);
    }
    if (last !== null && from !== 'none' && from !== DELETED && from !== last) {
      foreign.push(
        `was changed from ${last} to ${from} by somebody else; settle has seen it since.`,
      );
    }
    last = to;
  }
  if (last === null || last === row.status) return { forbidden, foreign };
  const change = `was changed from ${last} to ${row.status} by somebody else`;
  const unproven = row.closedThroughLedger === null && isAllowed(BY_BACKEND, last, row.status);
  if (unproven || row.isKnown) foreign.push(`${change}.`);
  else forbidden.push(`${change}: its journal ends with ${last}.`);
  return { forbidden, foreign };
}

function isAllowed(reasons: Reasons, from: string, to: string): boolean {
  const allowed: Readonly<Record<string, string>> | undefined = reasons[from as SessionStatus];
  return allowed?.[to] !== undefined;
}
