/** What was seen of a session against what the books allow. One allowed result must explain all of it. */
import type { Asked } from './asked.ts';
import { allowed, type Outcome, type World } from './expect.ts';
import type { Books, Head } from './ledger.ts';
import { decimalOf, stroopsOf } from './money.ts';

/** What was seen at the end, and what was answered on the way. */
export type Seen = {
  readonly status: string;
  readonly closedThroughLedger: number | null;
  readonly paymentRows: readonly { readonly amount: string; readonly txHash: string }[];
  readonly events: readonly { readonly id: string; readonly type: string; readonly body: string }[];
  /** By the key of a movement. */
  readonly verdicts: ReadonlyMap<string, string | null>;
  /** What is listed as held: `key reason amount`. Null: not looked at. */
  readonly held: readonly string[] | null;
  readonly answers: readonly Answer[];
  /** The newest ledger when the session was first seen to be over. */
  readonly overBy: Head | null;
};

/** What the session answered; the fields of docs/api and the client's types. */
export type Answer =
  | { readonly asked: 'cancel'; readonly said: Said }
  | { readonly asked: 'report'; readonly txHash: string; readonly said: Said };
type Said = {
  readonly kind: string;
  readonly because?: string;
  readonly throughLedger?: number | null;
  readonly txHash?: string | null;
  readonly price?: string;
  readonly credited?: string;
  readonly overpaid?: string;
  readonly missing?: string;
};

/** The certificate's check to which a difference belongs. */
export type Kind = 'outcome' | 'conservation' | 'told' | 'bytes' | 'answers' | 'held';

/** A difference in words: the rest of a sentence about the session. */
export type Difference = { readonly check: Kind; readonly problem: string };

/** The result that explains what was seen, or that comes nearest, and what it does not explain. */
export function explain(
  asked: Asked,
  books: Books,
  world: World,
  seen: Seen,
): { outcome: Outcome; differences: Difference[] } {
  let best: { outcome: Outcome; differences: Difference[] } | null = null;
  for (const outcome of allowed(asked, books, world)) {
    const differences = differencesOf(outcome, seen, books);
    if (differences.length === 0) return { outcome, differences };
    if (best === null || differences.length < best.differences.length) {
      best = { outcome, differences };
    }
  }
  if (best === null) throw new Error(`The books allow no result of session ${asked.id}.`);
  return best;
}

/** How one result differs from what was seen. */
export function differencesOf(outcome: Outcome, seen: Seen, books: Books): Difference[] {
  return [
    ...inState(outcome, seen),
    ...inVerdicts(outcome, seen),
    ...inEvents(outcome, seen),
    ...seen.answers.flatMap((answer) => inAnswer(outcome, answer, books)),
  ];
}

function inState(outcome: Outcome, { status, closedThroughLedger, paymentRows, overBy }: Seen) {
  const { completing, endedBy } = outcome;
  const found: Difference[] = [];
  const must = (is: boolean, problem: string) => {
    if (!is) found.push({ check: 'outcome', problem });
  };
  must(status === outcome.status, `is ${status}; by the books it is ${outcome.status}`);
  const rows = paymentRows.map(({ amount, txHash }) => `${amount} by ${txHash}`).join();
  const right =
    completing === null ? '' : `${decimalOf(completing.sum)} by ${completing.movement.txHash}`;
  must(rows === right, `has payments rows of ${rows || 'nothing'}; right is ${right || 'nothing'}`);
  must(
    status === 'paid' || closedThroughLedger === endedBy,
    `ended by ledger ${closedThroughLedger}; by the books by ${endedBy}`,
  );
  const earliest = completing?.movement.ledger ?? endedBy ?? Infinity;
  must(
    overBy === null || overBy.sequence >= earliest,
    `was over when ledger ${overBy?.sequence} was the newest; by the books it was open until ${earliest}`,
  );
  return found;
}

