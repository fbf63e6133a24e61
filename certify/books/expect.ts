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

/** Of more ledgers than this, every run of neighbours is tried behind the others, not every set. */
const MOST_IN_SETS = 8;

/** Every allowed result, those first in which nothing was found late; at least one. A result may come more than once. */
export function* allowed(asked: Asked, books: Books, world: World): Generator<Outcome> {
  const { heads } = books;
  const readings = readingsOf(asked, heads).map((reading) => {
    const mine = books.movements.filter(
      (m) => names(m, reading.terms) || asked.assigned.has(m.key),
    );
    return { reading, mine, sets: setsOf(mayBeFoundLate(asked, mine, world)) };
  });
  const most = Math.max(...readings.map(({ sets }) => sets.length));
  for (let i = 0; i < most; i += 1) {
    for (const { reading, mine, sets } of readings) {
      const foundLate = sets[i];
      if (foundLate === undefined) continue;
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

/** Movements that may have been found behind a decision, those of one ledger together: ledgers are hidden, not payments. */
function mayBeFoundLate(asked: Asked, mine: readonly Movement[], world: World): string[][] {
  const wanted = assetName(asked.terms.asset);
  const counts = mine.filter(({ amount, asset }) => amount > 0n && assetName(asset) === wanted);
  const given = counts.filter(({ key }) => asked.assigned.has(key)).map(({ key }) => [key]);
  if (!world.hidesHistory) return given;
  const others = counts.filter(({ key }) => !asked.assigned.has(key));
  const ledgers = Map.groupBy(others, ({ ledger }) => ledger).values();
  return [...given, ...[...ledgers].map((some) => some.map(({ key }) => key))];
}

function setsOf(groups: readonly string[][]): ReadonlySet<string>[] {
  if (groups.length > MOST_IN_SETS) {
    const runs = groups.flatMap((_, from) =>
      groups.slice(from).map((_, i) => new Set(groups.slice(from, from + i + 1).flat())),
    );
    return [new Set(), ...runs];
  }
  return Array.from(
    { length: 2 ** groups.length },
    (_, bits) => new Set(groups.filter((_, i) => (bits >> i) & 1).flat()),
  );
}
