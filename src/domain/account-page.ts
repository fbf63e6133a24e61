/** Evidence of one account's pages (see evidence.ts: what one answer proves by itself). */
import type { Decoded } from './evidence.ts';
import type { LedgerPayment, UndecodedRecord } from './ledger-payment.ts';

/** Where a page of an account's payments begins. */
export type PageStart = {
  /** The ledger that is read already: the page covers what comes after it. */
  readonly afterLedger: number;
  /**
   * The paging token of a record at or before `afterLedger`'s end that was seen before: a page that does not begin with
   * it was moved by the node and proves nothing. Null when the account has no such record (it did not exist).
   */
  readonly known: string | null;
};

/** A record of a page of an account's payments, as far as its place matters. */
export type PlacedRecord = {
  readonly token: string;
  readonly ledger: number;
  /** Whether it created the account whose page this is. */
  readonly createsAccount: boolean;
};

/**
 * Payments of one account, in order, from a record that was known. It proves what the node has from there on, and not
 * that the node has every ledger: a gap in its ingestion stays unseen. Crediting rests on it, endings never do.
 */
export class AccountPage {
  readonly #account: string;
  readonly #start: PageStart;
  readonly #decoded: Decoded;
  readonly #last: PlacedRecord;
  readonly #isFull: boolean;

  private constructor(
    account: string,
    start: PageStart,
    { payments, undecoded }: Decoded,
    last: PlacedRecord,
    isFull: boolean,
  ) {
    this.#account = account;
    this.#start = start;
    this.#decoded = { payments, undecoded };
    this.#last = last;
    this.#isFull = isFull;
  }

  /**
   * Null when the page does not show that it begins where it was asked to (with the known record, or with the account's
   * creation where no record was known), or when its records are out of order.
   */
  static of(
    account: string,
    start: PageStart,
    records: readonly PlacedRecord[],
    decoded: Decoded,
    limit: number,
  ): AccountPage | null {
    const [first] = records;
    const last = records.at(-1);
    if (first === undefined || last === undefined) return null;
    const begins = start.known === null ? first.createsAccount : first.token === start.known;
    if (!begins) return null;
    const isOrdered = records.every(
      ({ token }, i) => BigInt(token) > BigInt(records[i - 1]?.token ?? -1),
    );
    if (!isOrdered) return null;
    return new AccountPage(account, start, decoded, last, records.length >= limit);
  }

  get account(): string {
    return this.#account;
  }
  get start(): PageStart {
    return this.#start;
  }
  /** Whether there may be more behind it. */
  get isFull(): boolean {
    return this.#isFull;
  }
  /** A full page may end within a ledger, so it covers only what comes before its last one. */
  get throughLedger(): number {
    return this.#isFull ? this.#last.ledger - 1 : this.#last.ledger;
  }
  /** Where the next page begins. */
  get next(): PageStart {
    const afterLedger = Math.max(this.throughLedger, this.#start.afterLedger);
    return { afterLedger, known: this.#last.token };
  }
  get payments(): readonly LedgerPayment[] {
    return this.#decoded.payments;
  }
  get undecoded(): readonly UndecodedRecord[] {
    return this.#decoded.undecoded;
  }
}
