/** What must have come of a schedule: by the books of the toy ledger, and what was asked when (certify/books). */
import { opened, type Cancellation } from '../books/asked.ts';
import { explain } from '../books/compare.ts';
import type { Books as LedgerBooks, Head } from '../books/ledger.ts';
import { decimalOf } from '../books/money.ts';
import type { Told } from '../books/told.ts';
import { ASSETS, SESSIONS } from './schedule.ts';
import type { FinalSession, SeenSession, ToyPost } from './store.ts';
import type { ToyBlock, ToyLedger } from './toy-ledger.ts';

/** What is written down while a schedule is played. */
export type Books = {
  /** A cancellation is about to be asked for; a backend may write over its own before anybody has seen it. */
  sent(session: number, by: 'question' | 'backend'): void;
  /** A node is asked for the chain, and this is its newest ledger. */
  asked(head: ToyBlock): void;
  /** The sessions as anybody could see them now. */
  look(sessions: readonly SeenSession[]): void;
  /** What is wrong at the end, in words. */
  check(
    sessions: readonly FinalSession[],
    posts: readonly ToyPost[],
    how: { isInOrder: boolean },
  ): string[];
};

type Known = {
  /** `lowest` is null until a node was asked. */
  cancels: { lowest: Head | null; seen: Head | null; isCertain: boolean }[];
  over: { status: string; by: Head } | null;
};

/** Opens the books of a schedule. */
export function createBooks(ledger: ToyLedger): Books {
  const known: Known[] = SESSIONS.map(() => ({ cancels: [], over: null }));
  const newest = () => headOf(ledger.head);
  return {
    sent: (session, by) =>
      void known[session]?.cancels.push({
        lowest: null,
        seen: null,
        isCertain: by === 'question',
      }),
    asked: (block) => {
      const head = headOf(block);
      for (const cancel of known.flatMap(({ cancels }) => cancels)) {
        if (cancel.seen !== null) continue;
        if (cancel.lowest === null || head.sequence < cancel.lowest.sequence) cancel.lowest = head;
      }
    },
    look: (sessions) => {
      for (const [i, { ending, cancelAt }] of sessions.entries()) {
        const session = known[i];
        if (session === undefined) continue;
        if (ending !== null) session.over ??= { status: ending, by: newest() };
        if (cancelAt === null) continue;
        for (const cancel of session.cancels) cancel.seen ??= newest();
      }
    },
    check: (sessions, posts, how) => {
      const wrong: string[] = [];
      const must: Must = (is, problem) => void (is || wrong.push(problem));
      const books = booksOf(ledger);
      for (const [i, session] of sessions.entries()) {
        const about = known[i];
        if (about === undefined) continue;
        const told = checkSession(books, ledger, i, session, { ...about, ...how }, must);
        heard(session, told, posts, `session ${i + 1}`, must);
      }
      return wrong;
    },
  };
}

type Must = (is: boolean, problem: string) => void;

function checkSession(
  books: LedgerBooks,
  ledger: ToyLedger,
  i: number,
  session: FinalSession,
  { cancels, over, isInOrder }: Known & { isInOrder: boolean },
  must: Must,
): readonly Told[] {
  const { price, asset, seconds } = SESSIONS[i] ?? { price: 0n, asset: 'usdc', seconds: 0 };
  const who = `session ${i + 1}`;
  const terms = {
    account: ledger.account,
    asset: ASSETS[asset],
    reference: String(i + 1),
    price,
    // Opened a second after the account was created.
    expiresAt: ledger.begin.header.closedAt.getTime() + (1 + seconds) * 1000,
    metadata: null,
  };
  // One for which no node was asked cannot count from anywhere.
  const cancellations = cancels.flatMap(({ lowest, seen, isCertain }): Cancellation[] =>
    lowest === null ? [] : [{ lowest, seen: seen ?? over?.by ?? null, isCertain }],
  );
  const { outcome, differences } = explain(
    { ...opened(session.id, terms), cancellations },
    books,
    { hidesHistory: !isInOrder },
    {
      status: session.status,
      closedThroughLedger: session.closedThroughLedger,
      paymentRows: session.paymentRows.map(({ amount, txHash }) => {
        return { amount: decimalOf(amount), txHash };
      }),
      events: session.events,
      verdicts: session.verdicts,
      held: null,
      answers: [],
      overBy: over?.by ?? null,
    },
  );
  for (const { problem } of differences) must(false, `${who} ${problem}.`);
  const { status } = outcome;
  const before = over?.status ?? status;
  must(before === status, `${who} was ${before} for good, and then ${status}.`);
  const { cancelAt } = session;
  if (cancelAt !== null) {
    const [first] = cancellations;
    const at = cancelAt.getTime();
    const seen = first?.seen?.closedAt ?? Infinity;
    must(
      first !== undefined && first.lowest.closedAt <= at && at <= seen,
      `${who} is cancelled as of ${cancelAt.toISOString()}, but nodes were asked from ${first?.lowest.closedAt} to ${seen}.`,
    );
  }
  return outcome.told;
}

function heard(
  { events, sequences }: FinalSession,
  told: readonly Told[],
  posts: readonly ToyPost[],
  who: string,
  must: Must,
): void {
  const bodies = new Map(told.map(({ id, body }) => [id, body]));
  const mine = new Set([...sequences.map(({ eventId }) => eventId), ...events.map(({ id }) => id)]);
  const ours = posts.filter(({ eventId }) => mine.has(eventId));
  for (const { eventId, body } of ours) {
    must(
      bodies.get(eventId) === body,
      `${who}: was sent ${body}; right is ${bodies.get(eventId)}.`,
    );
  }
  const first = [...new Set(ours.filter((p) => p.accepted).map((p) => p.sequence))];
  must(
    first.every((n, k) => n === k + 1),
    `${who}: events came in the order ${first.join()}.`,
  );
  must(
    sequences.every((s) => s.delivered),
    `${who}: not everything was delivered.`,
  );
  const numbers = sequences.map(({ sequence }) => sequence).sort((a, b) => a - b);
  must(
    numbers.every((n, k) => n === k + 1),
    `${who}: the sequence is ${numbers.join()}.`,
  );
}

/** What the toy ledger keeps, as books. */
function booksOf({ blocks }: ToyLedger): LedgerBooks {
  return {
    heads: blocks.map(headOf),
    movements: blocks.flatMap(({ payments }) =>
      payments.map(({ opIndex, operationId, subIndex, innerTxHash, closedAt, ...payment }) => ({
        ...payment,
        key: `${payment.txHash}:${opIndex}:${subIndex}`,
        place: BigInt(operationId),
        closedAt: closedAt.getTime(),
        innerHash: innerTxHash,
        operationIndex: opIndex,
      })),
    ),
  };
}

const headOf = ({ header: { sequence, closedAt } }: ToyBlock): Head => ({
  sequence,
  closedAt: closedAt.getTime(),
});
