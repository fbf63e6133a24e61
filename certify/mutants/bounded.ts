/** Deliberate breakages of what bounds each actor's part, and the test that turns red for each. */
import type { TestedMutant } from './settlement.ts';

const WATCH = 'src/activities/watch/watch-ledger.ts';
const WAKE = 'src/activities/watch/wake-due.ts';
const WORKLISTS = 'src/db/worklists.ts';
const QUEUE = 'src/db/settle-queue.ts';
const MANY = 'src/db/many-payments.ts';
const TOTALS = 'src/db/session-totals.ts';
const EXCEPTIONS = 'src/domain/exceptions.ts';

const inTest = (file: string, name: string) => ({ file: `test/${file}.test.ts`, name });
const waker = (name: string) => inTest('pipeline/waker-ends', name);
const aside = (name: string) => inTest('pipeline/set-aside', name);
const bounded = (name: string) => inTest('db/bounded', name);
const many = (name: string) => inTest('db/many-payments', name);
const exceptions = (name: string) => inTest('domain/exceptions', name);
const reports = (name: string) => inTest('pipeline/reports-limited', name);

/** Every one of them. */
export const BOUNDED_MUTANTS: readonly TestedMutant[] = [
  {
    name: 'the waker goes round once',
    edits: [
      {
        file: WATCH,
        from: 'await deps.settledBell.heard(Math.min(deps.pollIntervalMs, 250));\n  }',
        to: 'break;\n  }',
      },
    ],
    test: waker('the worker is asked to end: no wake is begun after that'),
  },
  {
    name: 'the waker does not see that its activity is cancelled',
    edits: [{ file: WATCH, from: 'wakeDue(deps, signal)', to: 'wakeDue(deps)' }],
    test: waker('the activity is cancelled: no wake is begun after that'),
  },
  {
    name: 'the waker outlives its stretch',
    edits: [{ file: WATCH, from: 'const woken = await waker;', to: 'const woken = 0;' }],
    test: waker('the stretch is over, and then nothing goes on'),
  },
  {
    name: 'a turn wakes whoever is due',
    edits: [{ file: WAKE, from: 'taken < WAKES_PER_TURN', to: 'taken < 3 * WAKES_PER_TURN' }],
    test: waker('one turn wakes a bounded number'),
  },
  {
    name: 'the watcher waits behind the runs of sessions',
    edits: [
      {
        file: 'src/temporal.ts',
        from: '    taskQueue: WATCHER_QUEUE,',
        to: "    taskQueue: WATCHER_QUEUE && 'settlement',",
      },
    ],
    test: inTest('system/reader-goes-first', 'reads before it does what hundreds of runs ask for'),
  },
  {
    name: 'what is set aside stays in the list of undecided sessions',
    edits: [
      {
        file: WORKLISTS,
        from: "WHERE NOT ${isAside('settle', sql`sessions.id::text`)} GROUP BY id, merchant_id)",
        to: 'WHERE id::text <> ${isAside.name} GROUP BY id, merchant_id)',
      },
    ],
    test: aside('two thousand payments of a session that cannot be settled'),
  },
  {
    name: 'what is set aside stays in the list of endings',
    edits: [
      {
        file: WORKLISTS,
        from: "AND NOT ${isAside('settle', sql`a.session_id::text`)}) due",
        to: ') due',
      },
    ],
    test: aside('1,050 sessions that cannot end do not keep another from ending'),
  },
  {
    name: 'a session of the backend that fails ends the turn',
    edits: [
      {
        file: 'src/activities/watch/care.ts',
        from: "if (error instanceof NotReadBackYet) return 'waits';",
        to: "if (error instanceof NotReadBackYet) return 'waits';\n    if (error !== null) throw error;",
      },
    ],
    test: inTest(
      'pipeline/not-a-session',
      'one session that cannot be taken up does not end the turn',
    ),
  },
  {
    name: 'a statement that took too long is tried again as it is',
    edits: [
      {
        file: 'src/db/sqlstate.ts',
        from: "if (code === '57014') return 'too_slow';",
        to: "if (code === '57014') return 'retry';",
      },
    ],
    test: inTest('db/slow-session', 'holds up nobody, and fails alone'),
  },
  {
    name: 'a commit of many may take as long as one',
    edits: [{ file: QUEUE, from: 'settleTo(batch, TOGETHER_MS)', to: 'settleTo(batch, null)' }],
    test: inTest('db/slow-session', 'holds up nobody, and fails alone'),
  },
  {
    name: 'in a slow database every session is tried alone',
    edits: [
      {
        file: QUEUE,
        from: 'bySession.size > 1 && slowOnes < MOST_SLOW',
        to: 'bySession.size > 1 && slowOnes < 100 * MOST_SLOW',
      },
    ],
    test: inTest('db/slow-session', 'three are tried alone, and the rest fails at once'),
  },
  {
    name: 'a settle reads all payments',
    edits: [
      {
        file: MANY,
        from: 'export const READ_WHOLE = 50;',
        to: 'export const READ_WHOLE = 50_000;',
      },
    ],
    test: bounded('a settle reads what is undecided, and totals'),
  },
  {
    name: 'a view shows all payments and deliveries',
    edits: [
      {
        file: 'src/db/view.ts',
        from: 'export const SHOWN_AT_EACH_END = 5;',
        to: 'export const SHOWN_AT_EACH_END = 5_000;',
      },
    ],
    test: bounded('the view shows the first and the last, and how many there are'),
  },
  {
    name: 'totals of another price and deadline count',
    edits: [
      {
        file: TOTALS,
        from: "AND t.price = s.amount AND t.deadline = ${deadline('s')})`;",
        to: 'AND t.price IS NOT NULL)`;',
      },
    ],
    test: many('of now, after the backend edited it'),
  },
  {
    name: 'totals of another account count',
    edits: [
      {
        file: TOTALS,
        from: 'AND t.account = s.receiving_account\n  AND t.reference IS NOT DISTINCT FROM s.memo',
        to: 'AND t.account IS NOT NULL',
      },
    ],
    test: many('do not count what names another account'),
  },
  {
    name: 'a session ends while payments wait for their portion',
    edits: [
      {
        file: MANY,
        from: 'isCut: payments.length < fresh.length',
        to: 'isCut: payments.length > fresh.length',
      },
    ],
    test: many('does not end before all of them are judged'),
  },
  {
    name: 'held payments are told one by one',
    edits: [
      {
        file: EXCEPTIONS,
        from: 'export const TOLD_ONE_BY_ONE = 20;',
        to: 'export const TOLD_ONE_BY_ONE = 2_000;',
      },
    ],
    test: exceptions('hundreds are told with their sums, and a person is asked'),
  },
  {
    name: 'a sum is told for every twenty payments',
    edits: [{ file: EXCEPTIONS, from: 'first *= 2', to: 'first += TOLD_ONE_BY_ONE' }],
    test: exceptions('the ranks are the 21st and each doubling'),
  },
  {
    name: 'an event sums up every asset that anybody issues',
    edits: [{ file: EXCEPTIONS, from: '.slice(0, ASSETS_SUMMED)', to: '.slice(0)' }],
    test: exceptions('reasons are counted by themselves, and of many assets the first ten'),
  },
  {
    name: 'an event of very many payments sums up every asset',
    edits: [
      {
        file: 'src/db/many-exceptions.ts',
        from: 'SELECT * FROM sums ORDER BY first LIMIT ${ASSETS_SUMMED}',
        to: 'SELECT * FROM sums ORDER BY first LIMIT ${10 * ASSETS_SUMMED}',
      },
    ],
    test: many('of more assets than are summed'),
  },
  {
    name: 'a sum is told before its last payment is read',
    edits: [
      {
        file: EXCEPTIONS,
        from: 'payment === undefined || payment.ledger > readThrough',
        to: 'payment === undefined || readThrough < 0',
      },
    ],
    test: exceptions('a sum is told when everything before its last payment is read'),
  },
  {
    name: 'any number of reports of a session is looked for',
    edits: [
      {
        file: 'src/db/reports.ts',
        from: 'WHERE is_known OR unseen < ${mostUnseen}',
        to: 'WHERE is_known OR unseen < 100 * ${mostUnseen}::bigint',
      },
    ],
    test: reports('more of them are neither looked for nor kept'),
  },
  {
    name: 'a merchant’s reports take all slots',
    edits: [
      {
        file: 'src/activities/prove-report.ts',
        from: 'createSlots(ASKED_PER_MERCHANT)',
        to: 'createSlots(100 * ASKED_PER_MERCHANT)',
      },
    ],
    test: reports('five of a merchant are asked about at once'),
  },
  {
    name: 'a report waits in its slot',
    edits: [
      {
        file: 'src/activities/prove-report.ts',
        from: 'if (isOpen && input.wait) askAgainLater(answer, asked === null);',
        to: 'if (isOpen && input.wait && !answer) askAgainLater(answer, asked === null);',
      },
    ],
    test: reports('is asked again by a later attempt, which takes no slot meanwhile'),
  },
  {
    name: 'metadata of any size is read out of the database',
    edits: [
      {
        file: 'src/domain/metadata.ts',
        from: 'export const METADATA_BYTES = 16_384;',
        to: 'export const METADATA_BYTES = 16_384_000;',
      },
    ],
    test: inTest('db/metadata', 'what is too large is not read out of the database'),
  },
  {
    name: 'a run that cannot go on is left as it is',
    edits: [
      {
        file: 'src/activities/reconcile/repair-page.ts',
        from: "if (state === 'stuck') await endStuck(deps, sessionId);",
        to: '',
      },
    ],
    test: inTest('pipeline/stuck-run', 'gets another one'),
  },
  {
    name: 'a merchant has as many endpoints as it likes',
    edits: [
      {
        file: 'src/db/operator/merchants.ts',
        from: 'const MOST_ENDPOINTS = 20;',
        to: 'const MOST_ENDPOINTS = 2_000;',
      },
    ],
    test: inTest('db/operator/merchants', 'has twenty endpoints at most'),
  },
];
