/** The ledger as this system reads it, and Horizon as the one source of it. */
import type { LedgerPayment, UndecodedRecord } from '../domain/ledger-payment.ts';
import { assetKey } from '../domain/asset.ts';
import { createHorizonHttp, type HorizonHttp, type HorizonOptions } from './http.ts';
import { assetOf, decodeAll, type Decoded } from './decode.ts';
import { HorizonUnavailable } from './errors.ts';
import type { Covers } from './coverage.ts';
import { createLedgers, type ClosedLedger } from './ledgers.ts';
import { MOST, readPage } from './pages.ts';
import { accountSchema, rootSchema, transactionSchema } from './records.ts';

/** Where a node's history stands. Two answers may come from two nodes: nothing is concluded from them together. */
export type Head = {
  readonly latestLedger: number;
  readonly latestClosedAt: Date;
  readonly oldestLedger: number;
  readonly networkPassphrase: string;
};

/** One page of an account's payments. */
export type Page = Decoded & {
  readonly nextCursor: string;
  /** How many records the page had, of whatever kind. */
  readonly records: number;
  readonly covers: Covers | null;
};

/** The ledger entries of an account, all of one moment. */
export type AccountEntries = {
  readonly account: string;
  /** The ledger this answer is of. */
  readonly asOfLedger: number;
  readonly accountModifiedLedger: number;
  /** By assetKey. */
  readonly trustlines: ReadonlyMap<string, { lastModifiedLedger: number; authorized: boolean }>;
  /** SEP-29: wallets refuse to pay it without a memo. */
  readonly memoRequired: boolean;
};

/** A transaction, or how far a node had read when it did not show it. */
export type Found =
  | {
      readonly kind: 'found';
      readonly successful: boolean;
      /** The outer hash, whichever was asked for. */
      readonly txHash: string;
      readonly innerTxHash: string | null;
      readonly ledger: number;
      readonly closedAt: Date;
      readonly payments: readonly LedgerPayment[];
      readonly undecoded: readonly UndecodedRecord[];
    }
  | { readonly kind: 'not_found'; readonly asOfLedger: number };

/** Reading the ledger. Every method throws HorizonUnavailable, HorizonRateLimited or HorizonRefused when it gets no answer. */
export type LedgerSource = {
  head(): Promise<Head>;
  /** The account's payments after the cursor, oldest first. An account that the node does not know is an empty page. */
  page(account: string, cursor: string, limit: number): Promise<Page>;
  /** Null when the node does not know the account. */
  accountEntries(account: string): Promise<AccountEntries | null>;
  /** Null when the node does not have it. */
  ledger(sequence: number): Promise<ClosedLedger | null>;
  /** The hash of a ledger as the node says now, never from memory; null when the node does not have it. */
  ledgerHash(sequence: number): Promise<string | null>;
  /** A ledger that closed before the given time, not far from it; the node's oldest one if all closed later. */
  ledgerClosedBefore(time: Date): Promise<ClosedLedger>;
  /** Everything a ledger moved into the given accounts, read whole; null when the node does not have it. */
  ledgerPayments(sequence: number, accounts: ReadonlySet<string>): Promise<Decoded | null>;
  /** A transaction by its outer or inner hash, with what it moved into the given accounts. */
  transaction(hash: string, accounts: ReadonlySet<string>): Promise<Found>;
  close(): Promise<void>;
};

/** Reads from one Horizon, with one request budget for everything. */
export function createHorizonSource(options: HorizonOptions): LedgerSource {
  const http = createHorizonHttp(options);
  const head = () => readHead(http);
  const ledgers = createLedgers(http, head);
  return {
    head,
    ...ledgers,
    page: async (account, cursor, limit) => {
      const page = await readPage(http, `/accounts/${account}/payments`, cursor, limit);
      if (page === null) {
        return { payments: [], undecoded: [], nextCursor: cursor, records: 0, covers: null };
      }
      const { records, nextCursor, covers } = page;
      return {
        ...decodeAll(records, new Set([account]), account),
        nextCursor,
        records: records.length,
        covers,
      };
    },
    accountEntries: (account) => readEntries(http, account),
    ledgerPayments: async (sequence, accounts) => {
      const records = await readWhole(http, `/ledgers/${sequence}/payments`);
      return records === null ? null : decodeAll(records, accounts);
    },
    transaction: (hash, accounts) => readTransaction(http, head, hash, accounts),
    close: () => http.close(),
  };
}

