import type { Logger } from 'pino';
import type { Database } from '../db/connection.ts';
import type { ReadStrategy } from '../db/watching.ts';
import type { SettleQueue } from '../db/settle-queue.ts';
import type { LedgerSource } from '../horizon/source.ts';
import type { WebhookSender } from '../webhook/post.ts';

/** What activities work with; the worker makes it once and passes it in. */
export type Deps = {
  readonly database: Database;
  readonly queue: SettleQueue;
  readonly source: LedgerSource;
  readonly sender: WebhookSender;
  /** Signal-with-start of a session's workflow: "look again". Rejects quickly when Temporal is busy or away. */
  readonly wake: (sessionId: string) => Promise<void>;
  readonly log: Logger;
  /** How often the watcher reads each account. */
  readonly pollIntervalMs: number;
  readonly readStrategy: ReadStrategy;
  readonly networkPassphrase: string;
  /** Aborted when this process is asked to end: what runs for minutes hands over at once. */
  readonly draining: AbortSignal;
};
