/**
 * What must be so when a round is at rest: from the ledger's own books, what reached the receiver, the rows and
 * Temporal's list. But for `settle audit`, which is one of the checks, nothing here is computed by the product.
 */
import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { auditDatabase } from '../../src/db/audit.ts';
import { formatAmount, parseAmount } from '../../src/domain/money.ts';
import { sessionWorkflowId } from '../../src/workflows/contract.ts';
import { arrivals, ending, type Arrival } from '../../test/pipeline/model.ts';
import { hasTaken, type Post } from './merchant.ts';
import type { Endpoint, Stack } from './stack.ts';
import type { RoundSession, Workload } from './workload.ts';

/** Something that must not be, in words; the subject first. */
export type Violation = { readonly check: CheckName; readonly problem: string };

/** The checks, by the invariants of the fault matrix that they are. */
export const CHECKS = {
  audit: 'settle audit finds nothing',
  conservation:
    'every movement in the ledger’s books is one row, with one meaning that the books allow',
  outcome:
    'every session ends as the books say; paid, if and only if one payments row and its price is there',
  told: 'one payment.confirmed id for each paid session and endpoint, and none otherwise; nothing told that is not so',
  bytes: 'every POST of a delivery has the same bytes, ids and valid signatures',
  order: 'events of a session reach an endpoint in order',
  delivered: 'what is marked delivered was taken by the receiver, and what is due was delivered',
  edges: 'the journal has allowed transitions only',
  runs: 'no run is open for a session at rest, and none is missing for one that is not',
  process:
    'no worker ended unasked, no history failed to replay, no connection is stuck in a transaction',
  isolation: 'every settle on the wire was SERIALIZABLE and had locked what it wrote',
  answers: 'every question of a backend was answered, and rightly',
  always:
    'in every snapshot that was taken meanwhile: paid with its row and its event or not paid at all, and no ending of ours that did not stay',
  rest: 'everything came to rest in time',
} as const;
export type CheckName = keyof typeof CHECKS;

/** How long after everything is well again. A wake that was lost with its worker is repeated after a minute. */
const REST_WITHIN_MS = 100_000;

/** How often a snapshot is taken. */
const SNAPSHOT_EVERY_MS = 120;

/** Looks at the round's sessions in one snapshot after the other until `over`; what no snapshot may show, in words. */
export async function watchAlways(
  stack: Stack,
  sessions: readonly RoundSession[],
  over: AbortSignal,
): Promise<Part> {
  const part = collect();
  const ended = new Map<string, string>();
  for (; !over.aborted; await sleep(SNAPSHOT_EVERY_MS)) {
    const rows = await stack.rows<{ id: string; status: string; halves: string }>(
      `SELECT s.id::text, status, concat_ws(' ', CASE WHEN status = 'paid' THEN 'status' END,
          (SELECT 'row' FROM payments p WHERE p.session_id = s.id LIMIT 1),
          (SELECT 'event' FROM settlement.events e
            WHERE e.session_id = s.id AND e.type = 'payment.confirmed')) AS halves
       FROM checkout_sessions s
       WHERE id = ANY($1) AND (status = 'paid' OR closed_through_ledger IS NOT NULL)`,
      [sessions.map(({ id }) => id)],
    );
    for (const { id, status, halves } of rows) {
      const whole = halves === '' || halves === 'status row event';
      part.must(whole, 'always', `session ${id} was seen as paid by its ${halves} alone.`);
      const before = ended.get(id) ?? status;
      part.must(
        before === status,
        'always',
        `session ${id} had ended as ${before}, and then was ${status}.`,
      );
      ended.set(id, status);
    }
  }
  return part;
}

/** Waits until nothing is left to do for these sessions. Returns the milliseconds, or what is left. */
export async function rest(
  stack: Stack,
  { sessions }: Workload,
): Promise<{ ms: number } | { left: string }> {
  const started = Date.now();
  const ids = sessions.map(({ id }) => id);
  let left = '';
  let skippedAt = 0;
  while (Date.now() - started < REST_WITHIN_MS) {
    const [row] = await stack.rows<{ open: number; active: number; undecided: number }>(
      `SELECT (SELECT count(*)::int FROM checkout_sessions WHERE id = ANY($1)
          AND status <> 'paid' AND closed_through_ledger IS NULL) AS open,
        (SELECT count(*)::int FROM settlement.active_sessions WHERE session_id = ANY($1)) AS active,
        (SELECT count(*)::int FROM settlement.undecided_payments) AS undecided`,
      [ids],
    );
    const missing = (await expected(stack)).length - (await inboxSize(stack));
    left = JSON.stringify({ ...row, missing });
    if (row?.open === 0 && row.active === 0 && row.undecided === 0 && missing === 0) {
      return { ms: Date.now() - started };
    }
    // Pauses of the retry schedule last hours. They are cut short here, as if the time had passed.
    if (Date.now() - skippedAt > 2_000) {
      skippedAt = Date.now();
      await skipPauses(stack, ids);
    }
    await sleep(100);
  }
  return { left };
}

