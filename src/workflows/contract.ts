/**
 * The contract between backends, operators and the session workflow: ids, task queues, messages and their JSON.
 * Everything that crosses is plain JSON; amounts are decimal strings, instants ISO 8601 in UTC. A backend in another
 * language needs nothing but the names and shapes in this file.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';

/** The worker deployment that versions belong to (WORKER_BUILD_ID). */
export const DEPLOYMENT = 'stellar-settlement';

/** The sessions' workflows, and the activities that commit. */
export const SETTLEMENT_QUEUE = 'settlement';
/** POSTs to merchants: slots of their own, so that slow receivers delay nobody's settlement. */
export const WEBHOOKS_QUEUE = 'webhooks';
/** Proving reports: slots of their own, so that reporters delay nobody but each other. */
export const HORIZON_QUEUE = 'horizon';
/**
 * The watcher and reconciliation, their workflows and their activities. Their number is fixed, whatever payers, merchants
 * and backends do, so nobody else's work stands before theirs.
 */
export const WATCHER_QUEUE = 'watcher';

/** The workflow of a session; its id is the idempotency key of everything that concerns the session. */
export const SESSION_WORKFLOW = 'checkoutSession';
const SESSION_PREFIX = 'checkout-session:';

/** The id of the workflow of a session. */
export function sessionWorkflowId(sessionId: string): string {
  return SESSION_PREFIX + sessionId;
}

/** The session that a workflow id belongs to; null for any other workflow. */
export function sessionIdOf(workflowId: string): string | null {
  return workflowId.startsWith(SESSION_PREFIX) ? workflowId.slice(SESSION_PREFIX.length) : null;
}

/** The id of the one watcher of a network; `name` is short and stable, e.g. `testnet`. */
export function watcherWorkflowId(name: string): string {
  return `ledger-watcher:${name}`;
}

/** The id of the schedule by which a network's database is reconciled. */
export function reconcileScheduleId(name: string): string {
  return `reconcile:${name}`;
}

/** What starts a session's run: the id only, so that anybody can wake it. */
export type SessionInput = { sessionId: string };

/** "Look again"; with a hash: "this transaction pays it". */
export type Wake = { txHash?: string };

/** A request to open a session. */
export type OpenRequest = {
  merchantId: string;
  /** Decimal string, at most seven decimals. */
  amount: string;
  /** `{ code: 'XLM', issuer: null }` is native. */
  asset: { code: string; issuer: string | null };
  /** G… */
  receivingAccount: string;
  expiresAt: string;
  /** The backend's own reference: a u64 in decimal, or up to 28 bytes of text. Made from the id when absent. */
  memo?: string;
  successUrl?: string;
  cancelUrl?: string;
  /** JSON of at most 16 KiB, 32 levels and 1,000 values (src/domain/metadata.ts); every event carries it. */
  metadata?: Record<string, unknown>;
};

/** An open session, and everything a payer needs. */
export type OpenedSession = {
  sessionId: string;
  /** Absent in what older workers answered. */
  merchantId?: string;
  status: SessionStatusText;
  amount: string;
  asset: { code: string; issuer: string | null };
  receivingAccount: string;
  memo: string;
  memoType: 'id' | 'text';
  /** The receiving account with the reference inside (M…); null when the reference is no u64. */
  muxedAccount: string | null;
  /** SEP-7: what a wallet opens and a QR code shows. */
  paymentUri: string;
  expiresAt: string;
  /** What would keep customers from paying, e.g. a missing trustline. */
  warnings: string[];
};

/** As the existing backend's column has it. */
export type SessionStatusText = 'pending' | 'processing' | 'paid' | 'expired' | 'cancelled';

/** What the ledger says about a reported transaction. */
export type ReportAnswer =
  | { kind: 'paid'; txHash: string; credited: string; price: string; overpaid: string }
  | { kind: 'underpaid'; txHash: string; credited: string; price: string; missing: string }
  | {
      kind:
        | 'duplicate'
        | 'late'
        | 'wrong_asset'
        | 'nothing'
        | 'ambiguous'
        | 'after_cancellation'
        | 'failed'
        | 'pays_another';
      txHash: string;
    }
  /** No node showed it up to this ledger. It may still come: the watcher will see it. */
  | { kind: 'not_on_ledger'; txHash: string; asOfLedger: number }
  /** Horizon could not be asked. Nothing is known; the watcher goes on looking. */
  | { kind: 'unknown'; txHash: string; reason: string };

/** What became of a cancellation. */
export type CancelAnswer =
  /** `throughLedger` is null where an older backend had ended the session before this system watched it. */
  | { kind: 'cancelled'; throughLedger: number | null }
  | { kind: 'refused'; because: 'paid'; txHash: string | null }
  | { kind: 'refused'; because: 'expired'; throughLedger: number | null }
  /** The ledger is not read far enough yet: ask again. */
  | { kind: 'closing'; cancelAt: string };

/** What an operator sees of a session. */
export type SessionView = {
  sessionId: string;
  found: boolean;
  status: SessionStatusText;
  merchantId: string;
  receivingAccount: string;
  asset: string;
  price: string;
  credited: string;
  /** The effective deadline. */
  deadline: string;
  cancelAt: string | null;
  closedThroughLedger: number | null;
  /** Paid, or ended, by whomever. Absent in what older workers answered. */
  over?: boolean;
  /** The transaction of its live payment; null while unpaid. */
  paidBy: string | null;
  /**
   * Ledger payments of the session, `<hash>:<op>:<sub>` and its verdict, in ledger order: the first five and the last five
   * where there are more than ten, so that a view stays small.
   */
  payments: { payment: string; verdict: string }[];
  /** How many there are. Absent in what older workers answered, which listed all. */
  paymentCount?: number;
  /** Webhooks, the first five and the last five likewise. */
  deliveries: {
    deliveryId: string;
    event: string;
    status: string;
    attempts: number;
    nextAt: string | null;
  }[];
  /** How many there are, counted up to 1,000. Absent likewise. */
  deliveryCount?: number;
  attention: string[];
  /** Deliveries that are to be sent now. */
  due: number;
  /** The next instant at which there is something to look at; null: nothing until somebody wakes it. */
  nextLookAt: string | null;
  /** Closed or paid, everything delivered or given up, nobody needed. */
  atRest: boolean;
};

/** The messages, by the names under which any SDK can send them. */
export const wakeSignal = defineSignal<[Wake]>('wake');
export const openUpdate = defineUpdate<OpenedSession, [OpenRequest]>('open');
export const reportUpdate = defineUpdate<ReportAnswer, [{ txHash: string }]>('reportPayment');
export const cancelUpdate = defineUpdate<CancelAnswer>('cancel');
export const redeliverUpdate = defineUpdate<{ deliveryId: string }, [{ deliveryId: string }]>(
  'redeliver',
);
export const lookUpdate = defineUpdate<SessionView>('look');
/** Null while the run is looking: ask by `look` then, which waits for it. */
export const stateQuery = defineQuery<SessionView | null>('state');
