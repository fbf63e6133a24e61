/**
 * What has happened: ledgers, transactions and operations, in the order of their TOID, with the lists
 * that Horizon pages through. Everything is read as of a head ledger, so that a lagging node can be played.
 */
import type { Stroops } from '../../domain/money.ts';

/** A JSON object as it goes over the wire. */
export type Json = Record<string, unknown>;

/** One closed ledger. `closedAt` is whole seconds since 1970. `hash` covers the contents: it is final when it has closed. */
export type LedgerRecord = {
  readonly sequence: number;
  readonly closedAt: number;
  hash: string;
  readonly previousHash: string;
  readonly transactions: TransactionRecord[];
  readonly operations: OperationRecord[];
};

/** One transaction of a ledger, successful or not. Hashes are lower-case hex; `hash` is the outer one. */
export type TransactionRecord = {
  readonly id: bigint;
  readonly hash: string;
  readonly innerHash: string | null;
  readonly ledger: LedgerRecord;
  readonly successful: boolean;
  readonly source: string;
  readonly sequence: bigint;
  readonly feeAccount: string;
  readonly feeCharged: Stroops;
  readonly maxFee: Stroops;
  readonly innerMaxFee: Stroops;
  readonly operationCount: number;
  readonly envelopeXdr: string;
  readonly resultXdr: string;
  readonly resultCodes: Json;
  readonly memo: Json;
  readonly preconditions: Json | null;
  readonly signatures: string[];
  readonly innerSignatures: string[];
  /** Not shown yet: it is one of the gaps that a reingest fills later. */
  hidden: boolean;
};

/** An effect of an operation; `account` may be a muxed address. */
export type EffectRecord = {
  readonly account: string;
  readonly type: string;
  readonly details: Json;
};

/** One operation. `raw` replaces the whole record on the wire: it was injected by a test. */
export type OperationRecord = {
  readonly id: bigint;
  readonly transaction: TransactionRecord | null;
  readonly ledger: LedgerRecord;
  readonly source: string;
  readonly type: string;
  readonly details: Json;
  readonly isPayment: boolean;
  readonly participants: readonly string[];
  readonly effects: readonly EffectRecord[];
  readonly raw: Json | null;
};

/** Horizon's total order: ledger, transaction in it, operation in that, all but the ledger counted from one. */
export function toid(ledger: number, transaction = 0, operation = 0): bigint {
  return (BigInt(ledger) << 32n) | (BigInt(transaction) << 12n) | BigInt(operation);
}

/** A range of a list: after the cursor, in this order, no more than `limit`, nothing after ledger `head`. */
export type Range = {
  readonly cursor: bigint | null;
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  readonly head: number;
};

/** The items of a sorted list in a range that pass the test. Costs what it returns, not what exists. */
export function slice<T>(
  items: readonly T[],
  idOf: (item: T) => bigint,
  range: Range,
  test: (item: T) => boolean,
): T[] {
  const end = toid(range.head + 1);
  const found: T[] = [];
  const step = range.order === 'asc' ? 1 : -1;
  const start = range.cursor ?? (step === 1 ? -1n : end);
  const from =
    step === 1
      ? countUpTo(items, idOf, start)
      : countUpTo(items, idOf, (start < end ? start : end) - 1n) - 1;
  for (let i = from; i >= 0 && i < items.length && found.length < range.limit; i += step) {
    const item = items[i];
    if (item === undefined || idOf(item) >= end) break;
    if (test(item)) found.push(item);
  }
  return found;
}

function countUpTo<T>(items: readonly T[], idOf: (item: T) => bigint, id: bigint): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const item = items[middle];
    if (item !== undefined && idOf(item) <= id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Every closed ledger of one epoch of the network, indexed as Horizon indexes them. */
export class History {
  readonly ledgers: LedgerRecord[] = [];
  readonly payments: OperationRecord[] = [];
  readonly operations = new Map<string, OperationRecord>();
  /** The oldest ledger this node still shows. */
  elder: number;
  private readonly byHash = new Map<string, TransactionRecord>();
  private readonly byAccount = new Map<string, OperationRecord[]>();

  constructor(first: LedgerRecord) {
    this.elder = first.sequence;
    this.ledgers.push(first);
  }

  /** The newest closed ledger. */
  latest(): LedgerRecord {
    const ledger = this.ledgers.at(-1);
    if (!ledger) throw new Error('A sandbox network always has a ledger.');
    return ledger;
  }

  /** A closed ledger by its number; undefined when it has not closed or never existed. */
  ledger(sequence: number): LedgerRecord | undefined {
    return this.ledgers[sequence - (this.ledgers[0]?.sequence ?? 0)];
  }

  /** Appends a closed ledger. */
  append(ledger: LedgerRecord): void {
    this.ledgers.push(ledger);
    for (const transaction of ledger.transactions) {
      this.byHash.set(transaction.hash, transaction);
      if (transaction.innerHash !== null) this.byHash.set(transaction.innerHash, transaction);
    }
    for (const operation of ledger.operations) {
      this.operations.set(String(operation.id), operation);
      if (operation.isPayment) this.payments.push(operation);
      for (const account of new Set(operation.participants))
        this.accountList(account).push(operation);
    }
  }

  /** A transaction by its outer or inner hash, hidden or not. */
  transaction(hash: string): TransactionRecord | undefined {
    return this.byHash.get(hash);
  }

  /** Every operation an account took part in; undefined when it never did. */
  ofAccount(account: string): readonly OperationRecord[] | undefined {
    return this.byAccount.get(account);
  }

  private accountList(account: string): OperationRecord[] {
    const list = this.byAccount.get(account) ?? [];
    this.byAccount.set(account, list);
    return list;
  }
}