async function readHead(http: HorizonHttp): Promise<Head> {
  const answer = await http.get('/');
  const root = rootSchema.safeParse(answer?.body);
  if (!root.success) {
    throw new HorizonUnavailable("Horizon's root document is not what a Horizon says. Is it one?");
  }
  return {
    latestLedger: root.data.history_latest_ledger,
    latestClosedAt: root.data.history_latest_ledger_closed_at,
    oldestLedger: root.data.history_elder_ledger,
    networkPassphrase: root.data.network_passphrase,
  };
}

async function readEntries(http: HorizonHttp, account: string): Promise<AccountEntries | null> {
  const answer = await http.get(`/accounts/${account}`);
  if (answer === null) return null;
  const parsed = accountSchema.safeParse(answer.body);
  if (!parsed.success || parsed.data.account_id !== account || answer.latestLedger === null) {
    throw new HorizonUnavailable(`Horizon's answer about ${account} cannot be read.`);
  }
  const { balances, last_modified_ledger, data } = parsed.data;
  const lines = balances.flatMap((b) => {
    // Pool shares have no code; lumens stand in the account's own entry.
    if (b.asset_type === 'native' || b.asset_code === undefined) return [];
    const lastModifiedLedger = b.last_modified_ledger ?? Number.MAX_SAFE_INTEGER;
    const line = { lastModifiedLedger, authorized: b.is_authorized ?? true };
    return [[assetKey(assetOf(b)), line] as const];
  });
  return {
    account,
    asOfLedger: answer.latestLedger,
    accountModifiedLedger: last_modified_ledger,
    trustlines: new Map(lines),
    memoRequired: data['config.memo_required'] === 'MQ==',
  };
}

/** All records of a collection that no longer grows; null when the node does not have it. */
async function readWhole(http: HorizonHttp, path: string): Promise<unknown[] | null> {
  const records: unknown[] = [];
  let cursor = '0';
  for (;;) {
    const page = await readPage(http, path, cursor, MOST);
    if (page === null) return null;
    records.push(...page.records);
    if (page.records.length < MOST) return records;
    cursor = page.nextCursor;
  }
}

/** `not found` is said only after a second 404 that came later than the head it names. */
async function readTransaction(
  http: HorizonHttp,
  head: () => Promise<Head>,
  hash: string,
  accounts: ReadonlySet<string>,
): Promise<Found> {
  let answer = await http.get(`/transactions/${hash}`);
  if (answer === null) {
    const { latestLedger } = await head();
    answer = await http.get(`/transactions/${hash}`);
    if (answer === null) return { kind: 'not_found', asOfLedger: latestLedger };
  }
  const parsed = transactionSchema.safeParse(answer.body);
  if (!parsed.success) {
    throw new HorizonUnavailable(`Horizon's answer about transaction ${hash} cannot be read.`);
  }
  const { successful, ledger, created_at, inner_transaction, fee_bump_transaction } = parsed.data;
  const records = successful ? await readWhole(http, `/transactions/${hash}/payments`) : [];
  if (records === null) {
    throw new HorizonUnavailable(`Horizon showed transaction ${hash}, and then not its payments.`);
  }
  return {
    kind: 'found',
    successful,
    txHash: fee_bump_transaction?.hash ?? parsed.data.hash,
    innerTxHash: inner_transaction?.hash ?? null,
    ledger,
    closedAt: created_at,
    ...decodeAll(records, accounts),
  };
}