function inVerdicts({ meant, held }: Outcome, seen: Seen): Difference[] {
  const found: Difference[] = [];
  const verdicts = new Map(seen.verdicts);
  for (const { movement, verdict } of meant) {
    const stored = verdicts.get(movement.key) ?? 'without a verdict';
    verdicts.delete(movement.key);
    if (stored === verdict) continue;
    const problem = `${movement.key} is ${stored}; by the books it is ${verdict}`;
    found.push({ check: 'conservation', problem });
  }
  for (const key of verdicts.keys()) {
    found.push({ check: 'conservation', problem: `has ${key}, which does not name it` });
  }
  if (seen.held === null) return found;
  const right = held.map((h) => `${h.movement.key} ${h.reason} ${decimalOf(h.amount)}`).sort();
  const listed = seen.held.toSorted();
  if (listed.join() !== right.join()) {
    const problem = `holds ${listed.join(', ') || 'nothing'}; by the books ${right.join(', ') || 'nothing'}`;
    found.push({ check: 'held', problem });
  }
  return found;
}

function inEvents({ told }: Outcome, { events }: Seen): Difference[] {
  const found: Difference[] = [];
  const stored = new Map(events.map((event) => [event.id, event]));
  for (const right of told) {
    const event = stored.get(right.id);
    stored.delete(right.id);
    if (event === undefined && !right.isOptional) {
      found.push({ check: 'told', problem: `lacks the event ${right.body}` });
    } else if (event !== undefined && event.body !== right.body) {
      const problem = `has the event ${event.body}; by the books it is ${right.body}`;
      found.push({ check: 'bytes', problem });
    }
  }
  for (const { body } of stored.values()) {
    found.push({ check: 'told', problem: `has the event ${body}, which is not so` });
  }
  return found;
}

function inAnswer(outcome: Outcome, answer: Answer, books: Books): Difference[] {
  const problem =
    answer.asked === 'cancel'
      ? wrongCancel(outcome, answer.said)
      : wrongReport(outcome, answer.txHash, answer.said, books);
  return problem === null ? [] : [{ check: 'answers', problem }];
}

function wrongCancel({ status, endedBy, completing }: Outcome, said: Said): string | null {
  const { kind, because, throughLedger, txHash } = said;
  if (kind === 'closing') return null;
  const told = kind === 'cancelled' ? 'cancelled' : because;
  const isRight =
    told === status &&
    (told === 'paid' ? txHash === completing?.movement.txHash : throughLedger === endedBy);
  const right = `${status} by ${completing?.movement.txHash ?? endedBy}`;
  return isRight ? null : `answered a cancellation ${JSON.stringify(said)}; it is ${right}`;
}

/** What is said while the session is open may be less than what comes of it, and never more. */
function wrongReport(
  { meant, status, credited, completing, reading }: Outcome,
  txHash: string,
  said: Said,
  { movements }: Books,
): string | null {
  const { kind, price, missing, overpaid } = said;
  const isOf = (m: { txHash: string; innerHash: string | null }) =>
    m.txHash === txHash || m.innerHash === txHash;
  const mine = meant.filter(({ movement }) => isOf(movement)).map(({ verdict }) => verdict);
  const sum = said.credited === undefined ? 0n : stroopsOf(said.credited);
  const wanted = reading.terms.price;
  const isPriced = price === decimalOf(wanted);
  const isRight = (() => {
    switch (kind) {
      case 'paid':
        return (
          mine.includes('credited') &&
          status === 'paid' &&
          isPriced &&
          sum === completing?.sum &&
          overpaid === decimalOf(sum - wanted)
        );
      case 'underpaid':
        return (
          mine.includes('credited') &&
          isPriced &&
          sum < wanted &&
          sum <= credited &&
          missing === decimalOf(wanted - sum)
        );
      case 'pays_another':
        return mine.length === 0;
      case 'failed':
        return !movements.some(isOf);
      case 'not_on_ledger':
      case 'unknown':
        return true;
      default:
        return mine.some((verdict) => verdict === kind);
    }
  })();
  if (isRight) return null;
  return `answered the report of ${txHash} ${JSON.stringify(said)}; by the books it is ${mine.join(', ') || 'not of this session'}`;
}
