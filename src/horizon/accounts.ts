/** Accounts of Horizon: what their entries say, and pages of their payments. */
import { assetKey } from '../domain/asset.ts';
import { AccountEntries } from '../domain/evidence.ts';
import { AccountPage, type PageStart } from '../domain/account-page.ts';
import type { LedgerEvidence, LedgerHints } from '../domain/ledger-source.ts';
import { assetOf, decodeAll } from './decode.ts';
import { HorizonUnavailable } from './errors.ts';
import type { HorizonHttp } from './http.ts';
import { placeOf, readPage, startOf } from './pages.ts';
import { accountSchema, creationSchema } from './records.ts';

type Accounts = Pick<LedgerEvidence, 'accountEntries' | 'accountPage'> &
  Pick<LedgerHints, 'lastRecord' | 'page'>;

/** The part of the ledger source that is about accounts. */
export function createAccounts(http: HorizonHttp): Accounts {
  return {
    accountEntries: (account) => readEntries(http, account),
    accountPage: (account, start, limit) => readFrom(http, account, start, limit),
    lastRecord: async (account, throughLedger) => {
      const path = paymentsOf(account);
      const cursor = startOf(throughLedger + 1);
      const page = await readPage(http, { path, cursor, order: 'desc', limit: 1 });
      const place = placeOf(page?.records[0]);
      return place === null ? null : String(place);
    },
    page: async (account, cursor, limit) => {
      const page = await readPage(http, {
        path: paymentsOf(account),
        cursor: BigInt(cursor),
        order: 'asc',
        limit,
        join: 'transactions',
      });
      const records = page?.records ?? [];
      const nextCursor = String(page?.nextCursor ?? cursor);
      return {
        ...decodeAll(records, new Set([account]), account),
        nextCursor,
        records: records.length,
        isLast: page === null || records.length < page.limit,
      };
    },
  };
}

const paymentsOf = (account: string) => `/accounts/${account}/payments`;

async function readEntries(http: HorizonHttp, account: string): Promise<AccountEntries | null> {
  const answer = await http.get(`/accounts/${account}`);
  if (answer === null) return null;
  if (answer.latestLedger === null) {
    throw new HorizonUnavailable(
      `Horizon's answer about ${account} has no Latest-Ledger header, without which it proves nothing. ` +
        'A proxy between here and Horizon probably removes it: let it pass.',
    );
  }
  const parsed = accountSchema.safeParse(answer.body);
  if (!parsed.success || parsed.data.account_id !== account) {
    throw new HorizonUnavailable(`Horizon's answer about ${account} cannot be read.`);
  }
  const { balances, last_modified_ledger, last_modified_time, data } = parsed.data;
  const lines = balances.flatMap((b) => {
    // Pool shares have no code; lumens stand in the account's own entry.
    if (b.asset_type === 'native' || b.asset_code === undefined) return [];
    const lastModifiedLedger = b.last_modified_ledger ?? Number.MAX_SAFE_INTEGER;
    const line = { lastModifiedLedger, authorized: b.is_authorized ?? true };
    return [[assetKey(assetOf(b)), line] as const];
  });
  return new AccountEntries({
    account,
    asOfLedger: answer.latestLedger,
    accountModifiedLedger: last_modified_ledger,
    accountModifiedAt: last_modified_time ?? null,
    trustlines: new Map(lines),
    memoRequired: data['config.memo_required'] === 'MQ==',
  });
}

/**
 * A page from the known record on, that record included, so that the page shows where it begins. It has at least one
 * record more, or it would lead nowhere. Null when a record does not say where it stands.
 */
async function readFrom(
  http: HorizonHttp,
  account: string,
  start: PageStart,
  limit: number,
): Promise<AccountPage | null> {
  const least = start.known === null ? 1 : 2;
  const begin = start.known === null ? startOf(start.afterLedger + 1) : BigInt(start.known);
  const page = await readPage(http, {
    path: paymentsOf(account),
    cursor: begin - 1n,
    order: 'asc',
    limit: Math.max(limit, least),
    least,
    join: 'transactions',
  });
  if (page === null) return null;
  const placed = page.records.flatMap((record) => {
    const place = placeOf(record);
    if (place === null) return [];
    const creation = creationSchema.safeParse(record);
    const createsAccount = creation.success && creation.data.account === account;
    return [{ token: String(place), ledger: Number(place >> 32n), createsAccount }];
  });
  if (placed.length < page.records.length) return null;
  const isKnown = placed[0]?.token === start.known;
  const fresh = isKnown ? page.records.slice(1) : page.records;
  const decoded = decodeAll(fresh, new Set([account]), account);
  return AccountPage.of(account, start, placed, decoded, page.limit);
}
