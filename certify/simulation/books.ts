/** What must have come of a schedule: by the ledger's books, what was asked when, and what reached the receiver. */
import { ledgerPaymentKey, type LedgerPayment } from '../../src/domain/ledger-payment.ts';
import { ending, type Arrival } from '../../test/pipeline/model.ts';
import { ASSETS, SESSIONS } from './schedule.ts';
import type { FinalSession, SeenSession, ToyPost } from './store.ts';
import type { ToyLedger } from './toy-ledger.ts';

/** What is written down while a schedule is played. */
export type Books = {
  /** A cancellation is about to be asked for. */
  sent(session: number): void;
  /** A node is asked for the chain, whose newest ledger closed then. */
  asked(headClosedAt: Date): void;
  /** The sessions as anybody could see them now. */
  look(sessions: readonly SeenSession[]): void;
  /** What is wrong at the end, in words. */
  check(
    sessions: readonly FinalSession[],
    posts: readonly ToyPost[],
    how: { isInOrder: boolean },
  ): string[];
};

/** A cancellation as an interval: the instants that any order of what went on side by side could have given it. */
type Cancel = { lowest: Date | null; highest: Date | null };

/** Opens the books of a schedule. */
export function createBooks(ledger: ToyLedger): Books {
  const cancels = new Map<number, Cancel>();
  const told: (string | null)[] = [];
  return {
    sent: (session) => {
      if (!cancels.has(session)) cancels.set(session, { lowest: null, highest: null });
    },
    asked: (headClosedAt) => {
      for (const cancel of cancels.values()) {
        if (cancel.highest !== null) continue;
        if (cancel.lowest === null || headClosedAt < cancel.lowest) cancel.lowest = headClosedAt;
      }
    },
    look: (sessions) => {
      for (const [i, { ending, cancelAt }] of sessions.entries()) {
        told[i] ??= ending;
        const cancel = cancels.get(i);
        if (cancel && cancelAt !== null) cancel.highest ??= ledger.head.header.closedAt;
      }
    },
    check: (sessions, posts, how) => {
      const wrong: string[] = [];
      const must: Must = (is, problem) => void (is || wrong.push(problem));
      for (const [i, session] of sessions.entries()) {
        const cancel = cancels.get(i) ?? null;
        checkSession(ledger, i, session, { told: told[i] ?? null, cancel, ...how }, must);
        heard(session, posts, `session ${i + 1}`, must);
      }
      return wrong;
    },
  };
}

type Must = (is: boolean, problem: string) => void;

const TOLD: Readonly<Record<string, string>> = {
  paid: 'payment.confirmed',
  expired: 'session.expired',
  cancelled: 'session.cancelled',
};

function checkSession(
  ledger: ToyLedger,
  i: number,
  session: FinalSession,
  known: { told: string | null; cancel: Cancel | null; isInOrder: boolean },
  must: Must,
): void {
  const { price, asset } = SESSIONS[i] ?? { price: 0n, asset: 'usdc' as const };
  const who = `session ${i + 1}`;
  const { cancelAt, expiresAt } = session;
  const all = ledger.blocks.flatMap(({ payments }) => payments).map(toArrival);
  const terms = { ...session, account: ledger.account, asset: nameOf(ASSETS[asset]), price };
  const { meanings, status } = ending({ ...terms, reference: String(i + 1) }, all);
  must(session.status === status, `${who} is ${session.status}; by the books it is ${status}.`);
  const before = known.told ?? status;
  must(before === status, `${who} was ${before} for good, and then ${status}.`);
  if (cancelAt !== null) {
    const { lowest, highest } = known.cancel ?? { lowest: null, highest: null };
    must(
      lowest !== null && highest !== null && lowest <= cancelAt && cancelAt <= highest,
      `${who} is cancelled as of ${cancelAt.toISOString()}, but nodes were asked between ${lowest?.toISOString()} and ${highest?.toISOString()}.`,
    );
  }
  if (status !== 'paid') {
    const deadline = cancelAt !== null && cancelAt < expiresAt ? cancelAt : expiresAt;
    const end = ledger.blocks.find(({ header }) => header.closedAt > deadline)?.header.sequence;
    must(
      session.closedThroughLedger === end,
      `${who} ended by ledger ${session.closedThroughLedger}; by the books by ${end}.`,
    );
  }
  let [credited, sum] = [0n, 0n];
  let completing: string | null = null;
  for (const { key, meaning, amount } of meanings) {
    const verdict = session.verdicts.get(key) ?? 'none';
    const inOrder = sum < price ? 'credited' : 'duplicate';
    const isFree = meaning === 'counts' && status === 'paid' && !known.isInOrder;
    const allowed = isFree ? ['credited', 'duplicate'] : [meaning === 'counts' ? inOrder : meaning];
    must(
      allowed.includes(verdict),
      `${who}: ${key} is ${verdict}, by the books ${meaning === 'counts' ? inOrder : meaning}.`,
    );
    if (meaning === 'counts' && sum < price && sum + amount >= price) completing = key;
    if (meaning === 'counts') sum += amount;
    if (verdict === 'credited') credited += amount;
  }
  must(session.verdicts.size === meanings.length, `${who} has payments that never happened.`);
  const rows = session.paymentRows.map(({ amount }) => amount).join();
  must(
    rows === (status === 'paid' ? String(credited) : ''),
    `${who} is ${status} with payments rows of ${rows}; credited is ${credited}.`,
  );
  const named = session.paymentRows[0]?.txHash;
  must(
    !known.isInOrder || named === completing?.split(':')[0],
    `${who} names ${named} as its payment; by the books ${completing} completes it.`,
  );
  must(
    credited >= price === (status === 'paid'),
    `${who} is ${status}, ${credited} of ${price} is credited.`,
  );
  const ends = session.events.filter(({ type }) => type !== 'payment.exception').map((e) => e.type);
  must(
    ends.join() === TOLD[status],
    `${who} is ${status}; its events say ${ends.join() || 'nothing'}.`,
  );
}

function heard(
  { events, sequences }: FinalSession,
  posts: readonly ToyPost[],
  who: string,
  must: Must,
): void {
  const bodies = new Map(events.map(({ id, body }) => [id, body]));
  const ours = posts.filter(({ eventId }) => sequences.some((s) => s.eventId === eventId));
  for (const { eventId, body } of ours) {
    must(bodies.get(eventId) === body, `${who}: other bytes were sent than the event's.`);
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

const nameOf = ({ code, issuer }: { code: string; issuer: string | null }) =>
  issuer === null ? 'native' : `${code}:${issuer}`;

function toArrival(p: LedgerPayment): Arrival {
  const { account, amount, reference, closedAt, asset } = p;
  return { key: ledgerPaymentKey(p), account, amount, reference, closedAt, asset: nameOf(asset) };
}
