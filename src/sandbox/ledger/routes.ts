/** GET: the part of Horizon's REST API that payments need. */
import {
  accountId,
  includesFailed,
  joinsTransactions,
  ledgerId,
  operationId,
  transactionHash,
} from './fields.ts';
import type { Json, OperationRecord, TransactionRecord } from './history.ts';
import { page, pageRange } from './paging.ts';
import { Problem, badRequest, beforeHistory, notFound } from './problem.ts';
import { effectsJson, operationJson, transactionJson } from './render.ts';
import { accountJson, ledgerJson, rootJson } from './render-state.ts';
import type { View } from './view.ts';

/** A request as a route sees it. */
export type Request = { readonly view: View; readonly url: URL };

/** What goes back: the body, and headers beside the usual ones. */
export type Answer = {
  readonly body: Json;
  readonly headers?: Readonly<Record<string, string>>;
  /** 200 unless given. */
  readonly status?: number;
};

/** What Horizon takes for the index of a cursor of effects that has none (math.MaxInt32). */
const LAST_INDEX = 2n ** 31n - 1n;

type Route = readonly [RegExp, (request: Request, part: string) => Answer];

/** Checks the last part of what was asked, and finds what is meant by it. Throws a Problem when it cannot. */
type Find = (view: View) => readonly OperationRecord[];

const ROUTES: readonly Route[] = [
  [/^\/$/, ({ view }) => ({ body: rootJson(view) })],
  [/^\/accounts\/([^/]+)$/, account],
  [/^\/accounts\/(\w+)\/payments$/, (request, id) => ofAccount(request, id, true)],
  [/^\/accounts\/(\w+)\/operations$/, (request, id) => ofAccount(request, id, false)],
  [/^\/payments$/, (request) => operations(request, (view) => view.payments, { payments: true })],
  [/^\/ledgers$/, ledgers],
  [/^\/ledgers\/([^/]+)$/, oneLedger],
  [/^\/ledgers\/([^/]+)\/payments$/, (request, id) => ofLedger(request, id, true)],
  [/^\/ledgers\/([^/]+)\/operations$/, (request, id) => ofLedger(request, id, false)],
  [/^\/transactions\/([^/]+)$/, transaction],
  [/^\/transactions\/([^/]+)\/payments$/, (request, hash) => ofTransaction(request, hash, true)],
  [/^\/transactions\/([^/]+)\/operations$/, (request, hash) => ofTransaction(request, hash, false)],
  [/^\/transactions\/([^/]+)\/effects$/, transactionEffects],
  [/^\/operations\/([^/]+)$/, operation],
  [/^\/operations\/([^/]+)\/effects$/, operationEffects],
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

/** Even an answer that there is no such account says as of which ledger. */
function account({ view }: Request, id: string): Answer {
  const headers = { 'Latest-Ledger': String(view.head.sequence) };
  try {
    const entry = view.account(accountId(id));
    if (!entry) throw notFound();
    return { body: accountJson(entry, view), headers };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { status: error.status, body: error.body, headers };
  }
}

type Filter = { readonly payments: boolean; readonly failedToo?: boolean };

function operations(request: Request, find: Find, { payments, failedToo }: Filter): Answer {
  const { view, url } = request;
  const range = pageRange(url.searchParams, view);
  const all = includesFailed(url.searchParams) || failedToo === true;
  const join = joinsTransactions(url.searchParams);
  const list = find(view);
  if (range.index !== null) throw badRequest();
  const found = view.page(
    list,
    range,
    (one) => (one.isPayment || !payments) && (all || one.transaction?.successful !== false),
  );
  return {
    body: page(
      found.map((one) => operationJson(one, view.base, join)),
      url,
      range,
    ),
  };
}

function ofAccount(request: Request, id: string, payments: boolean): Answer {
  const find: Find = (view) => {
    const list = view.ofAccount(accountId(id));
    if (!list) throw notFound();
    return list;
  };
  return operations(request, find, { payments });
}

/** Below its history 410, while the lists of such a ledger are 404. */
function oneLedger({ view }: Request, id: string): Answer {
  const sequence = ledgerId(id);
  if (view.isBeforeHistory(sequence)) throw beforeHistory();
  const found = view.ledger(sequence);
  if (!found) throw notFound();
  return { body: ledgerJson(found, view) };
}

/** Ledger 0 is no filter: Horizon then shows the operations of all ledgers. */
function ofLedger(request: Request, id: string, payments: boolean): Answer {
  const find: Find = (view) => {
    const sequence = ledgerId(id);
    if (sequence === 0) return payments ? view.payments : view.operations;
    const found = view.ledger(sequence);
    if (!found) throw notFound();
    return found.operations;
  };
  return operations(request, find, { payments });
}

function ledgers({ view, url }: Request): Answer {
  const range = pageRange(url.searchParams, view);
  if (range.index !== null) throw badRequest();
  const records = view.ledgers(range).map((one) => ledgerJson(one, view));
  return { body: page(records, url, range) };
}

function find(view: View, hash: string): TransactionRecord {
  const found = view.transaction(transactionHash(hash));
  if (!found) throw notFound();
  return found;
}

function transaction({ view }: Request, hash: string): Answer {
  return { body: transactionJson(find(view, hash), hash, view.base) };
}

/** Of one transaction, failed operations are shown without being asked for. */
function ofTransaction(request: Request, hash: string, payments: boolean): Answer {
  const list: Find = (view) => view.operationsOf(find(view, hash));
  return operations(request, list, { payments, failedToo: true });
}

function operation({ view, url }: Request, text: string): Answer {
  const id = operationId(text, 'id');
  const join = joinsTransactions(url.searchParams);
  if (view.isBeforeHistory(Number(id >> 32n) | 0)) throw beforeHistory();
  const found = view.operation(String(id));
  if (!found) throw notFound();
  return { body: operationJson(found, view.base, join) };
}

function effects({ view, url }: Request, find: Find): Answer {
  const range = pageRange(url.searchParams, view);
  const all = find(view).flatMap((one) =>
    effectsJson(one, view.base).map((json, i) => ({ json, id: one.id, index: BigInt(i + 1) })),
  );
  // A cursor without an index stands behind all effects of its operation.
  const [from, index] = [range.cursor, range.index ?? LAST_INDEX];
  const ascending = range.order === 'asc';
  const isBeyond = (one: { id: bigint; index: bigint }) => {
    if (from === null || one.id === from) {
      return from === null || (ascending ? one.index > index : one.index < index);
    }
    return ascending ? one.id > from : one.id < from;
  };
  const ordered = ascending ? all : all.toReversed();
  const records = ordered.filter(isBeyond).slice(0, range.limit);
  return {
    body: page(
      records.map(({ json }) => json),
      url,
      range,
    ),
  };
}

function transactionEffects(request: Request, hash: string): Answer {
  return effects(request, (view) => view.operationsOf(find(view, hash)));
}

/** Operation 0 is no filter. */
function operationEffects(request: Request, text: string): Answer {
  return effects(request, (view) => {
    const id = operationId(text, 'op_id');
    if (id === 0n) return view.operations;
    const found = view.operation(String(id));
    return found ? [found] : [];
  });
}
