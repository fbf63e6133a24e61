/** The results that the ledger and what was asked allow for a session. Whatever happened must be one of them, whole. */
import { readingsOf, type Asked } from './asked.ts';
import { fold, type Folded } from './fold.ts';
import { assetName, type Books, type Movement } from './ledger.ts';
import { toldOf, type Told } from './told.ts';

/** One result. */
export type Outcome = Folded & { readonly told: readonly Told[] };

/** What the world did that widens the set of results. */
export type World = {
  /** Nodes hid movements that they should have shown: what is found behind a decision counts behind it. */
  readonly hidesHistory: boolean;
};

/** Of more movements than this, every run of neighbours is tried behind the others, not every set. */
const MOST_IN_SETS = 10;
/** About so many runs are tried. */
const MOST_RUNS = 1_000;

/** Every allowed result, those first in which nothing was found late; at least one. A result may come more than once. */
export function* allowed(asked: Asked, books: Books, world: World): Generator<Outcome> {
  const { heads } = books;
  const readings = readingsOf(asked, heads).map((reading) => {
    const mine = books.movements.filter(
      (m) => names(m, reading.terms) || asked.assigned.has(m.key),
    );
    return { reading, mine, mayBeLate: mayBeFoundLate(asked, mine, world) };
  });
  const most = Math.max(...readings.map(({ mayBeLate }) => countSets(mayBeLate)));
  for (let i = 0; i < most; i += 1) {
    for (const { reading, mine, mayBeLate } of readings) {
      if (i >= countSets(mayBeLate)) continue;
      const foundLate = setAt(mayBeLate, i);
      const folded = fold(reading, mine, { heads, foundLate, returned: asked.returned });
      const { onlyIfPaidBy } = reading;
      const paidBy = folded.completing?.movement.ledger ?? Infinity;
      if (onlyIfPaidBy !== null && paidBy > onlyIfPaidBy) continue;
      yield { ...folded, told: toldOf(asked.id, folded) };
    }
  }
}

/** Whether a movement names the session of these terms. */
export function names(
  movement: Pick<Movement, 'account' | 'reference'>,
  terms: { readonly account: string; readonly reference: string },
): boolean {
  return movement.account === terms.account && movement.reference === terms.reference;
}

/** Keys of movements that may have been found when the session was decided without them. */
function mayBeFoundLate(asked: Asked, mine: readonly Movement[], world: World): string[] {
  const wanted = assetName(asked.terms.asset);
  return mine
    .filter(({ amount, asset }) => amount > 0n && assetName(asset) === wanted)
    .map(({ key }) => key)
    .filter((key) => world.hidesHistory || asked.assigned.has(key));
}

function countSets({ length }: readonly string[]): number {
  return length > MOST_IN_SETS ? 1 + length * longestRun(length) : 2 ** length;
}

/** The set of this number; the first one is empty. */
function setAt(keys: readonly string[], i: number): ReadonlySet<string> {
  if (keys.length <= MOST_IN_SETS) return new Set(keys.filter((_, bit) => (i >> bit) & 1));
  const from = (i - 1) % keys.length;
  const length = 1 + Math.floor((i - 1) / keys.length);
  return new Set(i === 0 ? [] : keys.slice(from, from + length));
}

/** Thousands of payments are tried alone: every result costs a fold. */
function longestRun(keys: number): number {
  return Math.min(keys, Math.max(1, Math.floor(MOST_RUNS / keys)));
}
