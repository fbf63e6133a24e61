import {
  ActivityFailure,
  allHandlersFinished,
  condition,
  log,
  proxyActivities,
  setCurrentDetails,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type {
  HorizonActivities,
  SettlementActivities,
  WebhookActivities,
} from '../activities/index.ts';
import type { SessionView } from './contract.ts';
import { detailsOf, searchAttributesOf } from './details.ts';
import {
  COMMIT_OPTIONS,
  DELIVERY_OPTIONS,
  FALLBACK_FIRST_MS,
  FALLBACK_LAST_MS,
  REPORT_OPTIONS,
} from './options.ts';

/** The activities by the task queue they run on. */
export const commit = proxyActivities<SettlementActivities>(COMMIT_OPTIONS);
export const webhooks = proxyActivities<WebhookActivities>(DELIVERY_OPTIONS);
export const horizon = proxyActivities<HorizonActivities>(REPORT_OPTIONS);

/** Workflow time: the same at every replay. */
export function instant(): string {
  return new Date().toISOString();
}

/**
 * What one run of a session's workflow knows: only what it saw when it last looked, and why it should look again.
 * Everything that must survive the run is in the database.
 */
export class SessionRun {
  readonly sessionId: string;
  /** What the last look showed; null before the first. */
  view: SessionView | null = null;
  /** Somebody has asked for a look since the last one began. */
  dirty = true;
  /** Looks that are complete. */
  looks = 0;
  /** `open` updates under way: a look would only find that there is no session yet. */
  opening = 0;
  private looking = false;
  private fallback = FALLBACK_FIRST_MS;
  private readonly reported = new Set<string>();

  constructor(sessionId: string) {
    this.sessionId = sessionId;
  }

  /** Asks for another look. */
  wake(): void {
    this.dirty = true;
  }

  /** Remembers a reported transaction until the next look proves it. */
  report(txHash: string): void {
    this.reported.add(txHash);
  }

  /** What the run sees; null while it is looking or about to, so that nobody takes the past for the present. */
  fresh(): SessionView | null {
    return this.dirty || this.looking ? null : this.view;
  }

  /** Asks for a look, and resolves when one that began after this has ended (or `when` holds of it, or time is up). */
  async nextLook(when: () => boolean = () => true, timeout?: string): Promise<void> {
    const before = this.looks;
    this.dirty = true;
    const seen = () => this.looks > before && when();
    if (timeout === undefined) await condition(seen);
    else await condition(seen, timeout);
  }

  /** Looks at the database, does what is due, and shows what came of it. */
  async look(): Promise<SessionView> {
    const { sessionId } = this;
    await condition(() => this.opening === 0);
    await this.proveReported();
    this.dirty = false;
    this.looking = true;
    let now = await commit.look({ sessionId, now: instant() });
    if (now.found && now.due > 0) {
      now = await webhooks.deliverEvents({ sessionId, now: instant() });
    }
    this.looking = false;
    this.looks += 1;
    this.publish(now);
    if (JSON.stringify(this.view) !== JSON.stringify(now)) this.fallback = FALLBACK_FIRST_MS;
    this.view = now;
    return now;
  }

  /** Whether there is already a reason to look again. */
  get hasReason(): boolean {
    return this.dirty || this.reported.size > 0 || (this.view?.due ?? 0) > 0;
  }

  /** Waits for a message or for the next instant of interest; what is overdue is looked at again, ever less often. */
  async waitForReason({ nextLookAt }: SessionView): Promise<void> {
    const dirty = () => this.dirty;
    if (nextLookAt === null) return condition(dirty);
    const until = new Date(nextLookAt).getTime() - Date.now();
    const summary = until > 0 ? 'until something is due' : 'until the ledger is covered';
    await condition(dirty, until > 0 ? until : this.fallback, { summary });
    if (until <= 0) this.fallback = Math.min(this.fallback * 2, FALLBACK_LAST_MS);
  }

  /** Resolves to true when nobody waits for an answer any more; to false when somebody wants another look first. */
  async quiet(): Promise<boolean> {
    await condition(() => this.dirty || allHandlersFinished());
    return !this.dirty;
  }

  /** Reports that came by signal are proven without waiting: the watcher is looking anyway. */
  private async proveReported(): Promise<void> {
    const { sessionId } = this;
    for (const txHash of this.reported) {
      this.reported.delete(txHash);
      try {
        await horizon.proveReport({ sessionId, txHash, wait: false });
      } catch (error) {
        if (!(error instanceof ActivityFailure)) throw error;
        log.warn('A report was refused.', { sessionId, txHash, reason: error.cause?.message });
      }
    }
  }

  /** Shows what changed in the Temporal UI. An upsert costs a history event, so only a changed one is made. */
  private publish(now: SessionView): void {
    setCurrentDetails(detailsOf(now));
    if (!now.found) return;
    const attributes = searchAttributesOf(this.view, now);
    if (attributes.length > 0) upsertSearchAttributes(attributes);
  }
}
