/**
 * Writes down what is asked of the system, when by the ledger, and what it answers: what the books (certify/books) are
 * opened with. Whoever asks by the stack's client is written down by itself; whoever writes rows says so here.
 */
import type { OpenRequest, SettlementClient } from '../../src/client.ts';
import type { SandboxLedger } from '../../src/sandbox/ledger/start.ts';
import { opened, type Asked, type Cancellation, type Terms } from '../books/asked.ts';
import type { Answer } from '../books/compare.ts';
import type { World } from '../books/expect.ts';
import { newestHead, type Head } from '../books/ledger.ts';
import { stroopsOf } from '../books/money.ts';

/** A session with everything that was asked and answered, and what was seen of its end. */
export type Entry = {
  asked: Asked;
  readonly answers: Answer[];
  /** How it was first seen to be over, and the newest ledger of then. */
  over: { readonly status: string; readonly by: Head } | null;
};

/** A cancellation under way: what is known of it is added. */
export type Cancelling = {
  /** Its effect is seen: whatever closes now is later than it. */
  seen(): void;
  /** It is stored, or is not needed any more. */
  isStored(): void;
};

/** What has been asked so far of everything on this stack. */
export type Diary = {
  head(): Head;
  /** A session was opened, and the answer is there. */
  opened(id: string, terms: Terms): void;
  /** A cancellation is about to be asked for. */
  cancels(id: string): Cancelling;
  /** A backend has written other terms over those of the row. */
  edited(id: string, change: Partial<Terms>): void;
  /** An operator has given a movement to a session. */
  assigned(id: string, movement: string): void;
  /** An operator has returned a movement. */
  returned(id: string, movement: string): void;
  entry(id: string): Entry | undefined;
  entries(): ReadonlyMap<string, Entry>;
  /** The ledger after which everything that comes to an account must be taken in: the first answered opening. */
  watchedAfter(): ReadonlyMap<string, number>;
  /** Nodes hide history from now on, or did. */
  hides(): void;
  /** What the world has done since it was asked for the last time. */
  world(): World;
};

/** Opens a diary beside a ledger, and sees from then on what its nodes show. */
export function createDiary(ledger: SandboxLedger): Diary {
  const entries = new Map<string, Entry>();
  const accounts = new Map<string, number>();
  const waiting = new Map<string, Cancellation[]>();
  let hidesHistory = false;
  const head = () => newestHead(ledger.chain);
  const headAt = (sequence: number): Head => {
    const { history } = ledger.chain;
    const { closedAt } = history.ledger(sequence) ?? history.ledgers[0] ?? history.latest();
    return { sequence, closedAt: closedAt * 1000 };
  };
  /** A node showed a head that lags: what is being cancelled now may count from there. */
  const shown = (sequence: number) => {
    for (const list of waiting.values()) {
      for (const [i, one] of list.entries()) {
        if (one.seen === null && sequence < one.lowest.sequence) {
          list[i] = { ...one, lowest: headAt(sequence) };
        }
      }
    }
  };
  const change = (id: string, how: (asked: Asked) => Partial<Asked>) => {
    const entry = entries.get(id);
    if (entry) entry.asked = { ...entry.asked, ...how(entry.asked) };
  };
  watchNodes(ledger, shown, () => {
    hidesHistory = true;
  });
  return {
    head,
    opened: (id, terms) => {
      if (entries.has(id)) return;
      entries.set(id, { asked: opened(id, terms), answers: [], over: null });
      const after = accounts.get(terms.account) ?? Infinity;
      accounts.set(terms.account, Math.min(after, head().sequence));
    },
    cancels: (id) => {
      const list = waiting.get(id) ?? [];
      waiting.set(id, list);
      const at = list.push({ lowest: head(), seen: null, isCertain: false }) - 1;
      const note = (more: Partial<Cancellation>) => {
        const one = list[at];
        if (one) list[at] = { ...one, ...more };
      };
      return { seen: () => note({ seen: head() }), isStored: () => note({ isCertain: true }) };
    },
    edited: (id, more) =>
      change(id, ({ terms, edits }) => ({
        edits: [...edits, { terms: { ...(edits.at(-1)?.terms ?? terms), ...more }, done: head() }],
      })),
    assigned: (id, key) =>
      change(id, ({ assigned }) => ({ assigned: new Set([...assigned, key]) })),
    returned: (id, key) =>
      change(id, ({ returned }) => ({ returned: new Map([...returned, [key, head()]]) })),
    entry: (id) => {
      const entry = entries.get(id);
      if (entry === undefined) return undefined;
      // The end that was seen is later than the instant that made it.
      const cancellations = (waiting.get(id) ?? []).map((one) => {
        return { ...one, seen: one.seen ?? entry.over?.by ?? null };
      });
      entry.asked = { ...entry.asked, cancellations };
      return entry;
    },
    entries: () => entries,
    watchedAfter: () => accounts,
    hides: () => {
      hidesHistory = true;
    },
    world: () => {
      const world = { hidesHistory };
      hidesHistory = false;
      return world;
    },
  };
}

/** Sees each answer of a node that lags, and nodes that lack history. */
function watchNodes(
  { chain, faults, nodes }: SandboxLedger,
  shown: (sequence: number) => void,
  hides: () => void,
): void {
  const strike = faults.strike.bind(faults);
  faults.strike = (path) => {
    const trouble = strike(path);
    if (trouble.behind > 0) shown(chain.history.latest().sequence - trouble.behind);
    return trouble;
  };
  const choose = nodes.choose.bind(nodes);
  nodes.choose = (path) => {
    const node = choose(path);
    const { head, gaps, filter, oldest } = node;
    const newest = chain.history.latest().sequence;
    if (head !== undefined) shown('at' in head ? head.at : newest - head.behind);
    const gap = gaps?.find(([from, through]) => from <= newest && newest <= through);
    if (gap !== undefined) shown(gap[0] - 1);
    if (gaps !== undefined || filter !== undefined || oldest !== undefined) hides();
    return node;
  };
}

/** The client, with everything that is asked by it written down. */
export function recorded(client: SettlementClient, diary: Diary): SettlementClient {
  return {
    ...client,
    openSession: async (id, request) => {
      const answer = await client.openSession(id, request);
      diary.opened(id, termsOf(request, answer.memo));
      return answer;
    },
    cancelSession: async (id) => {
      const cancelling = diary.cancels(id);
      const said = await client.cancelSession(id);
      cancelling.isStored();
      if (said.kind !== 'closing') cancelling.seen();
      diary.entry(id)?.answers.push({ asked: 'cancel', said });
      return said;
    },
    reportPayment: async (id, txHash) => {
      const said = await client.reportPayment(id, txHash);
      diary.entry(id)?.answers.push({ asked: 'report', txHash, said });
      return said;
    },
  };
}

/** What a session asks of its payers: the request, and the reference that was answered. */
export function termsOf(request: OpenRequest, reference: string): Terms {
  const { receivingAccount: account, asset, amount, expiresAt, metadata = null } = request;
  return {
    account,
    asset: { code: asset.code, issuer: asset.issuer ?? null },
    reference,
    price: stroopsOf(amount),
    expiresAt: Date.parse(expiresAt),
    metadata,
  };
}
