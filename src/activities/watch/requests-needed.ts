/** What reading costs, so that a budget can be judged before it is used up. Pure; bench/ledger-cost.ts counts the same. */
import type { ReadStrategy } from '../../db/watching.ts';
import type { LedgerHeader } from '../../domain/evidence.ts';
import { QUIET_FACTOR } from './turn.ts';
import { EVIDENCE_EVERY_MS } from './watch-ledger.ts';

const HOUR_MS = 3_600_000;
/** Horizon's largest page, in operations. */
const PAGE = 200;
/** Headers from which the pace of ledgers is taken; fewer say too little in whole seconds. */
const ENOUGH_HEADERS = 20;
/** Ledgers an hour where the pace is not known: one every 5 s, as on the public network. */
const USUAL_LEDGERS_PER_HOUR = 720;

/** What is read, and how. */
export type ReadingLoad = {
  readonly strategy: ReadStrategy;
  /** Watched accounts, those with open sessions among them. */
  readonly accounts: number;
  readonly openAccounts: number;
  readonly pollIntervalMs: number;
  readonly ledgersPerHour: number;
  /** Requests that read a ledger whole, on average. */
  readonly requestsPerLedger: number;
};

/** Requests an hour, by what they are for. Reports, openings and cancellations come on top: one to four requests each. */
export type RequestsNeeded = {
  /** The run of headers that each turn asks for. */
  readonly chain: number;
  /** Entries of accounts and, once a minute, their pages. */
  readonly accounts: number;
  /** Every ledger read whole, where the strategy is `ledgers`. */
  readonly ledgers: number;
  /** The worst case of endings: accounts whose sessions end moved in every ledger, and each of these is read whole. */
  readonly endings: number;
};

/** Requests an hour that reading takes when nothing is behind. */
export function requestsNeeded(load: ReadingLoad): RequestsNeeded {
  const { strategy, accounts, openAccounts, pollIntervalMs } = load;
  const turns = HOUR_MS / pollIntervalMs;
  const allLedgers = load.ledgersPerHour * load.requestsPerLedger;
  if (strategy === 'ledgers') {
    // An entry and a page of each account, once a day.
    return { chain: turns, accounts: (2 * accounts) / 24, ledgers: allLedgers, endings: 0 };
  }
  const quiet = accounts - openAccounts;
  const quietReadings = turns / QUIET_FACTOR;
  const thoroughTurns = Math.min(turns, HOUR_MS / EVIDENCE_EVERY_MS);
  const open = openAccounts * (turns + thoroughTurns);
  const rest = quiet * (quietReadings + Math.min(quietReadings, thoroughTurns));
  return { chain: turns, accounts: open + rest, ledgers: 0, endings: allLedgers };
}

/** What suffers first: `reading` (payments are seen late, everything waits) or `endings` (only sessions that end wait). */
export type Shortage = 'reading' | 'endings';

/** What a budget is too small for; null when it suffices. A budget of 0 is no limit. */
export function shortage(needed: RequestsNeeded, requestsPerHour: number): Shortage | null {
  if (requestsPerHour === 0) return null;
  const reading = needed.chain + needed.accounts + needed.ledgers;
  if (reading > requestsPerHour) return 'reading';
  return reading + needed.endings > requestsPerHour ? 'endings' : null;
}

/** How often ledgers close and what one costs to read whole, from consecutive headers. @throws RangeError without any */
export function paceOf(
  headers: readonly Pick<LedgerHeader, 'closedAt' | 'operationCount'>[],
): Pick<ReadingLoad, 'ledgersPerHour' | 'requestsPerLedger'> {
  const [first, last] = [headers[0], headers.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError('No header to measure.');
  const spanMs = last.closedAt.getTime() - first.closedAt.getTime();
  const isMeasured = headers.length >= ENOUGH_HEADERS && spanMs > 0;
  return {
    ledgersPerHour: isMeasured ? ((headers.length - 1) * HOUR_MS) / spanMs : USUAL_LEDGERS_PER_HOUR,
    requestsPerLedger: sum(headers.map(requestsToReadWhole)) / headers.length,
  };
}

/** The reading asks for one operation more than the header counts (horizon/ledgers.ts): 200 take two requests. */
function requestsToReadWhole({ operationCount }: Pick<LedgerHeader, 'operationCount'>): number {
  return Math.floor(operationCount / PAGE) + 1;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
