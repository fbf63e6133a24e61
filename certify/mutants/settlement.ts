/** Deliberate breakages of the rules by which payments are judged and sessions end, and the test that turns red for each. */
import type { Edit } from './list.ts';

/** A breakage that needs no certificate to be noticed. */
export type TestedMutant = {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** The test file, and a part of the name of the test that must fail. */
  readonly test: { readonly file: string; readonly name: string };
};

const JUDGE = 'src/domain/judge.ts';
const SETTLE = 'src/domain/settle.ts';
const ONE_RESULT = {
  file: 'test/domain/function-of-the-ledger.test.ts',
  name: 'whatever became known first, was read first, crashed or was restored',
};
const FOUND_LATER = {
  file: 'test/domain/history-found-later.test.ts',
  name: 'changes nothing that was told',
};
const inTest = (file: string, name: string) => ({ file: `test/domain/${file}.test.ts`, name });

/** Those of judge.ts, settle.ts and session.ts. */
export const SETTLEMENT_MUTANTS: readonly TestedMutant[] = [
  {
    name: 'a payment is credited when the ledger before its own is read',
    edits: [
      {
        file: JUDGE,
        from: 'return payment.ledger <= Math.max(openedAfter, readThrough);',
        to: 'return payment.ledger - 1 <= Math.max(openedAfter, readThrough);',
      },
    ],
    test: ONE_RESULT,
  },
  {
    name: 'rows beyond what is read are credited',
    edits: [{ file: JUDGE, from: 'if (!isRead(session, placed, context)) return null;', to: '' }],
    test: ONE_RESULT,
  },
  {
    name: 'a duplicate is judged before what is in front of it is read',
    edits: [
      {
        file: JUDGE,
        from: 'waiting.push(payment);',
        to: 'waiting.push(payment);\n      credited += payment.amount;',
      },
    ],
    test: inTest('judge-order', 'is no reason to call what comes behind it a duplicate'),
  },
  {
    name: 'a payment is a duplicate of what is known, wherever that lies',
    edits: [
      {
        file: JUDGE,
        from: 'judgeOne(session, placed, context, credited >= session.price)',
        to: `judgeOne(session, placed, context, payments.reduce((n, p) =>
      p === placed ? n : n + p.payment.amount, 0n) >= session.price)`,
      },
    ],
    test: ONE_RESULT,
  },
  {
    name: 'a ledger of the deadline’s own second is the end (in the model of the chain)',
    edits: [
      {
        file: 'test/domain/ledger-life.ts',
        from: 'l.closedAt > instant',
        to: 'l.closedAt >= instant',
      },
    ],
    test: ONE_RESULT,
  },
  {
    name: 'the ledger before the end need not be proven',
    edits: [
      {
        file: SETTLE,
        from: 'coverage.provenThrough >= coverage.endLedger - 1 ?',
        to: 'coverage.provenThrough >= coverage.endLedger - 2 ?',
      },
    ],
    test: ONE_RESULT,
  },
  {
    name: 'an ending rests on pages',
    edits: [
      {
        file: SETTLE,
        from: 'coverage.provenThrough >= coverage.endLedger - 1 ?',
        to: 'coverage.readThrough >= coverage.endLedger - 1 ?',
      },
    ],
    test: inTest('settle', 'it was read by pages, which prove nothing'),
  },
  {
    name: 'an unread record does not hold back the ending',
    edits: [
      {
        file: SETTLE,
        from: 'coverage.endLedger === null || undecoded) return null;',
        to: 'coverage.endLedger === null) return null;',
      },
    ],
    test: inTest('settle', 'a record could not be decoded'),
  },
  {
    name: 'a session that is over is judged by the deadline of its row',
    edits: [
      {
        file: 'src/domain/session.ts',
        from: 'if (finalDeadline !== null) return finalDeadline;',
        to: '',
      },
    ],
    test: inTest('settle', 'a deadline that is moved after the ending'),
  },
  {
    name: 'late is what closes in the deadline’s second',
    edits: [
      {
        file: JUDGE,
        from: 'payment.closedAt > effectiveDeadline(session)',
        to: 'payment.closedAt >= effectiveDeadline(session)',
      },
    ],
    test: ONE_RESULT,
  },
  {
    name: 'payments count in the order in which they were found',
    edits: [{ file: JUDGE, from: '[...payments].sort(inOrder)', to: 'payments' }],
    test: ONE_RESULT,
  },
  {
    name: 'the row is of all that is credited',
    edits: [
      {
        file: SETTLE,
        from: 'paymentFor(judgement.completing, judgement.completed)',
        to: 'paymentFor(judgement.completing, judgement.credited)',
      },
    ],
    test: inTest('settle-repairs', 'a row is of what is credited through the completing payment'),
  },
  {
    name: 'what completes is all that is credited',
    edits: [
      {
        file: JUDGE,
        from: 'credited, completing, completed, waiting };',
        to: 'credited, completing, completed: credited, waiting };',
      },
    ],
    test: inTest('judge', 'though an older backend credited more'),
  },
  {
    name: 'a placed payment sorts at its own place',
    edits: [
      {
        file: JUDGE,
        from: '[a.placedAfter ?? a.payment.ledger, b.placedAfter ?? b.payment.ledger]',
        to: '[a.payment.ledger, b.payment.ledger]',
      },
    ],
    test: FOUND_LATER,
  },
  {
    name: 'nothing is placed behind what stands',
    edits: [
      { file: JUDGE, from: 'if (displaced.size === 0) return judgement;', to: 'return judgement;' },
    ],
    test: FOUND_LATER,
  },
  {
    name: 'nothing is placed behind an ending',
    edits: [
      {
        file: JUDGE,
        from: 'return isEnded ? new Set([...displaced, ...fresh]) : displaced;',
        to: 'return displaced;',
      },
    ],
    test: FOUND_LATER,
  },
  {
    name: 'two that are placed one after the other share a place',
    edits: [{ file: JUDGE, from: 'ledger : placedAfter + 1', to: 'ledger : placedAfter' }],
    test: inTest('judge-order', 'is behind what was placed before it'),
  },
  {
    name: 'only one look is taken at what must be placed',
    edits: [
      {
        file: JUDGE,
        from: '{ ...p, placedAfter: behind } : p));',
        to: '{ ...p, placedAfter: behind } : p));\n    return fold(session, placed, context);',
      },
    ],
    test: inTest('judge-order', 'moves a further payment'),
  },
  {
    name: 'a placed payment is behind what is read now, not behind what stands',
    edits: [{ file: JUDGE, from: 'session.closedThroughLedger ?? 0, ...standing', to: '0' }],
    test: inTest('judge-order', 'is behind what stands in ledgers that are not read any more'),
  },
  {
    name: 'a confirmation without its row is forgotten',
    edits: [{ file: JUDGE, from: ' || sumOf(standing) >= price', to: '' }],
    test: inTest('judge-order', 'is behind a confirmation that was made without it'),
  },
  {
    name: 'what is found after an ending waits for a reading',
    edits: [
      {
        file: JUDGE,
        from: 'placedAfter !== null || closedThroughLedger !== null',
        to: 'placedAfter !== null',
      },
    ],
    test: inTest('judge-order', 'does not hold back what is found after the ending'),
  },
  {
    name: 'what came before the opening waits for a reading',
    edits: [{ file: JUDGE, from: 'Math.max(openedAfter, readThrough)', to: 'readThrough' }],
    test: inTest('judge-order', 'does not hold back what came before the opening'),
  },
];