async function skipPauses(stack: Stack, ids: readonly string[]): Promise<void> {
  await stack.rows(
    `UPDATE settlement.endpoint_state SET paused_until = now() WHERE paused_until > now()`,
  );
  const waiting = await stack.rows<{ id: string }>(
    `UPDATE webhook_deliveries SET next_retry_at = now() WHERE session_id = ANY($1)
       AND status IN ('pending', 'failed') AND next_retry_at > now() + interval '10 seconds'
     RETURNING session_id::text AS id`,
    [ids],
  );
  for (const { id } of waiting) await stack.client.wake(id).catch(() => undefined);
}

async function inboxSize(stack: Stack): Promise<number> {
  const [row] = await stack.rows<{ n: number }>(
    'SELECT count(*)::int AS n FROM settlement.ledger_payments',
  );
  return row?.n ?? 0;
}

/** Everything that came to watched accounts since they are watched, by the ledger's books. */
async function expected(stack: Stack): Promise<Arrival[]> {
  const watched = await stack.rows<{ account: string; from: number }>(
    'SELECT account, from_ledger::int AS from FROM settlement.watched_accounts',
  );
  return arrivals(stack.ledger, new Map(watched.map(({ account, from }) => [account, from])));
}

/** Makes every check; `counted` says how many single facts were looked at. */
export async function check(
  stack: Stack,
  workload: Workload,
): Promise<{ violations: Violation[]; counted: number }> {
  const { sessions } = workload;
  const all = await expected(stack);
  const posts = Map.groupBy(stack.merchant.posts, sessionOf);
  const parts = await Promise.all([
    audited(stack),
    conserved(stack, all),
    edges(stack),
    runs(stack, sessions),
    processes(stack),
    ...sessions.map((session) => outcome(stack, session, all, posts.get(session.id) ?? [])),
  ]);
  const violations = parts.flatMap((part) => part.violations);
  for (const problem of stack.proxy.undisciplined.splice(0)) {
    violations.push({ check: 'isolation', problem });
  }
  for (const problem of workload.complaints) violations.push({ check: 'answers', problem });
  const counted = parts.reduce((sum, part) => sum + part.counted, 0);
  return { violations, counted: counted + workload.counts.asked };
}

type Part = { violations: Violation[]; counted: number };

/** Collects violations of one check. */
function collect(
  counted = 0,
): Part & { must(is: boolean, check: CheckName, problem: string): void } {
  const part: ReturnType<typeof collect> = {
    violations: [],
    counted,
    must: (is, check, problem) => {
      part.counted += 1;
      if (!is) part.violations.push({ check, problem });
    },
  };
  return part;
}

async function audited({ databaseUrl }: Stack): Promise<Part> {
  const { findings, sessions, ledgerPayments, events } = await auditDatabase(databaseUrl);
  const part = collect(sessions + ledgerPayments + events);
  for (const { promise, subject, problem } of findings) {
    part.must(false, 'audit', `${promise} ${subject}: ${problem}`);
  }
  return part;
}

type InboxRow = {
  key: string;
  account: string;
  asset: string;
  amount: string;
  reference: string | null;
  verdict: string | null;
};

async function conserved(stack: Stack, all: readonly Arrival[]): Promise<Part> {
  const part = collect();
  const rows = await stack.rows<InboxRow>(
    `SELECT concat_ws(':', tx_hash, op_index, sub_index) AS key, account, amount::text, reference, verdict,
      CASE WHEN asset_issuer IS NULL THEN 'native' ELSE asset_code || ':' || asset_issuer END AS asset
     FROM settlement.ledger_payments`,
  );
  const stored = new Map(rows.map((row) => [row.key, row]));
  for (const { key, account, asset, amount, reference } of all) {
    const row = stored.get(key);
    const wanted = [account, asset, formatAmount(amount), reference].join(' ');
    const found = row && [row.account, row.asset, row.amount, row.reference].join(' ');
    part.must(found === wanted, 'conservation', `${key}: ${wanted} came, the inbox has ${found}.`);
    part.must(row?.verdict !== null, 'conservation', `${key} has no verdict.`);
    stored.delete(key);
  }
  for (const key of stored.keys()) part.must(false, 'conservation', `${key} never happened.`);
  return part;
}

