/** The part of history that one database of a Horizon holds: which ledgers, and which transactions of them. */
import { extractBaseAddress } from '@stellar/stellar-sdk';
import type { History, OperationRecord, TransactionRecord } from './history.ts';
import { unavailable } from './problem.ts';

/** How a database differs from the whole history. Ledgers are given by number; both ends of a gap are missing. */
export type Holdings = {
  /** The newest ledger: some ledgers behind the network, or a node that stopped at one. */
  readonly head?: { readonly behind: number } | { readonly at: number };
  /** The oldest ledger: a fixed one, or the node keeps this many. Without it, what `reapBelow` left. */
  readonly oldest?: { readonly at: number } | { readonly keeps: number };
  /** Ledgers that were never ingested. State is unaffected: accounts are as of the head. */
  readonly gaps?: readonly (readonly [from: number, through: number])[];
  /** Horizon's account filter: transactions without one of these accounts were dropped at ingestion, counts included. */
  readonly filter?: { readonly accounts: readonly string[] };
};

/** One database's ledgers and transactions at one moment. */
export class Held {
  readonly head: number;
  /** The oldest ledger it shows. */
  readonly elder: number;
  private readonly gaps: readonly (readonly [number, number])[];
  private readonly accounts: ReadonlySet<string> | null;

  /** `behind` lags further ledgers than the holdings say. @throws Problem `still_ingesting` when gaps leave nothing */
  constructor(history: History, holdings: Holdings, behind: number) {
    this.gaps = holdings.gaps ?? [];
    this.accounts = holdings.filter ? new Set(holdings.filter.accounts) : null;
    const { newest, oldest } = endsOf(history, holdings, behind);
    let [head, elder] = [newest, oldest];
    for (let gap = this.gapAt(head); gap; gap = this.gapAt(head)) head = gap[0] - 1;
    for (let gap = this.gapAt(elder); gap; gap = this.gapAt(elder)) elder = gap[1] + 1;
    if (elder > head) throw unavailable('still_ingesting');
    [this.head, this.elder] = [head, elder];
  }

  /** Whether the row of a ledger is there. */
  hasLedger(sequence: number): boolean {
    return sequence <= this.head && sequence >= this.elder && !this.gapAt(sequence);
  }

  /** Whether the row of a transaction is there. */
  hasTransaction(record: TransactionRecord): boolean {
    return this.hasLedger(record.ledger.sequence) && !record.hidden && this.ingests(record);
  }

  /** Whether the row of an operation is there. */
  hasOperation(record: OperationRecord): boolean {
    return this.hasLedger(record.ledger.sequence) && this.keeps(record);
  }

  /** Whether it ever held the operation. Reaped operations count: Horizon still knows their accounts. */
  hasSeen(record: OperationRecord): boolean {
    const { sequence } = record.ledger;
    return sequence <= this.head && !this.gapAt(sequence) && this.keeps(record);
  }

  /** Whether the filter lets a transaction in. A ledger's counts leave out the others. */
  ingests(record: TransactionRecord): boolean {
    const { accounts } = this;
    if (accounts === null) return true;
    const own = record.ledger.operations.filter((one) => one.transaction === record);
    return (
      [record.source, record.feeAccount].some((one) => accounts.has(extractBaseAddress(one))) ||
      own.some(({ participants }) => participants.some((one) => accounts.has(one)))
    );
  }

  /** The same for an injected record, which stands for a transaction of one operation. */
  ingestsInjected({ participants }: OperationRecord): boolean {
    const { accounts } = this;
    return accounts === null || participants.some((one) => accounts.has(one));
  }

  private keeps(record: OperationRecord): boolean {
    const { transaction } = record;
    if (transaction === null) return this.ingestsInjected(record);
    return !transaction.hidden && this.ingests(transaction);
  }

  private gapAt(sequence: number): readonly [number, number] | undefined {
    return this.gaps.find(([from, through]) => sequence >= from && sequence <= through);
  }
}

function endsOf(
  history: History,
  { head, oldest }: Holdings,
  behind: number,
): { newest: number; oldest: number } {
  const latest = history.latest().sequence;
  const first = history.ledgers[0]?.sequence ?? latest;
  const within = (sequence: number, low: number) => Math.min(Math.max(sequence, low), latest);
  const lag = head && 'behind' in head ? Math.max(head.behind, behind) : behind;
  const newest = Math.min(latest - lag, head && 'at' in head ? head.at : latest);
  if (oldest && 'keeps' in oldest) {
    const end = within(newest, first);
    return { newest: end, oldest: within(end - oldest.keeps + 1, first) };
  }
  const start = oldest ? within(oldest.at, first) : history.elder;
  return { newest: within(newest, start), oldest: start };
}
