/** Headers and whole ledgers of Horizon: what the chain is made of. */
import {
  HeaderRun,
  WholeLedger,
  type CountedOperation,
  type Decoded,
  type LedgerHeader,
} from '../domain/evidence.ts';
import type { LedgerEvidence, LedgerHints } from '../domain/ledger-source.ts';
import { decodeOperations, together } from './decode.ts';
import { HorizonUnavailable } from './errors.ts';
import type { HorizonHttp } from './http.ts';
import { MOST, placeOf, readPage, startOf, type PageRequest } from './pages.ts';
import { ledgerSchema, placedOperationSchema } from './records.ts';

type Ledgers = Pick<
  LedgerEvidence,
  'newestLedger' | 'ledgersAfter' | 'ledgersBefore' | 'wholeLedger'
> &
  Pick<LedgerHints, 'ledger' | 'firstLedgerFrom'>;

/** The known ledger, and one more at least: it alone would look like the end of the history. */
const CHAINED = { limit: MOST, least: 2 };
/** The hash before ledger 1, as its header has it. */
const NO_HASH = '0'.repeat(64);

/** The part of the ledger source that is about ledgers. Nothing is remembered: each answer is of the node as it is now. */
export function createLedgers(http: HorizonHttp): Ledgers {
  return {
    newestLedger: async () => {
      const { headers } = await readHeaders(http, { cursor: null, order: 'desc', limit: 1 });
      const [newest] = headers;
      if (newest === undefined) throw new HorizonUnavailable('Horizon shows no ledger yet.');
      return newest;
    },
    // Both begin with the known ledger itself: cursors are exclusive in either direction (db2/page_query.go).
    ledgersAfter: async (tip) => {
      const cursor = startOf(tip.sequence) - 1n;
      const { headers, isLast } = await readHeaders(http, { cursor, order: 'asc', ...CHAINED });
      return HeaderRun.after(tip, headers, isLast);
    },
    ledgersBefore: async (first) => {
      const cursor = startOf(first.sequence + 1);
      const { headers } = await readHeaders(http, { cursor, order: 'desc', ...CHAINED });
      return HeaderRun.before(first, headers);
    },
    ledger: async (sequence) => {
      const answer = await http.get(`/ledgers/${sequence}`);
      if (answer === null) return null;
      const header = headerOf(answer.body);
      if (header?.sequence === sequence) return header;
      throw new HorizonUnavailable(`Horizon's answer about ledger ${sequence} cannot be read.`);
    },
    firstLedgerFrom: async (sequence) => {
      const cursor = startOf(sequence) - 1n;
      const { headers } = await readHeaders(http, { cursor, order: 'asc', limit: 1 });
      return headers[0] ?? null;
    },
    wholeLedger: (header, accounts) => readWhole(http, header, accounts),
  };
}

/** Ledgers of a page, and whether it was not full; none where the node's history begins later (410, or 404 from a proxy). */
async function readHeaders(
  http: HorizonHttp,
  request: Omit<PageRequest, 'path'>,
): Promise<{ headers: LedgerHeader[]; isLast: boolean }> {
  const page = await readPage(http, { path: '/ledgers', ...request });
  const headers = (page?.records ?? []).map((record) => {
    const header = headerOf(record);
    if (header !== null) return header;
    throw new HorizonUnavailable("Horizon's page of ledgers has a header that cannot be read.");
  });
  return { headers, isLast: page === null || headers.length < page.limit };
}

function headerOf(body: unknown): LedgerHeader | null {
  const parsed = ledgerSchema.safeParse(body);
  if (!parsed.success) return null;
  const { sequence, hash, prev_hash, closed_at, operation_count } = parsed.data;
  const previousHash = prev_hash ?? (sequence === 1 ? NO_HASH : null);
  if (previousHash === null) return null;
  return { sequence, hash, previousHash, closedAt: closed_at, operationCount: operation_count };
}

/**
 * Reads up to one operation more than the header counts, so that a count that is too low is noticed. Operations of failed
 * transactions are not counted, should a node list them. One that does not say where it stands leaves the ledger unproven.
 */
async function readWhole(
  http: HorizonHttp,
  header: LedgerHeader,
  accounts: ReadonlySet<string>,
): Promise<WholeLedger | null> {
  const path = `/ledgers/${header.sequence}/operations`;
  // Page by page: a ledger of large transactions has a hundred megabytes with them.
  const decoded: Decoded[] = [];
  const counted: CountedOperation[] = [];
  let cursor = startOf(header.sequence);
  while (counted.length <= header.operationCount) {
    const limit = Math.min(MOST, header.operationCount + 1 - counted.length);
    const page = await readPage(http, { path, cursor, order: 'asc', limit, join: 'transactions' });
    if (page === null) return null;
    const successful: unknown[] = [];
    for (const record of page.records) {
      const parsed = placedOperationSchema.safeParse(record);
      const id = placeOf(record);
      if (!parsed.success || id === null) return null;
      if (parsed.data.transaction_successful === false) continue;
      counted.push({ id, closedAt: parsed.data.created_at });
      successful.push(record);
    }
    decoded.push(decodeOperations(successful, accounts));
    if (page.records.length < page.limit || page.nextCursor === null) break;
    cursor = page.nextCursor;
  }
  return WholeLedger.of(header, accounts, counted, together(decoded));
}