const ALLOWED = new Set([
  'none pending',
  'pending pending',
  'pending processing',
  'processing pending',
  'processing processing',
  'pending paid',
  'processing paid',
  'pending expired',
  'processing expired',
  'pending cancelled',
  'processing cancelled',
  'paid paid', // sent again by hand
  'cancelled cancelled', // the ending that a backend wrote is proven
  'cancelled paid', // … or is not, since the money had come in time
]);

async function edges(stack: Stack): Promise<Part> {
  const rows = await stack.rows<{ edge: string; id: string }>(
    `SELECT DISTINCT from_status || ' ' || to_status AS edge, session_id::text AS id
     FROM settlement.session_journal`,
  );
  const part = collect();
  for (const { edge, id } of rows) {
    part.must(ALLOWED.has(edge), 'edges', `session ${id} went from ${edge.replace(' ', ' to ')}.`);
  }
  return part;
}

/** Temporal's list of what runs lags behind a little; what it shows wrongly must go. */
async function runs({ temporal }: Stack, sessions: readonly RoundSession[]): Promise<Part> {
  const part = collect(sessions.length);
  const ours = new Set(sessions.map(({ id }) => sessionWorkflowId(id)));
  let open: string[] = [];
  for (const end = Date.now() + 15_000; Date.now() < end; await sleep(200)) {
    open = [];
    const query = `WorkflowType = 'checkoutSession' AND ExecutionStatus = 'Running'`;
    for await (const { workflowId } of temporal.workflow.list({ query })) {
      if (ours.has(workflowId)) open.push(workflowId);
    }
    if (open.length === 0) return part;
  }
  for (const id of open) part.must(false, 'runs', `${id} runs, though its session is at rest.`);
  return part;
}

async function processes(stack: Stack): Promise<Part> {
  const part = collect();
  for (const problem of stack.unasked.splice(0))
    part.must(false, 'process', `Ended unasked: ${problem}`);
  const replay = /nondeterminism|TMPRL1100/i.exec(stack.logged());
  part.must(replay === null, 'process', `A worker's log says ${replay?.[0]}.`);
  const stuck = await stack.rows<{ query: string }>(
    `SELECT query FROM pg_stat_activity WHERE application_name = 'settlement worker'
       AND state LIKE 'idle in transaction%' AND state_change < now() - interval '2 seconds'`,
  );
  part.must(
    stuck.length === 0,
    'process',
    `A connection sits in a transaction: ${stuck[0]?.query}`,
  );
  return part;
}

type SessionRow = {
  status: string;
  expires_at: Date;
  cancel_at: Date | null;
  payments: string[];
  events: { id: string; type: string; body: string }[];
  deliveries: { id: string; event: string; endpoint: string; sequence: number; status: string }[];
  verdicts: { key: string; verdict: string }[];
};

/** One session: its end, its money, and what the receiver heard of it. */
async function outcome(
  stack: Stack,
  session: RoundSession,
  all: readonly Arrival[],
  posts: readonly Post[],
): Promise<Part> {
  const part = collect();
  const { id } = session;
  const who = `session ${id} (${session.kind})`;
  const [row] = await stack.rows<SessionRow>(
    `SELECT status, expires_at, cancel_at,
      (SELECT coalesce(json_agg(amount::text), '[]') FROM payments WHERE session_id = s.id) AS payments,
      (SELECT coalesce(json_agg(json_build_object('id', id, 'type', type, 'body', body)), '[]')
        FROM settlement.events WHERE session_id = s.id) AS events,
      (SELECT coalesce(json_agg(json_build_object('id', delivery_id, 'event', event_id, 'endpoint', endpoint_id,
        'sequence', sequence, 'status', status)), '[]') FROM webhook_deliveries WHERE session_id = s.id) AS deliveries,
      (SELECT coalesce(json_agg(json_build_object('key', concat_ws(':', tx_hash, op_index, sub_index),
        'verdict', verdict)), '[]') FROM settlement.ledger_payments WHERE session_id = s.id) AS verdicts
     FROM checkout_sessions s WHERE id = $1`,
    [id],
  );
  if (row === undefined) {
    part.must(false, 'answers', `${who} was answered as opened, and is not there.`);
    return part;
  }
  const terms = {
    account: session.shop.wallet.address,
    asset: session.asset,
    reference: session.reference,
    price: parseAmount(session.price),
    expiresAt: row.expires_at,
    cancelAt: row.cancel_at,
  };
  const { meanings, status } = ending(terms, all);
  const isPaid = status === 'paid';
  part.must(
    row.status === status,
    'outcome',
    `${who} is ${row.status}; by the books it is ${status}.`,
  );
  const verdicts = new Map(row.verdicts.map(({ key, verdict }) => [key, verdict]));
  let credited = 0n;
  for (const { key, meaning, amount } of meanings) {
    const verdict = verdicts.get(key) ?? 'none';
    const allowed =
      meaning !== 'counts' ? [meaning] : isPaid ? ['credited', 'duplicate'] : ['credited'];
    part.must(
      allowed.includes(verdict),
      'conservation',
      `${who}: ${key} is ${verdict}, by the books ${meaning}.`,
    );
    if (verdict === 'credited') credited += amount;
    verdicts.delete(key);
  }
  part.must(verdicts.size === 0, 'conservation', `${who} has payments that do not name it.`);
  part.must(
    isPaid === credited >= terms.price,
    'outcome',
    `${who} is ${status} with ${formatAmount(credited)} of ${session.price} credited.`,
  );
  const rows = isPaid ? [formatAmount(credited)] : [];
  part.must(
    row.payments.join() === rows.join(),
    'outcome',
    `${who} has payments rows of ${row.payments.join()}; right is ${rows.join()}.`,
  );
  const told = {
    paid: 'payment.confirmed',
    expired: 'session.expired',
    cancelled: 'session.cancelled',
  };
  const endings = row.events.filter(({ type }) => type !== 'payment.exception').map((e) => e.type);
  part.must(
    endings.join() === told[status as keyof typeof told],
    'told',
    `${who} ended as ${status}; its events say ${endings.join() || 'nothing'}.`,
  );
  for (const endpoint of session.shop.endpoints) {
    heard(part, who, { row, endpoint, posts: posts.filter((p) => p.endpoint === endpoint.name) });
  }
  return part;
}

