import { storeFindings } from '../../db/inbox.ts';
import { awaitedCoverage, extendCoverage, type AwaitedCoverage } from '../../db/watching.ts';
import { unchangedSince } from '../../domain/ledger-source.ts';
import type { Deps } from '../deps.ts';

/** Ledgers read whole in one turn to close the gap of one account: three minutes of ledgers on the public network. */
const GAP_LEDGERS_PER_TURN = 36;

/**
 * Extends the coverage that sessions wait for, beyond what the pages proved. First by the account's entry (rule b): if
 * the entry of the asset was last modified in a covered ledger, nothing arrived since. Where it was modified later, by
 * something that is no payment or not yet read, the ledgers in between are read whole (rule c), and the entry then proves the rest.
 */
export async function extendAwaitedCoverage(
  deps: Deps,
  headTime: Date,
  thorough: boolean,
): Promise<void> {
  const awaited = await awaitedCoverage(
    deps.database.db,
    thorough ? FAR_FUTURE : headTime,
    deps.readStrategy,
  );
  for (const [account, wanted] of Map.groupBy(awaited, (a) => a.account)) {
    try {
      await extendAccount(deps, account, wanted, headTime);
    } catch (error) {
      deps.log.warn(
        { account, err: error },
        'No evidence of coverage was to be had; it is tried again.',
      );
    }
  }
}

/** Later than any deadline: the evidence is taken for every open session. */
const FAR_FUTURE = new Date('9999-01-01T00:00:00Z');

async function extendAccount(
  deps: Deps,
  account: string,
  wanted: readonly AwaitedCoverage[],
  headTime: Date,
): Promise<void> {
  const entries = await deps.source.accountEntries(account);
  for (const want of wanted) {
    if (entries === null) {
      await readGap(deps, want, Number.MAX_SAFE_INTEGER, headTime);
      continue;
    }
    const { asset } = want;
    const modified = unchangedSince(entries, asset);
    const covered = await readGap(deps, want, modified, headTime);
    const ledger = await deps.source.ledger(entries.asOfLedger);
    if (covered < modified || ledger === null) continue;
    await extendCoverage(deps.database.db, account, asset, modified, {
      throughLedger: entries.asOfLedger,
      throughTime: ledger.closedAt,
    });
  }
}

/** Reads whole ledgers from the end of the coverage up to `upTo`, as far as this turn allows. Returns how far it is covered. */
async function readGap(
  deps: Deps,
  { account, asset, throughLedger }: AwaitedCoverage,
  upTo: number,
  headTime: Date,
): Promise<number> {
  const { db, pool } = deps.database;
  let covered = throughLedger;
  const last = Math.min(upTo, throughLedger + GAP_LEDGERS_PER_TURN);
  while (covered < last) {
    const next = covered + 1;
    const findings = await deps.source.ledgerPayments(next, new Set([account]));
    if (findings === null) break;
    await storeFindings(pool, findings);
    const ledger = await deps.source.ledger(next);
    if (ledger === null) break;
    await extendCoverage(db, account, asset, covered, {
      throughLedger: next,
      throughTime: ledger.closedAt,
    });
    covered = next;
    if (ledger.closedAt >= headTime) break;
  }
  return covered;
}
