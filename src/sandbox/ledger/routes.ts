/** GET: the part of Horizon's REST API that payments need. */
import { StrKey } from '@stellar/stellar-sdk';
import type { Json, LedgerRecord, OperationRecord, TransactionRecord } from './history.ts';
import { page, pageRange } from './paging.ts';
import { beforeHistory, invalidField, notFound } from './problem.ts';
import { effectsJson, operationJson, transactionJson } from './render.ts';
import { accountJson, ledgerJson, rootJson } from './render-state.ts';
import type { View } from './view.ts';

/** A request as a route sees it. */
export type Request = { readonly view: View; readonly url: URL };

/** What goes back: the body, and headers beside the usual ones. */
export type Answer = { readonly body: Json; readonly headers?: Readonly<Record<string, string>> };

type Route = readonly [RegExp, (request: Request, part: string) => Answer];

const ROUTES: readonly Route[] = [
  [/^\/$/, ({ view }) => ({ body: rootJson(view) })],
  [/^\/accounts\/(\w+)$/, account],
  [/^\/accounts\/(\w+)\/payments$/, (request, id) => ofAccount(request, id, true)],
  [/^\/accounts\/(\w+)\/operations$/, (request, id) => ofAccount(request, id, false)],
  [/^\/payments$/, (request) => operations(request, request.view.payments, { payments: true })],
  [/^\/ledgers$/, ledgers],
  [/^\/ledgers\/(\w+)$/, oneLedger],
  [/^\/ledgers\/(\w+)\/payments$/, (request, id) => ofLedger(request, id, true)],
  [/^\/ledgers\/(\w+)\/operations$/, (request, id) => ofLedger(request, id, false)],
  [/^\/transactions\/([^/]+)$/, transaction],
  [/^\/transactions\/([^/]+)\/payments$/, (request, hash) => ofTransaction(request, hash, true)],
  [/^\/transactions\/([^/]+)\/operations$/, (request, hash) => ofTransaction(request, hash, false)],
  [/^\/transactions\/([^/]+)\/effects$/, transactionEffects],
  [/^\/operations\/(\d+)$/, operation],
  [/^\/operations\/(\d+)\/effects$/, operationEffects],
];

/** Answers a GET. Throws a Problem when Horizon would. */
export function route(request: Request): Answer {
  const path = request.url.pathname.replace(/(.)\/$/, '$1');
  for (const [pattern, handle] of ROUTES) {
    const match = pattern.exec(path);
    if (match) return handle(request, match[1] ?? '');
  }
  throw notFound();
}

/** Only G addresses: a muxed address in the path is refused (facts: poll the base account). */
function checkAccount(id: string): string {
  if (!StrKey.isValidEd25519PublicKey(id)) {
    throw invalidField(
      'account_id',
      'Account ID must start with `G` and contain 56 alphanum characters',
    );
  }
  return id;
}

function checkHash(hash: string): string {
  if (/^[0-9a-f]{64}$/.test(hash)) return hash;
  throw invalidField('tx_id', 'invalid hash format');
}

function account({ view }: Request, id: string): Answer {
  const entry = view.account(checkAccount(id));
  if (!entry) throw notFound();
  return {
    body: accountJson(entry, view),
    headers: { 'Latest-Ledger': String(view.head.sequence) },
  };
}

type Filter = { readonly payments: boolean; readonly failedToo?: boolean };

function operations(
  request: Request,
  list: readonly OperationRecord[],
  { payments, failedToo }: Filter,
): Answer {
  const { view, url } = request;
  const range = pageRange(url.searchParams, view);
  const join = url.searchParams.get('join') ?? '';
  if (join !== '' && join !== 'transactions') {
    throw invalidField('join', 'Accepted values: transactions');
  }
  const all = failedToo === true || url.searchParams.get('include_failed') === 'true';
  const found = view.page(
    list,
    range,
    (one) => (one.isPayment || !payments) && (all || one.transaction?.successful !== false),
  );
  const records = found.map((one) => operationJson(one, view.base, join === 'transactions'));
  return { body: page(records, url, range) };
}

function ofAccount(request: Request, id: string, payments: boolean): Answer {
  const list = request.view.ofAccount(checkAccount(id));
  if (!list) throw notFound();
  return operations(request, list, { payments });
}

function ledger(view: View, id: string): LedgerRecord {
  if (!/^\d{1,10}$/.test(id)) throw invalidField('ledger_id', 'invalid value');
  const found = view.ledger(Number(id));
  if (!found) throw notFound();
  return found;
}

/** Below its history 410, while the lists of such a ledger are 404. */
function oneLedger({ view }: Request, id: string): Answer {
  if (/^\d{1,10}$/.test(id) && view.isBeforeHistory(Number(id))) throw beforeHistory();
  return { body: ledgerJson(ledger(view, id), view.base) };
}

function ofLedger(request: Request, id: string, payments: boolean): Answer {
  return operations(request, ledger(request.view, id).operations, { payments });
}

function ledgers({ view, url }: Request): Answer {
  const range = pageRange(url.searchParams, view);
  const records = view.ledgers(range).map((one) => ledgerJson(one, view.base));
  return { body: page(records, url, range) };
}

function find(view: View, hash: string): TransactionRecord {
  const found = view.transaction(checkHash(hash));
  if (!found) throw notFound();
  return found;
}

function transaction({ view }: Request, hash: string): Answer {
  return { body: transactionJson(find(view, hash), hash, view.base) };
}

function operationsOf(record: TransactionRecord): OperationRecord[] {
  return record.ledger.operations.filter((one) => one.transaction === record);
}

/** Of one transaction, failed operations are shown without being asked for. */
function ofTransaction(request: Request, hash: string, payments: boolean): Answer {
  const list = operationsOf(find(request.view, hash));
  return operations(request, list, { payments, failedToo: true });
}

function operation({ view, url }: Request, id: string): Answer {
  if (view.isBeforeHistory(Number(BigInt(id) >> 32n))) throw beforeHistory();
  const found = view.operation(id);
  if (!found) throw notFound();
  const join = url.searchParams.get('join') === 'transactions';
  return { body: operationJson(found, view.base, join) };
}

function effects({ view, url }: Request, list: readonly OperationRecord[]): Answer {
  const range = pageRange(url.searchParams, view);
  const all = list.flatMap((one) => effectsJson(one, view.base));
  const ordered = range.order === 'asc' ? all : all.toReversed();
  // An effect's token is `<operation>-<number>`: a cursor in the list is where the page before it ended.
  const cursor = url.searchParams.get('cursor');
  const after = ordered.findIndex((one) => one['paging_token'] === cursor) + 1;
  return { body: page(ordered.slice(after, after + range.limit), url, range) };
}

function transactionEffects(request: Request, hash: string): Answer {
  return effects(request, operationsOf(find(request.view, hash)));
}

function operationEffects(request: Request, id: string): Answer {
  const found = request.view.operation(id);
  return effects(request, found ? [found] : []);
}
