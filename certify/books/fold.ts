/** What each movement means for a session, folded in the ledger's order, and how the session ends. */
import type { Reading } from './asked.ts';
import { assetName, type Head, type Movement } from './ledger.ts';

/** What a movement means for the session that it names. */
export type Verdict =
  'credited' | 'wrong_asset' | 'nothing' | 'late' | 'duplicate' | 'after_cancellation';

/** Why money is held of a session. */
export type Reason = Exclude<Verdict, 'credited'> | 'overpaid' | 'underpaid';

/** A movement with its meaning. */
export type Meant = { readonly movement: Movement; readonly verdict: Verdict };

/** Money that is not part of a paid price. `amount` is in stroops. */
export type Held = {
  readonly movement: Movement;
  readonly amount: bigint;
  readonly reason: Reason;
};

/** What became of a session, by one reading. */
export type Folded = {
  readonly reading: Reading;
  readonly status: 'open' | 'paid' | 'expired' | 'cancelled';
  /** After this instant money is late; milliseconds since 1970. */
  readonly deadline: number;
  /** The first ledger that closed after the deadline; null where none has, and for a paid session. */
  readonly endedBy: number | null;
  /** In the order in which they count. */
  readonly meant: readonly Meant[];
  /** Everything credited, in stroops, whatever was returned of it later. */
  readonly credited: bigint;
  /** The movement that completed the price, and the credited sum through it. */
  readonly completing: { readonly movement: Movement; readonly sum: bigint } | null;
  readonly held: readonly Held[];
};

/** What the fold needs to know beside the reading. */
export type Circumstances = {
  readonly heads: readonly Head[];
  /** Found when the session was decided: these count behind all others. */
  readonly foundLate: ReadonlySet<string>;
  /** Returned by an operator, and when by the ledger. */
  readonly returned: ReadonlyMap<string, Head>;
};

/** Folds the movements that name a session, which are given in the ledger's order. */
export function fold(
  reading: Reading,
  movements: readonly Movement[],
  { heads, foundLate, returned }: Circumstances,
): Folded {
  const { terms, cancelAt } = reading;
  const isCancelled = cancelAt !== null && cancelAt <= terms.expiresAt;
  const deadline = isCancelled ? cancelAt : terms.expiresAt;
  const isLateFound = ({ key }: Movement) => foundLate.has(key);
  const inTurn = [...movements.filter((m) => !isLateFound(m)), ...movements.filter(isLateFound)];

  const meant: Meant[] = [];
  let completing: Folded['completing'] = null;
  let credited = 0n;
  for (const movement of inTurn) {
    const verdict = meaningOf(movement);
    meant.push({ movement, verdict });
    if (verdict !== 'credited') continue;
    credited += movement.amount;
    const isEnough = credited - returnedBefore(movement) >= terms.price;
    if (completing === null && isEnough) completing = { movement, sum: credited };
  }

  /** What an operator had returned by then does not count any more. */
  function returnedBefore({ ledger }: Movement): bigint {
    if (returned.size === 0) return 0n;
    return meant
      .filter(({ verdict }) => verdict === 'credited')
      .filter(({ movement: { key } }) => (returned.get(key)?.sequence ?? Infinity) < ledger)
      .reduce((sum, { movement: { amount } }) => sum + amount, 0n);
  }

  function meaningOf(movement: Movement): Verdict {
    if (assetName(movement.asset) !== assetName(terms.asset)) return 'wrong_asset';
    if (movement.amount === 0n) return 'nothing';
    if (movement.closedAt > deadline) return 'late';
    return completing === null ? 'credited' : 'duplicate';
  }

  const end = heads.find(({ closedAt }) => closedAt > deadline)?.sequence ?? null;
  const ended = isCancelled ? 'cancelled' : 'expired';
  const status = completing !== null ? 'paid' : end === null ? 'open' : ended;
  const endedBy = status === 'paid' ? null : end;
  const all = { reading, status, deadline, endedBy, meant, credited, completing } as const;
  return {
    ...all,
    held: heldOf(all, terms.price).filter(({ movement }) => !returned.has(movement.key)),
  };
}

function heldOf({ status, meant, completing }: Omit<Folded, 'held'>, price: bigint): Held[] {
  return meant.flatMap(({ movement, verdict }): Held[] => {
    const { amount } = movement;
    if (verdict !== 'credited') return [{ movement, amount, reason: verdict }];
    if (status === 'open') return [];
    if (status !== 'paid') return [{ movement, amount, reason: 'underpaid' }];
    const surplus = completing?.movement === movement ? completing.sum - price : 0n;
    return surplus > 0n ? [{ movement, amount: surplus, reason: 'overpaid' }] : [];
  });
}
