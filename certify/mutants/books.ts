/**
 * Breakages of each source of truth that the books (certify/books) must see by themselves: what is proven, judged, compared
 * with the deadline, told, and when a cancellation counts. Played on the simulation alone, no other test.
 */
import type { Mutant } from './list.ts';

const MODEL = ['--part', 'model'];
const POSTGRES = ['--part', 'postgres'];
const EVENT = 'src/domain/event.ts';
const JUDGE = 'src/domain/judge.ts';
const SETTLE = 'src/domain/settle.ts';

/** Those of which no row of the product's own may be taken for right. */
export const BOOKS_MUTANTS: readonly Mutant[] = [
  {
    name: 'by the books: an ending rests on pages',
    edits: [
      {
        file: SETTLE,
        from: 'coverage.provenThrough >= coverage.endLedger - 1 ?',
        to: 'coverage.readThrough >= coverage.endLedger - 1 ?',
      },
    ],
    slice: MODEL,
  },
  {
    name: 'by the books: what is not read yet is credited',
    edits: [{ file: JUDGE, from: 'if (!isRead(session, placed, context)) return null;', to: '' }],
    slice: MODEL,
  },
  {
    name: 'by the books: late is what closes in the deadline’s second',
    edits: [
      {
        file: JUDGE,
        from: 'payment.closedAt > effectiveDeadline(session)',
        to: 'payment.closedAt >= effectiveDeadline(session)',
      },
    ],
    slice: MODEL,
  },
  {
    name: 'by the books: payments count in the order in which they were found',
    edits: [{ file: JUDGE, from: '[...payments].sort(inOrder)', to: 'payments' }],
    slice: MODEL,
  },
  {
    name: 'by the books: a cancellation counts from a moment before it was asked for',
    edits: [
      {
        file: 'src/db/sessions.ts',
        from: 'SET cancel_at = tip.closed_at',
        to: "SET cancel_at = tip.closed_at - interval '5 seconds'",
      },
    ],
    slice: POSTGRES,
  },
  {
    name: 'by the books: an ending is told with the deadline of the row',
    edits: [
      {
        file: EVENT,
        from: 'occurredAt: effectiveDeadline(session),',
        to: 'occurredAt: session.expiresAt,',
      },
    ],
    slice: MODEL,
  },
  {
    name: 'by the books: a confirmation tells the surplus as the whole payment',
    edits: [
      {
        file: EVENT,
        from: 'overpaid: formatAmount(overpaid),',
        to: 'overpaid: formatAmount(overpaid > 0n ? recorded.amount : 0n),',
      },
    ],
    slice: MODEL,
  },
  {
    name: 'by the books: an exception names the place of its operation from one',
    edits: [
      {
        file: EVENT,
        from: 'operationIndex: payment.opIndex,',
        to: 'operationIndex: payment.opIndex + 1,',
      },
    ],
    slice: MODEL,
  },
  {
    name: 'by the books: ids of events are of another namespace',
    edits: [
      {
        file: 'src/db/ids.ts',
        from: "'6f0b4f0e-7a53-5d0c-9a3e-2f6a1c8f4b11'",
        to: "'6f0b4f0e-7a53-5d0c-9a3e-2f6a1c8f4b12'",
      },
    ],
    slice: MODEL,
  },
];
