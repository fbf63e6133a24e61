import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  condition,
  log,
  patched,
  proxyActivities,
  setCurrentDetails,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type {
  HorizonActivities,
  SettlementActivities,
  WebhookActivities,
} from '../activities/index.ts';
import { readable } from '../doors/unreadable.ts';
import type { SessionView } from './contract.ts';
import { detailsOf, searchAttributesOf } from './details.ts';
import { NEEDS_ATTENTION } from './search-attributes.ts';
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

/** Marks runs that look although an `open` is under way. */
const LOOKS_WHILE_OPENING = 'looks-while-opening';

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
  /** Why the session could not be looked at the last time, where no retry helps; null when it could. */
  problem: string | null = null;
  /** Somebody has asked for a look while an `open` was under way: it may hang for long, and another made the session. */
  private pressed = false;
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
    this.press();
  }

  /** Nobody waits for an `open` that hangs. Recorded only where one is under way: other runs stay as they were. */
  private press(): void {
    if (this.opening > 0 && patched(LOOKS_WHILE_OPENING)) this.pressed = true;
  }

  /** Takes what an activity saw for a look, unless somebody has asked for one since it began, at `asks`. */
  tell(view: SessionView, asks: number): void {
    if (asks !== this.asks) return this.wake();
    this.press();
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

  /**
   * Looks at the database, does what is due, and shows what came of it. Null when the session cannot be looked at and no
   * retry helps: `problem` says why.
   */
  async look(): Promise<SessionView | null> {
    const { sessionId } = this;
    await condition(() => this.opening === 0 || this.pressed);
    this.pressed = false;
    await this.proveReported();
    this.looking = true;
    let now = this.dirty ? null : this.told;
    this.told = null;
    // One function: each await more would be another turn of the queue, and replay another order of commands.
    try {
      if (now === null) {
        this.dirty = false;
        now = readable(await commit.look({ sessionId, now: instant() }));
      }
      if (now.found && now.due > 0) {
        now = readable(await webhooks.deliverEvents({ sessionId, now: instant() }));
      }
      this.publish(now);
      if (JSON.stringify(this.view) !== JSON.stringify(now)) this.fallback = FALLBACK_FIRST_MS;
      this.view = now;
      this.problem = null;
    } catch (error) {
      const problem = permanentProblemOf(error);
      if (problem === null) throw error;
      this.publishProblem(problem);
      this.problem = problem;
      // What was seen before is shown again, as soon as there is something to be seen.
      this.view = null;
    }
    this.looking = false;
    this.looks += 1;
    return this.view;
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

  /** Waits for a message, or before a session that cannot be looked at is looked at again: ever less often. */
  async waitAfterProblem(): Promise<void> {
    const summary = 'the session cannot be looked at';
    await condition(() => this.isAsked, this.fallback, { summary });
    this.fallback = Math.min(this.fallback * 2, FALLBACK_LAST_MS);
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

  private publishProblem(problem: string): void {
    setCurrentDetails(`⚠ **This session cannot be looked at.** ${problem}`);
    if (this.problem === null) upsertSearchAttributes([{ key: NEEDS_ATTENTION, value: true }]);
  }
}

/** What an activity was refused for; null for every other error. */
function permanentProblemOf(error: unknown): string | null {
  if (!(error instanceof ActivityFailure)) return null;
  const { cause } = error;
  return cause instanceof ApplicationFailure && cause.nonRetryable === true ? cause.message : null;
}
