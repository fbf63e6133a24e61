/** Deliberate breakages of what is told and asked, and of what a page covers, and the test that turns red for each. */
import type { TestedMutant } from './settlement.ts';

const inTest = (file: string, name: string) => ({ file: `test/domain/${file}.test.ts`, name });

/** Every one of them. */
export const TOLD_MUTANTS: readonly TestedMutant[] = [
  {
    name: 'nobody asks about what was told in another order',
    edits: [
      {
        file: 'src/domain/attention.ts',
        from: 'j.placedAfter !== null && j.payment.placedAfter === null',
        to: 'j.placedAfter !== j.payment.placedAfter && j.verdict === null',
      },
    ],
    test: inTest('history-found-later', 'changes nothing that was told'),
  },
  {
    name: 'an ending that is made again says what is found by now',
    edits: [
      {
        file: 'src/domain/event.ts',
        from: ' && (placedAfter ?? 0) < ending',
        to: '',
      },
    ],
    test: inTest('settle-order', 'an ending, though more money of before it is found'),
  },
  {
    name: 'an ending that is made again leaves out what was returned',
    edits: [
      {
        file: 'src/domain/event.ts',
        from: "({ verdict, placedAfter }) => verdict === 'credited'",
        to: "({ verdict, placedAfter, payment }) => !payment.resolved && verdict === 'credited'",
      },
    ],
    test: inTest('settle-order', 'an ending, though the money that it held is returned'),
  },
  {
    name: 'what ended before our time never gets its money',
    edits: [{ file: 'src/domain/judgement.ts', from: 'Math.max(0, ...known)', to: '0' }],
    test: inTest('settle-adoption', 'though nobody will read the ledger for it'),
  },
  {
    name: 'evidence may lie beyond the end',
    edits: [
      {
        file: 'src/domain/attention.ts',
        from: '(endLedger ?? newestLedger) - 1',
        to: '(endLedger ?? newestLedger)',
      },
    ],
    test: inTest('settle-repairs', 'is never un-paid'),
  },
  {
    name: 'a full page proves the whole of its last ledger',
    edits: [
      {
        file: 'src/domain/account-page.ts',
        from: 'return this.#isFull ? this.#last.ledger - 1 : this.#last.ledger;',
        to: 'return this.#last.ledger;',
      },
    ],
    test: inTest('evidence', 'that is full may end within a ledger'),
  },
];
