/** Faults that no cell of the matrix has, or has whole: which tests show them, by path. The certificate prints it. */

/** A fault, and the tests that cover it. */
export type Elsewhere = {
  readonly row: string;
  readonly fault: string;
  readonly tests: readonly string[];
};

/** In the order of the fault matrix. */
export const ELSEWHERE: readonly Elsewhere[] = [
  {
    row: 'F5',
    fault:
      'a connection lost before, during and after COMMIT; an answer that is overdue; a COMMIT that says ROLLBACK',
    tests: ['test/db/serializable.test.ts'],
  },
  {
    row: 'F8',
    fault: 'PostgreSQL restored to an earlier moment; Temporal’s store lost',
    tests: ['test/system/restore.test.ts'],
  },
  {
    row: 'F10',
    fault:
      'rivals of one row in every order: 40001, 23505, two watchers, a report, a cancellation and a backend at once',
    tests: ['test/db/settle-race.test.ts', 'test/db/races.test.ts', 'test/domain/races.test.ts'],
  },
  {
    row: 'F13',
    fault: 'a hundred wakes at once; a payment after the end, in a new run',
    tests: ['test/workflows/checkout-session.test.ts'],
  },
  {
    row: 'F14',
    fault:
      'an outage of every kind across a deadline; the request budget; answers that hang half way',
    tests: [
      'test/pipeline/horizon-troubles.test.ts',
      'test/horizon/http.test.ts',
      'test/horizon/budget.test.ts',
    ],
  },
  {
    row: 'F15',
    fault:
      'pages that are not believed; a node that has forgotten what was not read; a network that was reset; a gap that is filled after an ending',
    tests: [
      'test/horizon/pages.test.ts',
      'test/pipeline/horizon-troubles.test.ts',
      'test/pipeline/network-reset.test.ts',
      'test/pipeline/after-ending.test.ts',
    ],
  },
  {
    row: 'F16',
    fault:
      'a ledger that closes at the deadline, and the one a second later; endings by coverage alone',
    tests: ['test/domain/judge.test.ts', 'test/domain/settle.test.ts'],
  },
  {
    row: 'F17',
    fault:
      'reconciliation twice at once, dry, interrupted, continued as new; a schedule that is lost',
    tests: [
      'test/workflows/reconcile.test.ts',
      'test/pipeline/reconcile-race.test.ts',
      'test/system/reconcile.test.ts',
    ],
  },
  {
    row: 'F18',
    fault:
      'a receiver that is down for three days, on skipped time: every pause, the dead letter, sending it again; 410; Retry-After',
    tests: ['test/workflows/checkout-session.test.ts', 'test/domain/delivery.test.ts'],
  },
  {
    row: 'F18',
    fault: 'URLs and names that lead inside (SSRF, DNS); redirects; answers that never end',
    tests: ['test/webhook/guard.test.ts', 'test/webhook/post.test.ts'],
  },
  {
    row: 'F18',
    fault: 'one slow endpoint does not keep another waiting',
    tests: ['test/webhook/slots.test.ts', 'test/db/deliveries.test.ts'],
  },
  {
    row: 'F19',
    fault: 'recorded runs are replayed by the code of now',
    tests: ['test/workflows/replay.test.ts'],
  },
  {
    row: 'F20',
    fault: 'poison: records and memos that cannot be read, amounts at the limits, NUL, no UTF-8',
    tests: [
      'test/horizon/undecoded.test.ts',
      'test/horizon/incoming.test.ts',
      'test/horizon/reference.test.ts',
      'test/db/inbox.test.ts',
      'test/pipeline/random-ledgers.test.ts',
    ],
  },
  {
    row: 'F21',
    fault: 'two signatures while a secret rotates',
    tests: ['test/webhook/sign.test.ts'],
  },
];
