/**
 * What one answer of the ledger proves by itself. Horizon's history endpoints open no transaction, and behind one
 * address may stand several nodes, so nothing is concluded from two answers together: each kind of evidence is made
 * from one answer, by the check that makes it evidence, and the database takes nothing else
 * (docs/decisions/0012-one-answer-one-fact.md). Private fields keep the classes nominal: no object of the same shape
 * passes for one.
 */
import { MoreThanCounted, OtherChain } from './ledger-errors.ts';
import type { LedgerPayment, UndecodedRecord } from './ledger-payment.ts';

/** The header of a ledger that has closed. It never changes; its hash names it. */
export type LedgerHeader = {
  readonly sequence: number;
  readonly hash: string;
  readonly previousHash: string;
  /** Whole seconds, UTC. Consecutive ledgers may share one (CAP-88, Protocol 30). */
  readonly closedAt: Date;
  /** Operations of successful transactions. A node with an ingestion filter counts too few. */
  readonly operationCount: number;
};

/** A ledger by its number and hash. */
export type LedgerName = Pick<LedgerHeader, 'sequence' | 'hash'>;

/** Ledgers that are chained to each other by their hashes, and to one that is known already. */
export class HeaderRun {
  readonly #headers: readonly LedgerHeader[];
  readonly #isWhole: boolean;

  private constructor(headers: readonly LedgerHeader[], isWhole: boolean) {
    this.#headers = headers;
    this.#isWhole = isWhole;
  }

  /**
   * The longest prefix that follows `tip`; `isLast`: the node had nothing behind its answer. Null when the answer does not begin with it (the node lags, or lacks it).
   * @throws OtherChain when it begins with the tip's number and another hash
   */
  static after(tip: LedgerName, answer: readonly LedgerHeader[], isLast = true): HeaderRun | null {
    if (!beginsWith(tip, answer)) return null;
    const headers: LedgerHeader[] = [];
    let last = tip;
    for (const header of answer.slice(1)) {
      if (header.sequence !== last.sequence + 1 || header.previousHash !== last.hash) break;
      headers.push(header);
      last = header;
    }
    return new HeaderRun(headers, isLast && headers.length === answer.length - 1);
  }

  /** The same backwards, from the first known ledger. Its own header is part of the run: it names the one before it. */
  static before(first: LedgerName, answer: readonly LedgerHeader[]): HeaderRun | null {
    if (!beginsWith(first, answer)) return null;
    const headers: LedgerHeader[] = [];
    for (const header of answer) {
      const after = headers[0];
      const isNext =
        after === undefined ||
        (header.sequence === after.sequence - 1 && header.hash === after.previousHash);
      if (!isNext) break;
      headers.unshift(header);
    }
    return new HeaderRun(headers, headers.length === answer.length);
  }

  /** Whether it is all of the answer. A node with a gap shows ledgers behind the gap, which no run reaches. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** In ascending order; empty when the node has nothing newer. */
  get headers(): readonly LedgerHeader[] {
    return this.#headers;
  }
}

/** @throws OtherChain */
function beginsWith(known: LedgerName, [first]: readonly LedgerHeader[]): boolean {
  if (first?.sequence !== known.sequence) return false;
  if (first.hash === known.hash) return true;
  throw new OtherChain(
    `Ledger ${known.sequence} has the hash ${first.hash}, but was read with ${known.hash}.`,
  );
}

/** The ledger entries of an account, all of one moment (Horizon reads them in one REPEATABLE READ transaction). */
export type EntriesAnswer = {
  readonly account: string;
  /** The ledger this answer is of (header `Latest-Ledger`). */
  readonly asOfLedger: number;
  readonly accountModifiedLedger: number;
  /** When `accountModifiedLedger` closed; null where Horizon has forgotten that ledger. */
  readonly accountModifiedAt: Date | null;
  /** By assetKey. */
  readonly trustlines: ReadonlyMap<string, { lastModifiedLedger: number; authorized: boolean }>;
  /** SEP-29: wallets refuse to pay it without a memo. */
  readonly memoRequired: boolean;
};