/** What one endpoint got of one session. */
function heard(
  part: ReturnType<typeof collect>,
  who: string,
  { row, endpoint, posts }: { row: SessionRow; endpoint: Endpoint; posts: readonly Post[] },
): void {
  const at = `${who} at ${endpoint.name}`;
  const due = row.events.filter(
    ({ type }) => endpoint.wantsExceptions || type !== 'payment.exception',
  );
  const deliveries = row.deliveries.filter((d) => d.endpoint === endpoint.id);
  const ids = (list: readonly { id: string }[]) =>
    list
      .map(({ id }) => id)
      .sort()
      .join();
  part.must(
    deliveries
      .map((d) => d.event)
      .sort()
      .join() === ids(due),
    'told',
    `${at}: its deliveries are not one for each event.`,
  );
  const taken = new Set(posts.filter(hasTaken).map((p) => p.headers['webhook-id']));
  part.must(
    ids([...taken].map((id = '') => ({ id }))) === ids(due),
    'delivered',
    `${at}: took ${taken.size} events, ${due.length} were due.`,
  );
  for (const { id, status } of deliveries) {
    part.must(status === 'delivered', 'delivered', `${at}: delivery ${id} is ${status}.`);
  }
  const sequences = deliveries.map((d) => d.sequence).sort((a, b) => a - b);
  part.must(
    sequences.every((n, i) => n === i + 1),
    'order',
    `${at}: the sequence has gaps: ${sequences.join()}.`,
  );
  const firstTaken = new Map<string, number>();
  for (const post of posts) {
    const sequence = post.headers['x-orbitstream-sequence'] ?? '';
    if (hasTaken(post) && !firstTaken.has(sequence)) firstTaken.set(sequence, post.at);
  }
  const arrived = [...firstTaken.keys()].map(Number);
  part.must(
    arrived.every((n, i) => n === i + 1),
    'order',
    `${at}: the events came in the order ${arrived.join()}.`,
  );
  const events = new Map(row.events.map((e) => [e.id, e]));
  for (const post of posts) {
    const event = events.get(post.headers['webhook-id'] ?? '');
    part.must(event !== undefined, 'told', `${at}: was sent an event that does not exist.`);
    part.must(event?.body === post.body, 'bytes', `${at}: was sent other bytes than the event's.`);
    part.must(isSigned(post, endpoint.secrets), 'bytes', `${at}: a signature is not valid.`);
  }
}

/** Both families of signatures, as a receiver computes them that knows the old secrets as well. */
function isSigned({ headers, body }: Post, secrets: readonly string[]): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': standard } = headers;
  const content = `${headers['x-orbitstream-delivery-id']}.${headers['x-orbitstream-timestamp']}.${body}`;
  const rights = secrets.map((secret) => {
    const key = Buffer.from(secret, 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64')}`;
  });
  const legacies = secrets.map((secret) => {
    return `sha256=${createHmac('sha256', secret).update(content).digest('hex')}`;
  });
  const given = standard?.split(' ') ?? [];
  return (
    given.length > 0 &&
    given.every((one) => rights.includes(one)) &&
    legacies.includes(headers['x-orbitstream-signature'] ?? '')
  );
}

function sessionOf({ body }: Post): string {
  try {
    return (JSON.parse(body) as { data: { sessionId: string } }).data.sessionId;
  } catch {
    return '';
  }
}
