/** What the certificate checks, and what it found broken. */

/** Something that must not be, in words; the subject first. */
export type Violation = { readonly check: CheckName; readonly problem: string };

/** Every check, and what it says; I1–I10 are the invariants of the fault matrix that a sceptic asks for. */
export const CHECKS = {
  audit: '`settle audit` finds nothing (P1–P5 from the rows alone)',
  conservation:
    'every movement in the ledger’s books is one row, with one meaning that the books allow (I2)',
  outcome:
    'every session ends as the books say, by the ledger they say and not before it; paid, if and only if one payments row and its price is there (I1, I7)',
  held: 'the held list has what the books hold, and nothing else',
  told: 'one payment.confirmed id for each paid session and endpoint, and none otherwise; nothing told that is not so (I3, I5)',
  bytes:
    'every POST has the bytes and the id that the books make, its delivery’s id and valid signatures (I4)',
  order: 'events of a session reach an endpoint in order, and their numbers have no gaps',
  delivered:
    'what is marked delivered was taken by the receiver, and what is due was delivered (I4)',
  edges: 'the journal has allowed transitions only (I6)',
  runs: 'no run is open for a session at rest, and none is missing for one that is not (I8)',
  process:
    'no worker ended unasked, no history failed to replay, no connection is stuck in a transaction, no pool has grown (I9)',
  isolation: 'every settle on the wire was SERIALIZABLE and had locked what it wrote',
  answers: 'every question of a backend was answered, and rightly',
  always:
    'in every snapshot that was taken meanwhile: paid with its row and its event or not paid at all, and no ending of ours that did not stay (I5, I6)',
  rest: 'everything came to rest in time (I10)',
} as const;
/** The name of a check. */
export type CheckName = keyof typeof CHECKS;

/** What came of some checks: how many single facts were looked at, and which were wrong. */
export type Part = { violations: Violation[]; counted: number };

/** Collects violations of one check. */
export function collect(
  counted = 0,
): Part & { must(is: boolean, check: CheckName, problem: string): void } {
  const part: ReturnType<typeof collect> = {
    violations: [],
    counted,
    must: (is, check, problem) => {
      part.counted += 1;
      if (!is) part.violations.push({ check, problem });
    },
  };
  return part;
}
