/** Every timeout and retry of the workflows, each number with its reason. */
import type { ActivityOptions } from '@temporalio/workflow';
import { HORIZON_QUEUE, SETTLEMENT_QUEUE, WATCHER_QUEUE, WEBHOOKS_QUEUE } from './contract.ts';

/**
 * Every activity heartbeats once a second from a timer (src/activities/heartbeat.ts): 3 s of silence mean that its
 * worker is gone, and another takes over.
 */
const HEARTBEAT_TIMEOUT = '3 seconds';

/** Activities that commit, and look, which may send as well. They are idempotent, so they are retried for ever. */
export const COMMIT_OPTIONS: ActivityOptions = {
  taskQueue: SETTLEMENT_QUEUE,
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  // Eight tries of a transaction whose statements end after 5 s, and one POST of 15 s, with slack.
  startToCloseTimeout: '60 seconds',
  retry: {
    initialInterval: '200 milliseconds',
    backoffCoefficient: 2,
    maximumInterval: '10 seconds',
  },
};

/** Sending what a look left due: one POST has 15 s, one activity stops beginning new ones after 30 s. */
export const DELIVERY_OPTIONS: ActivityOptions = {
  taskQueue: WEBHOOKS_QUEUE,
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  startToCloseTimeout: '60 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
};

/**
 * Proving a report on Horizon. One attempt asks once (four requests, each 10 s at the most); what the ledger does not show
 * yet is asked again by a later attempt, so that no slot is held by waiting (activities/prove-report.ts).
 */
export const REPORT_OPTIONS: ActivityOptions = {
  taskQueue: HORIZON_QUEUE,
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  startToCloseTimeout: '40 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '30 seconds' },
};

/** How long the watcher's activity reads before its workflow continues as new, so that no history grows. */
export const WATCH_FOR_MINUTES = 15;

/**
 * The watcher's activity: its stretch, one turn that is under way, and a drain. It fails only by its worker's death, and
 * nothing is read until the retry: that comes at once, after the tenth death in a stretch as after the first.
 */
export const WATCH_OPTIONS: ActivityOptions = {
  taskQueue: WATCHER_QUEUE,
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  startToCloseTimeout: `${WATCH_FOR_MINUTES + 5} minutes`,
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 1 },
};

/**
 * A page of reconciliation: at most 200 sessions, whose accounts are read at Horizon one after the other. After three
 * tries the kind is named in the report; the next run tries again.
 */
export const RECONCILE_OPTIONS: ActivityOptions = {
  taskQueue: WATCHER_QUEUE,
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  // A quarter of the request budget is reconciliation's: with 3600 an hour, 200 accounts of two requests take 27 minutes.
  startToCloseTimeout: '60 minutes',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumAttempts: 3 },
};

/**
 * The beginning and the end of reconciliation, one statement or two. They belong to no kind that could be named instead, so
 * a run outlives a restart of PostgreSQL; one that does not has failed before the next is due, at the usual interval.
 */
export const RECONCILE_FRAME_OPTIONS: ActivityOptions = {
  taskQueue: WATCHER_QUEUE,
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '4 minutes',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '10 seconds' },
};

/** How long `cancel` waits for the ledger before it answers `closing`: two ledgers and their reading, with slack. */
export const CANCEL_WAIT = '15 seconds';

/** A run that waits for something overdue looks again by itself this often: from the first pause to the last. */
export const FALLBACK_FIRST_MS = 10_000;
export const FALLBACK_LAST_MS = 300_000;

/**
 * Task priority of a run (1 first, 5 last), by the reason for its start. Within a priority, Temporal serves accounts in turn
 * (`fairnessKey`), if its server has `matching.enableFairness`. Older servers ignore both.
 * - asked: a caller waits for the answer of an update, for example a customer for the opening.
 * - woken: the database has work for the session.
 * - hinted: a backend, or any client of the namespace, sent a wake. The reader finds everything true in it anyway.
 */
export const PRIORITIES = { asked: 2, woken: 3, hinted: 5 } as const;

/** A workflow task is milliseconds of work. When its worker dies, another takes it after this. */
export const WORKFLOW_TASK_TIMEOUT = '5 seconds';
