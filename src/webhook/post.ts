/** One POST of one event. It never throws for what the receiver does: that is an outcome. */
import { reached } from '../metrics/bounds.ts';
import { isIP } from 'node:net';
import { Agent, request, type Dispatcher } from 'undici';
import type { PostOutcome } from '../domain/delivery.ts';
import { storable } from '../domain/text.ts';
import { withoutSecretsOf } from '../domain/shown-url.ts';
import { AddressRefused, judgeUrl } from './guard.ts';
import { createNames } from './resolve.ts';
import { createSlots } from './slots.ts';

/** All of one POST. Shorter than the activity's own limit, and what Standard Webhooks recommends at least. */
const POST_WITHIN_MS = 15_000;
/** To connect, TLS included, over all addresses of the host. */
const CONNECT_WITHIN_MS = 10_000;
/** One address is given so long before the next is tried beside it (RFC 8305 recommends 250 ms). */
const NEXT_ADDRESS_AFTER_MS = 250;
/** Headers of an answer: Node's own default. Above it the answer is none. */
const LARGEST_HEADERS = 16 * 1024;
/** Of the answer, no more than this is read. */
const LARGEST_ANSWER = 64 * 1024;
/** Of the answer, this much is kept for the operator. */
const EXCERPT = 300;
/** POSTs under way to one endpoint in this process. */
const AT_ONCE = 5;
/**
 * POSTs under way to one merchant in this process, whatever its endpoints: a merchant whose receivers are all silent holds
 * so many connections, hosts and names, each for at most the 15 s of a POST, and others have the rest of the slots.
 */
const MERCHANT_AT_ONCE = 20;
/** Looks that may be sending at once: half of the activity slots of their worker, so that the other half commits. */
const BESIDE_COMMITS = 50;

/** Whose slots a POST takes. */
export type Receiver = { readonly endpointId: string; readonly merchantId: string };

/** Sends events. */
export type WebhookSender = {
  /** POSTs once and says what it came to. */
  post(url: string, headers: Record<string, string>, body: string): Promise<PostOutcome>;
  /**
   * Runs the work when fewer than five others are under way for this endpoint, and fewer than twenty for its merchant;
   * null when it could not begin within `waitMs`.
   */
  withSlot<T>(to: Receiver, waitMs: number, work: () => Promise<T>): Promise<T | null>;
  /** Runs work that sends in the place of a commit, while few others do; null at once when too many are. */
  besideCommits<T>(work: () => Promise<T>): Promise<T | null>;
  close(): Promise<void>;
};

/**
 * `allowPrivate`: host:port of receivers that may be inside, for development. `plainHttp`: others need no HTTPS.
 * `postWithinMs`: how long one POST may take, 15 s unless given. `nameServers`: `address:port`, the system's unless given.
 */
export function createWebhookSender(options: {
  allowPrivate: readonly string[];
  plainHttp?: boolean;
  postWithinMs?: number;
  nameServers?: readonly string[];
}): WebhookSender {
  const rules = {
    allow: new Set(options.allowPrivate),
    plainHttp: options.plainHttp ?? false,
  };
  const postWithinMs = options.postWithinMs ?? POST_WITHIN_MS;
  const limits = {
    headersTimeout: postWithinMs,
    bodyTimeout: postWithinMs,
    // Receivers are many and POSTs to each are rare: idle connections are not worth keeping.
    keepAliveTimeout: 1_000,
    maxHeaderSize: LARGEST_HEADERS,
  };
  const names = createNames(options.nameServers ? { servers: options.nameServers } : {});
  const connect = {
    timeout: CONNECT_WITHIN_MS,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_AFTER_MS,
  };
  const guarded = new Agent({ ...limits, connect: { ...connect, lookup: names.lookup } });
  // What the operator has allowed by name is resolved as everything of ours is, /etc/hosts included.
  const unguarded = new Agent({ ...limits, connect });
  const ofEndpoints = createSlots(AT_ONCE);
  const ofMerchants = createSlots(MERCHANT_AT_ONCE);
  let beside = 0;
  return {
    async post(text, headers, body) {
      try {
        const { url, isAllowed } = judgeUrl(text, rules);
        const signal = AbortSignal.timeout(postWithinMs);
        // Redirects are answers like any other: undici follows none unless it is told to.
        const send = async (dispatcher: Agent) =>
          read(url, await request(url, { method: 'POST', headers, body, dispatcher, signal }));
        if (isAllowed) return await send(unguarded);
        // undici's lookup is never asked about literals; they were judged with the URL.
        if (isLiteral(url)) return await send(guarded);
        return await names.holding(url.hostname, signal, () => send(guarded));
      } catch (error) {
        return outcomeOf(error, postWithinMs);
      }
    },
    withSlot: async ({ endpointId, merchantId }, waitMs, work) => {
      const until = performance.now() + waitMs;
      let isFree = false;
      // The endpoint's first: who waits for a busy endpoint keeps nothing from the merchant's other ones.
      let hasBegun = false;
      const done = await ofEndpoints.run(endpointId, waitMs, () => {
        isFree = true;
        return ofMerchants.run(merchantId, Math.max(0, until - performance.now()), () => {
          hasBegun = true;
          return work();
        });
      });
      if (!isFree) reached('endpoint_posts');
      else if (!hasBegun) reached('merchant_posts');
      return done;
    },
    besideCommits: async (work) => {
      if (beside >= BESIDE_COMMITS) {
        reached('posts_beside_commits');
        return null;
      }
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

function isLiteral({ hostname }: URL): boolean {
  return isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0;
}

async function read(url: URL, answer: Dispatcher.ResponseData): Promise<PostOutcome> {
  const { statusCode: status, headers, body } = answer;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size < LARGEST_ANSWER) continue;
      reached('answer_bytes');
      break;
    }
  } catch {
    // The status has arrived, and says all: a receiver that accepted and then cut the line has accepted, and one that
    // said when to come again has said so.
  }
  const text = withoutSecretsOf(url, Buffer.concat(chunks).toString('utf8'));
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
  // By name: an abort's reason need not be of this realm's Error.
  if ((error as { name?: unknown } | null)?.name === 'TimeoutError') {
    return { kind: 'failed', detail: `No answer within ${postWithinMs / 1000} s.` };
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'failed', detail: excerpt(`${code} ${message}`) };
}
