import type { Deps } from '../deps.ts';

/** What reconciliation works with, beside what all activities do. */
export type ReconcileDeps = Deps & {
  readonly networkName: string;
  /** Whether a run of the session's workflow is there. */
  readonly isRunning: (sessionId: string) => Promise<boolean>;
  readonly watcher: { isRunning(): Promise<boolean>; start(): Promise<void> };
  /** Requests to Horizon that one run may spend on reading again: half the request budget of its interval, and never less than two. */
  readonly requestsToReadAgain: number;
};
