/** Horizon as the source of the ledger. */
import { assetKey } from '../domain/asset.ts';
import type { AccountEntries, Found, Head, LedgerSource } from '../domain/ledger-source.ts';
import { createHorizonHttp, type HorizonHttp, type HorizonOptions } from './http.ts';
import { assetOf, decodeAll } from './decode.ts';
import { HorizonUnavailable } from './errors.ts';
import { createLedgers } from './ledgers.ts';
import { MOST, readPage } from './pages.ts';
import { accountSchema, rootSchema, transactionSchema } from './records.ts';

/**
 * Reads from one Horizon, with one request budget for everything. Every method throws HorizonUnavailable,
 * HorizonRateLimited or HorizonRefused when it gets no answer.
 */
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
