/** `settle listen`: one more endpoint of the sandbox's merchant, which verifies what it gets and hands it on. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Client as PgClient } from 'pg';
import { Webhook } from 'standardwebhooks';
import { ConfigError } from '../../config.ts';
import { newSecret } from '../../db/operator/endpoint-secrets.ts';
import { EVENT_SCHEMAS } from '../../events.ts';
import type { RunningSandbox } from './running.ts';

/** Less than the 15 s that the sender waits, so that it learns our answer. */
const FORWARD_WITHIN_MS = 10_000;
/** What of the request is for the receiver; the rest is between the two ends of the connection. */
const HANDED_ON = /^(content-type$|user-agent$|webhook-|x-orbitstream-)/;

/** One POST that arrived, and what became of it. */
export type Heard = {
  readonly at: string;
  readonly event: string;
  readonly eventId: string;
  readonly sessionId: string;
  readonly sequence: number;
  /** Null: both signatures match. Otherwise what is wrong; then it was refused and not handed on. */
  readonly problem: string | null;
  /** What the local receiver answered; null when it was not asked, or did not answer. */
  readonly status: number | null;
  /** What it took, in milliseconds. */
  readonly tookMs: number;
  /** Why there is no answer; null when there is one, or none was asked for. */
  readonly error: string | null;
};

/** A listener at work. */
export type Listener = {
  readonly url: string;
  /** The secret that what is handed on is signed with; this endpoint's own. */
  readonly secret: string;
  /** Ends it, and takes the endpoint away. */
  stop(): Promise<void>;
};

/**
 * Starts listening for every event that is made from now on. The sandbox is answered what `forwardTo` answers, so a
 * receiver that fails sees its retries; 502 where nobody answers, and 200 when there is nobody to forward to.
 */
export async function startListener(
  sandbox: RunningSandbox,
  forwardTo: URL | null,
  heard: (heard: Heard) => void,
): Promise<Listener> {
  const secret = newSecret();
  const server = createServer((request, response) => {
    void (async () => {
      const { answer, ...post } = await receive(request, secret, forwardTo);
      heard(post);
      response.writeHead(answer).end();
    })().catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = `Port ${sandbox.listenPort}, which this sandbox keeps for one listener, is taken.`;
      reject(error.code === 'EADDRINUSE' ? new ConfigError([`${taken} Does another run?`]) : error);
    });
    server.listen(sandbox.listenPort, '127.0.0.1', resolve);
  });
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  const url = `http://127.0.0.1:${sandbox.listenPort}/`;
  try {
    await replaceEndpoint(sandbox, url, secret);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url,
    secret,
    stop: async () => {
      // The sandbox may have ended before us, and its database with it.
      await replaceEndpoint(sandbox, url, null).catch(() => undefined);
      await close();
    },
  };
}

/** A new row each time: neither pause nor failures of an earlier listener are ours. */
async function replaceEndpoint(sandbox: RunningSandbox, url: string, secret: string | null) {
  const client = new PgClient({ connectionString: sandbox.databaseUrl });
  await client.connect();
  try {
    await client.query(`DELETE FROM webhook_endpoints WHERE merchant_id = $1 AND url = $2`, [
      sandbox.merchantId,
      url,
    ]);
    if (secret === null) return;
    await client.query(
      `INSERT INTO webhook_endpoints (merchant_id, url, events, secret) VALUES ($1, $2, $3, $4)`,
      [sandbox.merchantId, url, JSON.stringify(Object.keys(EVENT_SCHEMAS)), secret],
    );
  } finally {
    await client.end();
  }
}

async function receive(
  request: IncomingMessage,
  secret: string,
  forwardTo: URL | null,
): Promise<Heard & { answer: number }> {
  const started = Date.now();
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const { headers } = request;
  const problem = problemWith(body.toString('utf8'), headers, secret);
  const { status, error } =
    problem === null && forwardTo !== null
      ? await forward(forwardTo, headers, body)
      : { status: null, error: null };
  const answer = problem !== null ? 400 : error !== null ? 502 : (status ?? 200);
  return {
    at: new Date(started).toISOString(),
    event: String(headers['x-orbitstream-event'] ?? 'unknown'),
    eventId: String(headers['webhook-id'] ?? ''),
    sessionId: sessionIn(body),
    sequence: Number(headers['x-orbitstream-sequence'] ?? 0),
    problem,
    status,
    tookMs: Date.now() - started,
    error,
    answer,
  };
}

/** Verifies both families of headers, as two receivers would: with the library, and by the existing backend's rule. */
function problemWith(body: string, headers: IncomingHttpHeaders, secret: string): string | null {
  try {
    new Webhook(secret).verify(body, headers as Record<string, string>);
  } catch (error) {
    return `webhook-signature: ${(error as Error).message}`;
  }
  const id = String(headers['x-orbitstream-delivery-id']);
  const timestamp = String(headers['x-orbitstream-timestamp']);
  const hmac = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('hex');
  const expected = Buffer.from(`sha256=${hmac}`);
  const given = Buffer.from(String(headers['x-orbitstream-signature'] ?? ''));
  const matches = given.length === expected.length && timingSafeEqual(given, expected);
  return matches ? null : 'X-OrbitStream-Signature: it does not match';
}

/** The same bytes under the same signatures. */
async function forward(to: URL, headers: IncomingHttpHeaders, body: Buffer) {
  const handedOn = Object.entries(headers).filter(([name]) => HANDED_ON.test(name));
  try {
    const response = await fetch(to, {
      method: 'POST',
      headers: Object.fromEntries(handedOn) as Record<string, string>,
      body: new Uint8Array(body),
      redirect: 'manual',
      signal: AbortSignal.timeout(FORWARD_WITHIN_MS),
    });
    await response.body?.cancel();
    return { status: response.status, error: null };
  } catch (error) {
    const { message, cause } = error as Error;
    return { status: null, error: cause instanceof Error ? cause.message || message : message };
  }
}

function sessionIn(body: Buffer): string {
  try {
    const { data } = JSON.parse(body.toString('utf8')) as { data?: { sessionId?: unknown } };
    return typeof data?.sessionId === 'string' ? data.sessionId : '';
  } catch {
    return '';
  }
}
