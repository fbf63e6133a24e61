/** What the budget of a public Horizon (3,600 requests an hour for each address) suffices for, as docs/performance.md has it. */
import { expect, test } from '@jest/globals';
import {
  requestsNeeded,
  shortage,
  type Shortage,
} from '../../src/activities/watch/requests-needed.ts';
import type { ReadStrategy } from '../../src/db/watching.ts';

const PUBLIC = 3_600;
/** Ledgers of 5 s. */
const LEDGERS_PER_HOUR = 720;

/** Requests an hour without endings, rounded up; those of endings in the worst case; what is short. */
type Expected = readonly [reading: number, endings: number, short: Shortage | null];

test.each<[ReadStrategy, accounts: number, seconds: number, perLedger: number, Expected]>([
  ['accounts', 1, 5, 1, [1_500, 720, null]],
  ['accounts', 1, 5, 3, [1_500, 2_160, 'endings']],
  ['accounts', 3, 5, 1, [3_060, 720, 'endings']],
  ['accounts', 4, 5, 1, [3_840, 720, 'reading']],
  ['accounts', 100, 5, 1, [78_720, 720, 'reading']],
  ['accounts', 10_000, 5, 1, [7_800_720, 720, 'reading']],
  ['accounts', 29, 60, 1, [3_540, 720, 'endings']],
  ['accounts', 100, 60, 1, [12_060, 720, 'reading']],
  ['accounts', 10_000, 60, 1, [1_200_060, 720, 'reading']],
  ['ledgers', 1, 5, 3, [2_881, 0, null]],
  ['ledgers', 1, 5, 5, [4_321, 0, 'reading']],
  ['ledgers', 100, 5, 3, [2_889, 0, null]],
  ['ledgers', 10_000, 5, 1, [2_274, 0, null]],
  ['ledgers', 10_000, 5, 3, [3_714, 0, 'reading']],
  ['ledgers', 10_000, 60, 3, [3_054, 0, null]],
  ['ledgers', 10_000, 60, 5, [4_494, 0, 'reading']],
])(
  '%s, %i accounts with open sessions, every %i s, %i requests a ledger',
  (strategy, accounts, seconds, requestsPerLedger, expected) => {
    const needed = requestsNeeded({
      strategy,
      accounts,
      openAccounts: accounts,
      pollIntervalMs: seconds * 1000,
      ledgersPerHour: LEDGERS_PER_HOUR,
      requestsPerLedger,
    });
    const reading = Math.ceil(needed.chain + needed.accounts + needed.ledgers);
    expect([reading, needed.endings, shortage(needed, PUBLIC)]).toEqual(expected);
  },
);
