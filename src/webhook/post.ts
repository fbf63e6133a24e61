/** One POST of one event. It never throws for what the receiver does: that is an outcome. */
import { Agent, request, type Dispatcher } from 'undici';
import type { PostOutcome } from '../domain/delivery.ts';
import { storable } from '../domain/text.ts';
import { AddressRefused, judgeUrl, lookupPublic } from './guard.ts';
import { createSlots } from './slots.ts';

/** All of one POST. Shorter than the activity's own limit, and what Standard Webhooks recommends at least. */
const POST_WITHIN_MS = 15_000;
/** Of the answer, no more than this is read. */
const LARGEST_ANSWER = 64 * 1024;
/** Of the answer, this much is kept for the operator. */
const EXCERPT = 300;
/** POSTs under way to one endpoint in this process. */
const AT_ONCE = 5;
/** Looks that may be sending at once: half of the activity slots of their worker, so that the other half commits. */
const BESIDE_COMMITS = 50;

/** Sends events. */
export type WebhookSender = {
  /** POSTs once and says what it came to. */
  post(url: string, headers: Record<string, string>, body: string): Promise<PostOutcome>;
  /** Runs the work when fewer than five others are under way for this endpoint; null after `waitMs`. */
  withSlot<T>(endpointId: string, waitMs: number, work: () => Promise<T>): Promise<T | null>;
  /** Runs work that sends in the place of a commit, while few others do; null at once when too many are. */
  besideCommits<T>(work: () => Promise<T>): Promise<T | null>;
  close(): Promise<void>;
};

/**
 * `allowPrivate`: host:port of receivers that may be inside, for development. `postWithinMs`: how long one POST may
 * take, 15 s unless given.
 */
export function createWebhookSender(options: {
  allowPrivate: readonly string[];
  postWithinMs?: number;
}): WebhookSender {
  const allow = new Set(options.allowPrivate);
  const postWithinMs = options.postWithinMs ?? POST_WITHIN_MS;
  const limits = {
    headersTimeout: postWithinMs,
    bodyTimeout: postWithinMs,
    // Receivers are many and POSTs to each are rare: idle connections are not worth keeping.
    keepAliveTimeout: 1_000,
  };
  const guarded = new Agent({ ...limits, connect: { timeout: 10_000, lookup: lookupPublic } });
  const unguarded = new Agent({ ...limits, connect: { timeout: 10_000 } });
  const slots = createSlots(AT_ONCE);
  let beside = 0;
  return {
    async post(text, headers, body) {
      try {
        const { url, isAllowed } = judgeUrl(text, allow);
        const answer = await request(url, {
          method: 'POST',
          headers,
          body,
          dispatcher: isAllowed ? unguarded : guarded,
          signal: AbortSignal.timeout(postWithinMs),
        });
        return await read(answer);
      } catch (error) {
        return outcomeOf(error, postWithinMs);
      }
    },
    withSlot: (endpointId, waitMs, work) => slots.run(endpointId, waitMs, work),
    besideCommits: async (work) => {
      if (beside >= BESIDE_COMMITS) return null;
      beside += 1;
      try {
        return await work();
      } finally {
        beside -= 1;
      }
    },
    close: async () => {
      await Promise.all([guarded.destroy(), unguarded.destroy()]);
    },
  };
}

async function read(answer: Dispatcher.ResponseData): Promise<PostOutcome> {
  const { statusCode: status, headers, body } = answer;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size >= LARGEST_ANSWER) break;
    }
  } catch {
    // The status has arrived, and says all: a receiver that accepted and then cut the line has accepted, and one that
    // said when to come again has said so.
  }
  const text = Buffer.concat(chunks).toString('utf8');
  return {
    kind: 'answered',
    status,
    retryAfterMs: retryAfter(headers['retry-after']),
    detail: excerpt(text),
  };
}

/** The beginning of what a stranger sent, as it can break neither log nor database nor terminal. */
function excerpt(text: string): string {
  return storable(text.replaceAll(/[^\p{L}\p{N}\p{P}\p{S} ]+/gu, ' ').trim(), EXCERPT);
}

/** Seconds, or an HTTP date. */
function retryAfter(value: string | string[] | undefined): number | null {
  if (typeof value !== 'string') return null;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - Date.now());
}

function outcomeOf(error: unknown, postWithinMs: number): PostOutcome {
  for (let e = error; e instanceof Error; e = e.cause) {
    if (e instanceof AddressRefused) return { kind: 'refused', detail: storable(e.message) };
  }
  if (error instanceof Error && error.name === 'TimeoutError') {
    return { kind: 'failed', detail: `No answer within ${postWithinMs / 1000} s.` };
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'failed', detail: excerpt(`${code} ${message}`) };
}
