import type { Deps } from '../deps.ts';

/** Whether a workflow has a run: none, one that goes on, or one whose tasks fail again and again. */
export type RunState = 'none' | 'runs' | 'stuck';

/** What reconciliation works with, beside what all activities do. */
export type ReconcileDeps = Deps & {
  readonly networkName: string;
  /** What became of the session's run. */
  readonly runOf: (sessionId: string) => Promise<RunState>;
  /** Ends a run that is stuck. It holds nothing that is not in the database: a wake starts another. */
  readonly endRun: (sessionId: string, reason: string) => Promise<void>;
  readonly watcher: { isRunning(): Promise<boolean>; start(): Promise<void> };
  /** Requests to Horizon that one run may spend on reading again: half the request budget of its interval, and never less than two. */
  readonly requestsToReadAgain: number;
};
