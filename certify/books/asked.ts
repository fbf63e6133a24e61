/** What was asked of the system, and when by the ledger: written down by who asked, at the moment of asking. */
import type { Asset, Head } from './ledger.ts';

/** What a session asks of a payer. `expiresAt` is milliseconds since 1970, `price` stroops. */
export type Terms = {
  readonly account: string;
  readonly asset: Asset;
  readonly reference: string;
  readonly price: bigint;
  readonly expiresAt: number;
  /** JSON; null when the backend stored nothing. */
  readonly metadata: unknown;
};

/** A cancellation that was asked for, by a question or in the backend's own row. */
export type Cancellation = {
  /** The lowest head that any node showed after it was sent. */
  readonly lowest: Head;
  /** The newest ledger when its effect was seen. Null: never seen; it counts as late as the books go. */
  readonly seen: Head | null;
  /** False where the asker cannot know whether it was stored. */
  readonly isCertain: boolean;
};

/** Terms that a backend wrote over the old ones. */
export type Edit = {
  readonly terms: Terms;
  /** The newest ledger when the write was known to be done. */
  readonly done: Head;
};

/** Everything that was asked about one session. */
export type Asked = {
  readonly id: string;
  readonly terms: Terms;
  /** In their order. */
  readonly cancellations: readonly Cancellation[];
  /** In their order. */
  readonly edits: readonly Edit[];
  /** Keys of movements that an operator gave to this session. */
  readonly assigned: ReadonlySet<string>;
  /** Movements that an operator has returned, and the newest ledger of then. */
  readonly returned: ReadonlyMap<string, Head>;
};

/** A session that was opened, of which nothing else was asked. */
export function opened(id: string, terms: Terms): Asked {
  return { id, terms, cancellations: [], edits: [], assigned: new Set(), returned: new Map() };
}

/** Terms by which a session may have been judged, and the instant from which a cancellation counts, or none. */
export type Reading = {
  readonly terms: Terms;
  readonly cancelAt: number | null;
  /** The reading holds only for a session that this ledger or an earlier one paid; null: for any. */
  readonly onlyIfPaidBy: number | null;
};

/**
 * Every reading that the order of what went on side by side allows. A cancellation counts from the close time of a
 * ledger that was the newest to some node between asking and answer; the first one decides. A paid session is not
 * cancelled any more. Of edits, each version may have been the one that stood when the session was decided.
 */
export function readingsOf(asked: Asked, heads: readonly Head[]): Reading[] {
  return versionsOf(asked).flatMap((terms) =>
    instantsOf(asked.cancellations, heads).map((instant) => ({ terms, ...instant })),
  );
}

function versionsOf({ terms, edits }: Asked): Terms[] {
  const versions = [terms];
  for (const { terms: next, done } of edits) {
    const old = versions.at(-1) ?? terms;
    const isDeadline = inText({ ...old, expiresAt: 0 }) === inText({ ...next, expiresAt: 0 });
    // No ledger had passed either deadline: nothing can have ended by the old one, and what had come is on time by both.
    if (isDeadline && done.closedAt <= Math.min(old.expiresAt, next.expiresAt)) versions.pop();
    versions.push(next);
  }
  return versions;
}

const inText = (terms: Terms) =>
  JSON.stringify(terms, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));

function instantsOf(
  all: readonly Cancellation[],
  heads: readonly Head[],
): Omit<Reading, 'terms'>[] {
  // One that was sent when the end had been seen did nothing.
  const cancellations = all.filter(
    ({ lowest, seen }) => lowest.sequence <= (seen?.sequence ?? Infinity),
  );
  const [first] = cancellations;
  if (first === undefined) return [{ cancelAt: null, onlyIfPaidBy: null }];
  const end = heads.at(-1)?.sequence ?? 0;
  const through = (some: readonly Cancellation[]) => some.map(({ seen }) => seen?.sequence ?? end);
  const certain = through(cancellations.filter(({ isCertain }) => isCertain));
  const last = certain.length > 0 ? Math.min(...certain) : Math.max(...through(cancellations));
  const instants = heads
    .filter(({ sequence }) => first.lowest.sequence <= sequence && sequence <= last)
    .map(({ closedAt }) => closedAt);
  return [
    { cancelAt: null, onlyIfPaidBy: certain.length > 0 ? last : null },
    ...[...new Set(instants)].map((cancelAt) => ({ cancelAt, onlyIfPaidBy: null })),
  ];
}
