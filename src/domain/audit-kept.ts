/** A list that keeps the first of each kind and counts the rest: what is found of one session must fit into memory. Pure. */

/** Things found, of each kind at most so many. */
export type Kept<T, Kind> = {
  add(thing: T): void;
  /** Those that are kept, in the order in which they were found. */
  readonly kept: readonly T[];
  /** How many more were found, by kind; a kind of which all are kept is absent. */
  more(): ReadonlyMap<Kind, number>;
};

/** An empty list that keeps `most` of each kind. */
export function createKept<T, Kind>(most: number, kindOf: (thing: T) => Kind): Kept<T, Kind> {
  const kept: T[] = [];
  const counts = new Map<Kind, number>();
  return {
    kept,
    add: (thing) => {
      const kind = kindOf(thing);
      const count = (counts.get(kind) ?? 0) + 1;
      counts.set(kind, count);
      if (count <= most) kept.push(thing);
    },
    more: () =>
      new Map(
        [...counts]
          .filter(([, count]) => count > most)
          .map(([kind, count]) => [kind, count - most] as const),
      ),
  };
}
