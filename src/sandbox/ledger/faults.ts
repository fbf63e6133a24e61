/** Misbehaviour on demand: what Horizon and the network between have been seen to do. */
import type { Problem } from './problem.ts';
import { rateLimited, serverError, timeout, unavailable } from './problem.ts';

/** How far behind stale_history says the node is. */
const STALE_BY = 60;

/** What goes wrong. */
export type FaultKind =
  /** 429 with X-RateLimit-* and Retry-After (`retryAfterSeconds`, 1 unless given). */
  | { readonly kind: 'rate_limited'; readonly retryAfterSeconds?: number }
  /** 503 of three kinds (Retry-After is what a proxy would add, only when given). */
  | {
      readonly kind: 'stale_history' | 'still_ingesting' | 'over_capacity';
      readonly retryAfterSeconds?: number;
    }
  /** 504 or 500; the request is not looked at. */
  | { readonly kind: 'timeout' | 'server_error' }
  /** 504 after the request was carried out: a submission that may well have been accepted. */
  | { readonly kind: 'lost_answer' }
  /** The socket is accepted and never answered. */
  | { readonly kind: 'hang' }
  /** The connection is reset, without an answer or (`half`) in the middle of one. */
  | { readonly kind: 'disconnect'; readonly half?: boolean }
  /** The answer comes `delayMs` later. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** 200 with a body that ends in the middle of the JSON. */
  | { readonly kind: 'truncated' }
  /** Pages are served as if no cursor had been given. */
  | { readonly kind: 'repeat_page' }
  /** The node is `ledgers` behind; `go_back` is the same for one answer unless `times` says otherwise. */
  | { readonly kind: 'lag' | 'go_back'; readonly ledgers: number }
  /** Two nodes behind one address, taking turns: one is `ledgers` behind. */
  | { readonly kind: 'two_nodes'; readonly ledgers: number };

/** A fault, where it strikes (a regular expression on path and query; everywhere if none) and how often (until cleared if not given). */
export type Fault = FaultKind & { readonly path?: string; readonly times?: number };

type Active = { readonly id: number; readonly fault: Fault; left: number; turn: number };

/** What is to be done to one request. */
export type Trouble = {
  readonly problem: Problem | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly behind: number;
  readonly delayMs: number;
  readonly hang: boolean;
  readonly disconnect: 'before' | 'half' | null;
  readonly truncated: boolean;
  readonly ignoreCursor: boolean;
  readonly loseAnswer: boolean;
};

/** The faults in force. */
export class Faults {
  private active: Active[] = [];
  private nextId = 1;
  private readonly head: () => number;

  /** `head` tells the newest ledger, which stale_history names. */
  constructor(head: () => number) {
    this.head = head;
  }

  /** Puts a fault in force beside those there are. The number returned clears it. RangeError for a bad `path` or `times`. */
  set(fault: Fault): number {
    try {
      RegExp(fault.path ?? '');
    } catch {
      throw new RangeError(`A fault's path is a regular expression, not ${fault.path}.`);
    }
    if (fault.times !== undefined && !(fault.times >= 1)) {
      throw new RangeError(`A fault strikes at least once, not ${fault.times} times.`);
    }
    const times = fault.times ?? (fault.kind === 'go_back' ? 1 : Number.POSITIVE_INFINITY);
    const id = this.nextId++;
    this.active.push({ id, fault, left: times, turn: 0 });
    return id;
  }

  /** Ends one fault, or all of them. */
  clear(id?: number): void {
    this.active = id === undefined ? [] : this.active.filter((one) => one.id !== id);
  }

  /** The faults in force. */
  list(): { id: number; fault: Fault; left: number | null }[] {
    return this.active.map(({ id, fault, left }) => {
      return { id, fault, left: Number.isFinite(left) ? left : null };
    });
  }

  /** What happens to this request; uses one of each matching fault's times. */
  strike(pathAndQuery: string): Trouble {
    const hit = this.active.filter(({ fault }) => RegExp(fault.path ?? '').test(pathAndQuery));
    for (const one of hit) one.left -= 1;
    this.active = this.active.filter(({ left }) => left > 0);
    const has = (kind: Fault['kind']) => hit.some(({ fault }) => fault.kind === kind);
    return {
      ...refusalOf(
        hit.map(({ fault }) => fault),
        this.head(),
      ),
      behind: Math.max(0, ...hit.map(lagOf)),
      delayMs: Math.max(0, ...hit.map(({ fault }) => (fault.kind === 'slow' ? fault.delayMs : 0))),
      hang: has('hang'),
      disconnect: disconnection(hit.map(({ fault }) => fault)),
      truncated: has('truncated'),
      ignoreCursor: has('repeat_page'),
      loseAnswer: has('lost_answer'),
    };
  }
}

function lagOf(one: Active): number {
  const { fault } = one;
  if (fault.kind === 'lag' || fault.kind === 'go_back') return fault.ledgers;
  if (fault.kind !== 'two_nodes') return 0;
  one.turn += 1;
  return one.turn % 2 === 0 ? fault.ledgers : 0;
}

function disconnection(faults: readonly Fault[]): 'before' | 'half' | null {
  for (const fault of faults) {
    if (fault.kind === 'disconnect') return fault.half === true ? 'half' : 'before';
  }
  return null;
}

type Refusal = Pick<Trouble, 'problem' | 'headers'>;

/** The first fault that answers for the node. */
function refusalOf(faults: readonly Fault[], head: number): Refusal {
  const refusals = faults.map((fault) => refusalBy(fault, head));
  return refusals.find((one) => one !== null) ?? { problem: null, headers: {} };
}

function refusalBy(fault: Fault, head: number): Refusal | null {
  if (fault.kind === 'rate_limited') {
    const seconds = String(fault.retryAfterSeconds ?? 1);
    const headers = {
      'X-RateLimit-Limit': '3600',
      'X-RateLimit-Remaining': '0',
      'X-RateLimit-Reset': seconds,
      'Retry-After': seconds,
    };
    return { problem: rateLimited(), headers };
  }
  if (fault.kind === 'stale_history') {
    const extras = { history_latest_ledger: head - STALE_BY, core_latest_ledger: head };
    const problem = unavailable(fault.kind, extras);
    return { problem, headers: retryAfter(fault.retryAfterSeconds) };
  }
  if (fault.kind === 'still_ingesting' || fault.kind === 'over_capacity') {
    const name = fault.kind === 'over_capacity' ? 'server_over_capacity' : fault.kind;
    return { problem: unavailable(name), headers: retryAfter(fault.retryAfterSeconds) };
  }
  if (fault.kind === 'timeout') return { problem: timeout(), headers: {} };
  if (fault.kind === 'server_error') return { problem: serverError(), headers: {} };
  return null;
}

function retryAfter(seconds: number | undefined): Record<string, string> {
  return seconds === undefined ? {} : { 'Retry-After': String(seconds) };
}
