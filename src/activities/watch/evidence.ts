import { recountedLedgers } from '../../db/ledgers.ts';
import { missingLedgers } from '../../db/watching.ts';
import type { LedgerHeader } from '../../domain/evidence.ts';
import type { Deps } from '../deps.ts';
import { readWholeLedgers, type LedgersRead, type WantedLedger } from './whole-ledgers.ts';

/** Ledgers read whole in one turn for endings, over all accounts. */
const LEDGERS_PER_TURN = 72;

/**
 * Reads ledgers whole: first those whose count has grown since they were read, then those that keep sessions from ending
 * whose deadline is over (their account's entry moved in them, or was not looked at yet). One reading serves every
 * account that lacks the ledger.
 */
export async function readMissingLedgers(
  deps: Deps,
  newest: LedgerHeader,
  signal: AbortSignal,
): Promise<LedgersRead> {
  const { db } = deps.database;
  const wanted = [
    ...(await recountedLedgers(db)),
    ...inTurns(await missingLedgers(db, deps.readStrategy)),
  ];
  return readWholeLedgers(deps, wanted, newest, signal);
}

/** One ledger of each account after the other, so that an account with a long gap does not keep the rest waiting. */
function inTurns(
  missing: readonly { readonly account: string; readonly ledgers: readonly number[] }[],
): WantedLedger[] {
  const lacking = new Map<number, string[]>();
  for (const { account, ledgers } of missing) {
    for (const ledger of ledgers) lacking.set(ledger, [...(lacking.get(ledger) ?? []), account]);
  }
  const wanted = new Set<number>();
  const longest = Math.max(0, ...missing.map(({ ledgers }) => ledgers.length));
  for (let turn = 0; turn < longest && wanted.size < LEDGERS_PER_TURN; turn += 1) {
    for (const { ledgers } of missing) {
      const ledger = ledgers[turn];
      if (ledger !== undefined && wanted.size < LEDGERS_PER_TURN) wanted.add(ledger);
    }
  }
  return [...wanted].map((sequence) => ({ sequence, accounts: lacking.get(sequence) ?? [] }));
}
