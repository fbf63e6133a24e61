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
  /** How often somebody has asked. */
  asks = 0;
  /** Looks that are complete. */
  looks = 0;
  /** `open` updates under way: a look would only find that there is no session yet. */
  opening = 0;
  /** What another activity saw, as good as a look, until the run takes note of it. */
  private told: SessionView | null = null;
  private looking = false;
  private fallback = FALLBACK_FIRST_MS;
  private readonly reported = new Set<string>();

  constructor(sessionId: string) {
    this.sessionId = sessionId;
  }

  /** Asks for another look. */
  wake(): void {
    this.dirty = true;
    this.asks += 1;
  }

  /** Takes what an activity saw for a look, unless somebody has asked for one since it began, at `asks`. */
  tell(view: SessionView, asks: number): void {
    if (asks !== this.asks) return this.wake();
    this.told = view;
    this.dirty = false;
  }

  /** Remembers a reported transaction until the next look proves it. */
  report(txHash: string): void {
    this.reported.add(txHash);
  }

  /** What the run sees; null while it is looking or about to, so that nobody takes the past for the present. */
  fresh(): SessionView | null {
    return this.isAsked || this.looking ? null : this.view;
  }

  /** Asks for a look, and resolves when one that began after this has ended (or `when` holds of it, or time is up). */
  async nextLook(when: () => boolean = () => true, timeout?: string): Promise<void> {
    const before = this.looks;
    this.wake();
    const seen = () => this.looks > before && when();
    if (timeout === undefined) await condition(seen);
    else await condition(seen, timeout);
  }

  /** Looks at the database, does what is due, and shows what came of it. */
  async look(): Promise<SessionView> {
    const { sessionId } = this;
    await condition(() => this.opening === 0);
    await this.proveReported();
    this.looking = true;
    let now = this.dirty ? null : this.told;
    this.told = null;
    if (now === null) {
      this.dirty = false;
      now = await commit.look({ sessionId, now: instant() });
    }
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
    return this.isAsked || this.reported.size > 0 || (this.view?.due ?? 0) > 0;
  }

  private get isAsked(): boolean {
    return this.dirty || this.told !== null;
  }

  /** Waits for a message or for the next instant of interest; what is overdue is looked at again, ever less often. */
  async waitForReason({ nextLookAt }: SessionView): Promise<void> {
    const asked = () => this.isAsked;
    if (nextLookAt === null) return condition(asked);
    const until = new Date(nextLookAt).getTime() - Date.now();
    const summary = until > 0 ? 'until something is due' : 'until the ledger is covered';
    await condition(asked, until > 0 ? until : this.fallback, { summary });
    if (until <= 0) this.fallback = Math.min(this.fallback * 2, FALLBACK_LAST_MS);
  }

  /** Resolves to true when nobody waits for an answer any more; to false when somebody wants another look first. */
  async quiet(): Promise<boolean> {
    await condition(() => this.isAsked || allHandlersFinished());
    return !this.isAsked;
  }

  /** Reports that came by signal are proven without waiting: the watcher is looking anyway. */
  private async proveReported(): Promise<void> {
    const { sessionId } = this;
    for (const txHash of this.reported) {
      this.reported.delete(txHash);
      this.told = null;
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
