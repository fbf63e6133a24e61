/** What the certificate checks, and what it found broken. */

/** Something that must not be, in words; the subject first. */
export type Violation = { readonly check: CheckName; readonly problem: string };

/** Every check, and what it says. */
export const CHECKS = {
  audit: 'settle audit finds nothing',
  conservation:
    'every movement in the ledger’s books is one row, with one meaning that the books allow',
  outcome:
    'every session ends as the books say; paid, if and only if one payments row and its price is there',
  told: 'one payment.confirmed id for each paid session and endpoint, and none otherwise; nothing told that is not so',
  bytes: 'every POST of a delivery has the same bytes, ids and valid signatures',
  order: 'events of a session reach an endpoint in order',
  delivered: 'what is marked delivered was taken by the receiver, and what is due was delivered',
  edges: 'the journal has allowed transitions only',
  runs: 'no run is open for a session at rest, and none is missing for one that is not',
  process:
    'no worker ended unasked, no history failed to replay, no connection is stuck in a transaction',
  isolation: 'every settle on the wire was SERIALIZABLE and had locked what it wrote',
  answers: 'every question of a backend was answered, and rightly',
  always:
    'in every snapshot that was taken meanwhile: paid with its row and its event or not paid at all, and no ending of ours that did not stay',
  rest: 'everything came to rest in time',
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
