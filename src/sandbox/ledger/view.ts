/** What one request sees: the network as one node has it, at one moment. */
import type { Chain } from './chain.ts';
import type { AccountEntry } from './entries.ts';
import { Held } from './held.ts';
import { slice } from './history.ts';
import type { LedgerRecord, OperationRecord, Range, TransactionRecord } from './history.ts';
import type { Node } from './nodes.ts';
import { serverError } from './problem.ts';

/**
 * Reads of one request. What is looked up (ledger, account, transaction) comes from the node's own database,
 * operations from its second replica where it has one.
 */
export class View {
  readonly head: LedgerRecord;
  /** `http://host:port`, for links. */
  readonly base: string;
  private readonly chain: Chain;
  private readonly node: Node;
  private readonly held: Held;
  private readonly replica: Held;

  /** The node lags `behind` ledgers or more. @throws Problem when it has no ledger */
  constructor(chain: Chain, node: Node, behind: number, base: string) {
    this.chain = node.network ?? chain;
    this.node = node;
    this.base = base;
    const { history } = this.chain;
    this.held = new Held(history, node, behind);
    this.replica = node.operations ? new Held(history, node.operations, behind) : this.held;
    this.head = history.ledger(this.held.head) ?? history.latest();
  }

  get passphrase(): string {
    return this.node.passphrase ?? this.chain.passphrase;
  }

  /** What the root document says of the programs. */
  get version(): { horizon: string; core: string } {
    return { horizon: 'sandbox', core: 'sandbox', ...this.node.version };
  }

  /** The oldest ledger that the node still shows. */
  get elder(): number {
    return this.held.elder;
  }

  /** The account as of the head. */
  account(id: string): AccountEntry | undefined {
    return this.chain.accounts.accountAsOf(id, this.head.sequence);
  }

  /** Whether a ledger is older than all that the node shows. */
  isBeforeHistory(sequence: number): boolean {
    return sequence < this.elder;
  }

  /** A ledger the node has: not beyond its head, not reaped, not in a gap. */
  ledger(sequence: number): LedgerRecord | undefined {
    return this.held.hasLedger(sequence) ? this.chain.history.ledger(sequence) : undefined;
  }

  /** A page of ledgers. A gap is jumped over. */
  ledgers(range: Omit<Range, 'head'>): LedgerRecord[] {
    const idOf = ({ sequence }: LedgerRecord) => BigInt(sequence) << 32n;
    const { head } = this.held;
    return slice(this.chain.history.ledgers, idOf, { ...range, head }, ({ sequence }) =>
      this.held.hasLedger(sequence),
    );
  }

  /** What the node counted when it ingested a ledger: transactions, and injected records. */
  ingested(ledger: LedgerRecord): { transactions: TransactionRecord[]; injected: number } {
    const injected = ledger.operations.filter(
      (one) => one.transaction === null && this.held.ingestsInjected(one),
    );
    const transactions = ledger.transactions.filter((one) => this.held.ingests(one));
    return { transactions, injected: injected.length };
  }

  /** A transaction by outer or inner hash. */
  transaction(hash: string): TransactionRecord | undefined {
    const found = this.chain.history.transaction(hash);
    return found && this.held.hasTransaction(found) ? found : undefined;
  }

  /** The operations of a transaction. */
  operationsOf(record: TransactionRecord): OperationRecord[] {
    return record.ledger.operations.filter(
      (one) => one.transaction === record && this.replica.hasOperation(one),
    );
  }

  /** One operation by its id. */
  operation(id: string): OperationRecord | undefined {
    const found = this.chain.history.operations.get(id);
    return found && this.shows(found) ? this.dated(found) : undefined;
  }

  /** All operations an account took part in, or undefined when the node has never seen one (gaps count as unseen). */
  ofAccount(id: string): readonly OperationRecord[] | undefined {
    const list = this.chain.history.ofAccount(id);
    return list?.some((one) => this.held.hasSeen(one)) ? list : undefined;
  }

  /** All payments of the network. */
  get payments(): readonly OperationRecord[] {
    return this.chain.history.payments;
  }

  /** All operations of the network. */
  get operations(): readonly OperationRecord[] {
    return [...this.chain.history.operations.values()].filter((one) => this.shows(one));
  }

  /** A page out of a sorted list of operations. */
  page(
    list: readonly OperationRecord[],
    range: Omit<Range, 'head'>,
    test: (operation: OperationRecord) => boolean,
  ): OperationRecord[] {
    const { head } = this.replica;
    const idOf = ({ id }: OperationRecord) => id;
    const visible = (one: OperationRecord) => this.shows(one) && test(one);
    return slice(list, idOf, { ...range, head }, visible).map((one) => this.dated(one));
  }

  private shows(one: OperationRecord): boolean {
    return one.ledger.sequence >= this.elder && this.replica.hasOperation(one);
  }

  /** The time of an operation is its ledger's, a row that Horizon reads last: without it the answer is 500. */
  private dated(one: OperationRecord): OperationRecord {
    if (!this.held.hasLedger(one.ledger.sequence)) throw serverError();
    return one;
  }
}
