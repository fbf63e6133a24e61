/** What one request sees: the network as of a head ledger, which a lagging node has behind the real one. */
import type { Chain } from './chain.ts';
import type { AccountEntry } from './entries.ts';
import { slice } from './history.ts';
import type { LedgerRecord, OperationRecord, Range, TransactionRecord } from './history.ts';

/** Reads that are all of one node, at one moment. */
export class View {
  readonly head: LedgerRecord;
  /** `http://host:port`, for links. */
  readonly base: string;
  private readonly chain: Chain;

  constructor(chain: Chain, behind: number, base: string) {
    this.chain = chain;
    this.base = base;
    const latest = chain.history.latest().sequence;
    const sequence = Math.max(latest - behind, chain.history.elder);
    this.head = chain.history.ledger(sequence) ?? chain.history.latest();
  }

  get passphrase(): string {
    return this.chain.passphrase;
  }

  /** The oldest ledger that the node still shows. */
  get elder(): number {
    return this.chain.history.elder;
  }

  /** The account as of the head. */
  account(id: string): AccountEntry | undefined {
    return this.chain.accounts.accountAsOf(id, this.head.sequence);
  }

  /** Whether a ledger is older than all that the node shows. */
  isBeforeHistory(sequence: number): boolean {
    return sequence < this.elder;
  }

  /** A ledger the node has: not beyond its head, not reaped. */
  ledger(sequence: number): LedgerRecord | undefined {
    if (sequence > this.head.sequence || sequence < this.elder) return undefined;
    return this.chain.history.ledger(sequence);
  }

  /** A page of ledgers. */
  ledgers(range: Omit<Range, 'head'>): LedgerRecord[] {
    const idOf = ({ sequence }: LedgerRecord) => BigInt(sequence) << 32n;
    return slice(this.chain.history.ledgers, idOf, this.ranged(range), (one) => this.shows(one));
  }

  /** A transaction by outer or inner hash. */
  transaction(hash: string): TransactionRecord | undefined {
    const found = this.chain.history.transaction(hash);
    return found && !found.hidden && this.ledger(found.ledger.sequence) ? found : undefined;
  }

  /** One operation by its id. */
  operation(id: string): OperationRecord | undefined {
    const found = this.chain.history.operations.get(id);
    return found && !found.transaction?.hidden && this.shows(found.ledger) ? found : undefined;
  }

  /** All operations an account took part in, or undefined when the node has never seen one (gaps count as unseen). */
  ofAccount(id: string): readonly OperationRecord[] | undefined {
    const list = this.chain.history.ofAccount(id);
    const first = list?.find(({ transaction }) => transaction?.hidden !== true);
    return first && first.ledger.sequence <= this.head.sequence ? list : undefined;
  }

  /** All payments of the network. */
  get payments(): readonly OperationRecord[] {
    return this.chain.history.payments;
  }

  /** All operations of the network. */
  get operations(): readonly OperationRecord[] {
    return [...this.chain.history.operations.values()].filter(
      (one) => this.shows(one.ledger) && one.transaction?.hidden !== true,
    );
  }

  /** A page out of a sorted list of operations. */
  page(
    list: readonly OperationRecord[],
    range: Omit<Range, 'head'>,
    test: (operation: OperationRecord) => boolean,
  ): OperationRecord[] {
    const visible = (one: OperationRecord) =>
      this.shows(one.ledger) && one.transaction?.hidden !== true && test(one);
    return slice(list, (one) => one.id, this.ranged(range), visible);
  }

  private shows(ledger: LedgerRecord): boolean {
    return ledger.sequence <= this.head.sequence && ledger.sequence >= this.elder;
  }

  private ranged(range: Omit<Range, 'head'>): Range {
    return { ...range, head: this.head.sequence };
  }
}
