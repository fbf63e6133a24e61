/** A network's ledgers: one closes every 5 s, and each names the hash of the one before it. */
import { HeaderRun, WholeLedger, type LedgerHeader } from '../../src/domain/evidence.ts';
import { NotShown } from '../../src/domain/not-shown.ts';
import { minute } from './build.ts';

/** Ledger n; the ledger `atZero` closes in minute 0. Without operations unless given. */
export function headerOf(
  n: number,
  { atZero = 10_000, ...fields }: Partial<LedgerHeader> & { atZero?: number } = {},
): LedgerHeader {
  return {
    sequence: n,
    hash: `hash of ${n}`,
    previousHash: `hash of ${n - 1}`,
    closedAt: minute((n - atZero) / 12),
    operationCount: 0,
    ...fields,
  };
}

/** What a node shows behind a ledger that is known: a run. */
export function runAfter(tip: LedgerHeader, shown: readonly LedgerHeader[]): HeaderRun {
  const run = HeaderRun.after(tip, [tip, ...shown]);
  if (run === null) throw new Error('This is no run.');
  return run;
}

/** A ledger with as many operations as its header counts, none of which moved anything, read whole. */
export function wholeOf(header: LedgerHeader, accounts: readonly string[]): WholeLedger {
  const counted = Array.from({ length: header.operationCount }, (_, i) => ({
    id: (BigInt(header.sequence) << 32n) + BigInt(i + 1),
    closedAt: header.closedAt,
  }));
  const made = WholeLedger.of(header, new Set(accounts), counted, { payments: [], undecoded: [] });
  if (made === null) throw new Error('This ledger is not whole.');
  return made;
}

/** Ledgers that a page of headers leaves out. */
export function notShown(from: number, through: number): NotShown {
  const behind = headerOf(through + 1);
  const made = NotShown.before(behind, { asked: from, known: behind });
  if (made === null) throw new Error('This page leaves nothing out.');
  return made;
}