/** Nothing in one asset arrived at an account in the ledgers after `since`, up to `through`. */
export type Unmoved = { readonly asset: string; readonly since: number; readonly through: number };

/** An account as of one ledger: what was not modified since ledger M received nothing in (M, N]. */
export class AccountEntries {
  readonly #answer: EntriesAnswer;

  constructor(answer: EntriesAnswer) {
    this.#answer = answer;
  }

  get account(): string {
    return this.#answer.account;
  }

  /** What the answer says about trustlines and flags: for warnings, not for coverage. */
  get shown(): EntriesAnswer {
    return this.#answer;
  }

  /**
   * What this proves for an asset (`native`, or CODE:ISSUER); null where it proves nothing: an issuer takes its own
   * asset back without any entry of its own being written. An account without the trustline can receive nothing; when
   * a trustline is removed, the account's own entry is written.
   */
  unmoved(asset: string): Unmoved | null {
    const { account, asOfLedger, accountModifiedLedger, trustlines } = this.#answer;
    if (asset.endsWith(`:${account}`)) return null;
    const since =
      asset === 'native'
        ? accountModifiedLedger
        : (trustlines.get(asset)?.lastModifiedLedger ?? accountModifiedLedger);
    return { asset, since, through: asOfLedger };
  }
}

/** An operation of a ledger, as far as counting needs it. */
export type CountedOperation = { readonly id: bigint; readonly closedAt: Date };

/** What a record, or many, hold for the watched accounts. */
export type Decoded = {
  readonly payments: readonly LedgerPayment[];
  readonly undecoded: readonly UndecodedRecord[];
};

/** Everything that one ledger of the chain moved into some accounts, read whole. */
export class WholeLedger {
  readonly #header: LedgerHeader;
  readonly #accounts: ReadonlySet<string>;
  readonly #decoded: Decoded;

  private constructor(
    header: LedgerHeader,
    accounts: ReadonlySet<string>,
    { payments, undecoded }: Decoded,
  ) {
    this.#header = header;
    this.#accounts = accounts;
    this.#decoded = { payments, undecoded };
  }

  /**
   * Whole, if the operations are distinct, in order, of this ledger and its close time, and as many as the chain's
   * header counts: a replica that lags or lacks the ledger shows fewer. Null when they are not (yet).
   * @throws MoreThanCounted
   */
  static of(
    header: LedgerHeader,
    accounts: ReadonlySet<string>,
    operations: readonly CountedOperation[],
    decoded: Decoded,
  ): WholeLedger | null {
    let last = 0n;
    for (const { id, closedAt } of operations) {
      const isOfLedger = Number(id >> 32n) === header.sequence;
      if (!isOfLedger || id <= last || closedAt.getTime() !== header.closedAt.getTime())
        return null;
      last = id;
    }
    if (operations.length > header.operationCount) {
      throw new MoreThanCounted(
        `Ledger ${header.sequence} shows ${operations.length} operations, its header counts ${header.operationCount}.`,
      );
    }
    if (operations.length < header.operationCount) return null;
    return new WholeLedger(header, accounts, decoded);
  }

  get sequence(): number {
    return this.#header.sequence;
  }
  get hash(): string {
    return this.#header.hash;
  }
  get closedAt(): Date {
    return this.#header.closedAt;
  }
  /** The count of its header, by which it is whole: a node may show a larger one later. */
  get operationCount(): number {
    return this.#header.operationCount;
  }
  /** The accounts it was read for: it says nothing about others. */
  get accounts(): ReadonlySet<string> {
    return this.#accounts;
  }
  get payments(): readonly LedgerPayment[] {
    return this.#decoded.payments;
  }
  get undecoded(): readonly UndecodedRecord[] {
    return this.#decoded.undecoded;
  }
}
