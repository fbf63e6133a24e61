/** GET from Horizon: one request, one answer, one reason why not. */
import { Agent, request } from 'undici';
import { storable } from '../domain/text.ts';
import { createBudget, currentUse, type BudgetUse } from './budget.ts';
import {
  HorizonBudgetUsed,
  HorizonRateLimited,
  HorizonRefused,
  HorizonTooMuch,
  HorizonUnavailable,
} from './errors.ts';

/** Longer than any page takes on a healthy node, shorter than the 55 s after which Horizon itself gives up. */
const ANSWER_WITHIN_MS = 10_000;
/**
 * A full page of 200 joined records has about 600 kB, and one record at most about 1 MB. A payer can make a page of 35 MB; it is
 * read in parts. Together with `CONNECTIONS`, this bounds the answers in memory: 24 of 4 MiB in a process.
 */
export const LARGEST_ANSWER = 4 * 1024 * 1024;
/** What a 429 without a word about when costs. */
const DEFAULT_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** Connections for each use of the budget: answers that hang for one of them take none away from the reader. */
const CONNECTIONS = { reading: 8, sessions: 8, reconciliation: 4, reports: 4 } as const;

/** A JSON answer, and the ledger it is of where Horizon says so (only account and path answers do). */
export type Answer = { readonly body: unknown; readonly latestLedger: number | null };

/** A connection to one Horizon. */
export type HorizonHttp = {
  /** The answer; null for 404 and 410 (older than its history), which say only that this node does not show it now. */
  get(path: string, query?: Readonly<Record<string, string>>): Promise<Answer | null>;
  close(): Promise<void>;
};

/** Where Horizon is, and how much may be asked of it. */
export type HorizonOptions = {
  readonly url: string;
  /** 0 for no limit. */
  readonly requestsPerHour: number;
  /** How long one answer may take, in milliseconds; 10 s unless given. */
  readonly answerWithinMs?: number;
  /** Told of every request: its HTTP status, or 0 when there was no answer. */
  readonly onAnswer?: (status: number) => void;
  /** Told of every request that was not sent, because the share of its use was used up. */
  readonly onNoBudget?: (use: BudgetUse) => void;
};

/**
 * Opens a connection pool to a Horizon. Every request goes through the budget; a 429 stops all of them for as long
 * as Horizon asks. @throws HorizonUnavailable (HorizonTooMuch), HorizonRateLimited, HorizonRefused, HorizonBudgetUsed from `get`
 */
export function createHorizonHttp(options: HorizonOptions): HorizonHttp {
  const answerWithinMs = options.answerWithinMs ?? ANSWER_WITHIN_MS;
  const base = options.url.replace(/\/+$/, '');
  // A provider's address may carry a key in its path or as a password: errors, logs and histories get the host only.
  const { protocol, host } = new URL(base);
  const budget = createBudget(options.requestsPerHour);
  const agents = new Map<BudgetUse, Agent>();

  function agentOf(use: BudgetUse): Agent {
    const agent =
      agents.get(use) ??
      new Agent({
        connect: { timeout: 5_000 },
        headersTimeout: answerWithinMs,
        bodyTimeout: answerWithinMs,
        maxResponseSize: LARGEST_ANSWER,
        connections: CONNECTIONS[use],
      });
    agents.set(use, agent);
    return agent;
  }

  async function waitForBudget(): Promise<void> {
    try {
      await budget.take();
    } catch (error) {
      if (error instanceof HorizonBudgetUsed) options.onNoBudget?.(currentUse());
      throw error;
    }
  }

  async function ask(
    url: string,
    shown: string,
  ): Promise<{ status: number; headers: Headers; text: string }> {
    try {
      const { statusCode, headers, body } = await request(url, {
        dispatcher: agentOf(currentUse()),
        headers: { accept: 'application/hal+json, application/json' },
        signal: AbortSignal.timeout(answerWithinMs),
      });
      const text = await body.text();
      options.onAnswer?.(statusCode);
      return { status: statusCode, headers, text };
    } catch (error) {
      options.onAnswer?.(0);
      const reason = error instanceof Error ? error.message : String(error);
      const message = `Horizon did not answer ${shown}: ${reason}`;
      const limit = limitOf(error);
      if (limit !== null) throw new HorizonTooMuch(message, limit, { cause: error });
      throw new HorizonUnavailable(message, { cause: error });
    }
  }

  return {
    async get(path, query = {}) {
      const search = new URLSearchParams(query).toString();
      const rest = `${path}${search === '' ? '' : `?${search}`}`;
      const shown = `${protocol}//${host}${rest}`;
      await waitForBudget();
      const { status, headers, text } = await ask(`${base}${rest}`, shown);
      if (status === 404 || status === 410) return null;
      if (status === 429) {
        const wait = retryAfterMs(headers);
        budget.pause(wait);
        throw new HorizonRateLimited(`Horizon's rate limit is reached (${shown}).`, wait);
      }
      if (status >= 500 || status === 499 || status === 408) {
        if (headers['retry-after'] !== undefined) budget.pause(retryAfterMs(headers));
        const message = `Horizon answered ${status} to ${shown}: ${excerpt(text)}`;
        if (status === 504 || status === 408) throw new HorizonTooMuch(message, 'time');
        throw new HorizonUnavailable(message);
      }
      if (status !== 200) {
        throw new HorizonRefused(`Horizon refused ${shown} with ${status}: ${excerpt(text)}`);
      }
      return { body: parse(text, shown), latestLedger: ledgerIn(headers) };
    },
    close: async () => {
      await Promise.all([...agents.values()].map((agent) => agent.destroy()));
    },
  };
}

type Headers = Record<string, string | string[] | undefined>;

/** Which limit an answer was above; null when there was none for another reason (undici's error codes). */
function limitOf(error: unknown): 'size' | 'time' | null {
  if (typeof error !== 'object' || error === null) return null;
  const { name, code } = error as { name?: unknown; code?: unknown };
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return 'size';
  const isLate = code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT';
  return isLate || name === 'TimeoutError' ? 'time' : null;
}

function parse(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new HorizonUnavailable(`Horizon's answer to ${url} is no JSON: ${excerpt(text)}`);
  }
}

function excerpt(text: string): string {
  return storable(text.replaceAll(/\s+/g, ' '), 200);
}

function ledgerIn(headers: Headers): number | null {
  const ledger = Number(headers['latest-ledger']);
  return Number.isInteger(ledger) && ledger > 0 ? ledger : null;
}

/** Retry-After in seconds, else X-RateLimit-Reset (seconds until the window is over). Never longer than a minute. */
function retryAfterMs(headers: Headers): number {
  const [seconds] = [headers['retry-after'], headers['x-ratelimit-reset']]
    .map((value) => Number(value))
    .filter((value) => Number.isFinite(value) && value > 0);
  if (seconds === undefined) return DEFAULT_PAUSE_MS;
  return Math.min(seconds * 1000, LONGEST_PAUSE_MS);
}
