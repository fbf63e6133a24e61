/** What an arm of the bench is: a way to bring payments to merchants, with a worker that can be killed. */
import type { LedgerPayment } from '../../src/domain/ledger-payment.ts';

/** A ledger payment as it crosses processes: JSON. */
export type Payment = Omit<LedgerPayment, 'amount' | 'closedAt'> & {
  readonly sessionId: string;
  /** Decimal string. */
  readonly amount: string;
  readonly closedAt: string;
};

/** Where everything is that an arm needs; passed to its worker process as JSON. */
export type Place = {
  /** For the worker. */
  readonly databaseUrl: string;
  /** For the driver: its connections survive when the worker's are cut. */
  readonly driverUrl: string;
  /** `host:port` of the webhook sink. */
  readonly sink: string;
  readonly horizonUrl: string;
  readonly networkPassphrase: string;
  readonly temporalAddress: string | null;
  readonly restate: { readonly ingress: string; readonly admin: string } | null;
  /** Where the Restate server finds the worker. */
  readonly workerPort: number;
  /** Files with the bundled workflows. */
  readonly bundles: { readonly ours: string; readonly naive: string };
  /** How often our watcher takes a turn. */
  readonly pollIntervalMs: number;
};

/** The driver's side of an arm. */
export type ArmClient = {
  /** Before the first payment: what the arm needs for each session, e.g. a workflow that waits. */
  open(sessionIds: readonly string[]): Promise<void>;
  /** Resolves when the arm has accepted them. */
  pay(payments: readonly Payment[]): Promise<void>;
  /** History events of sessions, where the arm has a history. */
  events?(sessionIds: readonly string[]): Promise<number[]>;
  close(): Promise<void>;
};

/** The worker's side, in a process of its own. `pay` is for arms that are spoken to directly. */
export type ArmWorker = {
  pay?(payments: readonly Payment[]): Promise<void>;
  /** What only the worker can count, e.g. retries. */
  counted?(): Record<string, number>;
};

/** An arm. `ipc` hands payments to the worker process and resolves when it has them. */
export type Arm = {
  readonly needs: 'temporal' | 'restate' | null;
  work(place: Place): Promise<ArmWorker>;
  client(place: Place, ipc: (payments: readonly Payment[]) => Promise<void>): Promise<ArmClient>;
};

/** Connections to PostgreSQL in each worker, of each pool that it has. */
export const POOL = 10;
/** Payments that a queue's worker takes up at once. */
export const AT_ONCE = 64;

/** The payment as the product's own code wants it. */
export function toLedgerPayment(payment: Payment, stroops: bigint): LedgerPayment {
  return { ...payment, amount: stroops, closedAt: new Date(payment.closedAt) };
}
