import type { Logger } from 'pino';
import type { Database } from '../db/connection.ts';
import type { ReadStrategy } from '../db/watching.ts';
import type { SettleQueue } from '../db/settle-queue.ts';
import type { LedgerSource } from '../domain/ledger-source.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import type { WebhookSender } from '../webhook/post.ts';
import type { AsideKind } from '../db/set-aside.ts';
import type { Bell } from './bell.ts';

/** What is counted for the operator's dashboards; a process without metrics counts into nothing. */
export type Counters = {
  /** A ledger payment was given this verdict. */
  judged(verdict: string): void;
  /** Horizon showed a payment only after the session's ending had been proven without it. */
  foundAfterEnding(): void;
  /** Reconciliation has found this much of one kind of discrepancy. */
  reconciled(kind: string, tally: { found: number; repaired: number; left: number }): void;
  /** A report was put off or left unasked, because this bound was reached. */
  reportLimited(bound: 'session' | 'merchant'): void;
  /** Something failed by itself, and is set aside for a while, so that the rest goes on. */
  setAside(kind: AsideKind): void;
  /** A webhook was sent, and this is what came of it. */
  attempted(outcome: 'accepted' | 'declined' | 'unanswered' | 'refused'): void;
};

/** What activities work with; the worker makes it once and passes it in. */
export type Deps = {
  readonly database: Database;
  readonly queue: SettleQueue;
  readonly source: LedgerSource;
  readonly sender: WebhookSender;
  /** Read encrypted webhook secrets; null: only plain ones are read. */
  readonly secretKeys: KeyRing | null;
  /**
   * Signal-with-start of a session's workflow: "look again". Rejects quickly when Temporal is busy or away. `account` is the
   * receiving account; accounts share the task queue in turn.
   */
  readonly wake: (sessionId: string, account?: string) => Promise<void>;
  /** Rings when sessions may have been settled beside their workflows: they are then woken without waiting for the next look. */
  readonly settledBell: Bell;
  readonly log: Logger;
  readonly counters: Counters;
  /** How often the watcher reads each account. */
  readonly pollIntervalMs: number;
  readonly readStrategy: ReadStrategy;
  readonly networkPassphrase: string;
  /** Aborted when this process is asked to end: what runs for minutes hands over at once. */
  readonly draining: AbortSignal;
};

/** What settling beside the workflows works with. */
export type SettlingDeps = Pick<Deps, 'database' | 'queue' | 'settledBell' | 'log' | 'counters'>;
