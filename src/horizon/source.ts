/** Horizon as the source of the ledger. */
import type { Decoded } from '../domain/evidence.ts';
import type { Found, Head, LedgerSource } from '../domain/ledger-source.ts';
import { createAccounts } from './accounts.ts';
import { createHorizonHttp, type HorizonHttp, type HorizonOptions } from './http.ts';
import { decodeAll, together } from './decode.ts';
import { HorizonUnavailable } from './errors.ts';
import { createLedgers } from './ledgers.ts';
import { MOST, readPage } from './pages.ts';
import { rootSchema, transactionSchema } from './records.ts';

/**
 * Reads from one Horizon, with one request budget for everything. Every method throws HorizonUnavailable,
 * HorizonRateLimited or HorizonRefused when it gets no answer.
 */
export function createHorizonSource(options: HorizonOptions): LedgerSource {
  const http = createHorizonHttp(options);
  return {
    head: () => readHead(http),
    ...createLedgers(http),
    ...createAccounts(http),
    transaction: (hash, accounts) => readTransaction(http, hash, accounts),
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
    horizonVersion: root.data.horizon_version ?? null,
  };
}

async function readTransaction(
  http: HorizonHttp,
  hash: string,
  accounts: ReadonlySet<string>,
): Promise<Found> {
  const answer = await http.get(`/transactions/${hash}`);
  if (answer === null) return { kind: 'not_found' };
  const parsed = transactionSchema.safeParse(answer.body);
  if (!parsed.success) {
    throw new HorizonUnavailable(`Horizon's answer about transaction ${hash} cannot be read.`);
  }
  const { successful, ledger, created_at, inner_transaction, fee_bump_transaction } = parsed.data;
  const decoded = successful ? await readPayments(http, hash, accounts) : NOTHING;
  if (decoded === null) {
    throw new HorizonUnavailable(`Horizon showed transaction ${hash}, and then not its payments.`);
  }
  return {
    kind: 'found',
    successful,
    txHash: fee_bump_transaction?.hash ?? parsed.data.hash,
    innerTxHash: inner_transaction?.hash ?? null,
    ledger,
    closedAt: created_at,
    ...decoded,
  };
}

const NOTHING: Decoded = { payments: [], undecoded: [] };

/** All payments of a transaction (it has at most 100), decoded page by page; null when the node does not have it. */
async function readPayments(
  http: HorizonHttp,
  hash: string,
  accounts: ReadonlySet<string>,
): Promise<Decoded | null> {
  const path = `/transactions/${hash}/payments`;
  const pages: Decoded[] = [];
  let cursor = 0n;
  for (;;) {
    const request = { path, cursor, order: 'asc', limit: MOST, join: 'transactions' } as const;
    const page = await readPage(http, request);
    if (page === null) return null;
    pages.push(decodeAll(page.records, accounts));
    if (page.records.length < page.limit || page.nextCursor === cursor) return together(pages);
    cursor = page.nextCursor ?? cursor;
  }
}
