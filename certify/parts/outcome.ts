/** What must have come of one session: what was seen of it against the books, and what its merchant heard. */
import { createHmac } from 'node:crypto';
import { DEFAULT_TYPES, type Told } from '../books/told.ts';
import { explain, type Seen } from '../books/compare.ts';
import type { World } from '../books/expect.ts';
import type { Books } from '../books/ledger.ts';
import type { Endpoint } from './cast.ts';
import { hasTaken, type Post } from './merchant.ts';
import type { Stack } from './stack.ts';
import { collect, type Part } from './violation.ts';
import type { RoundSession } from './workload.ts';

type SessionRow = {
  status: string;
  through: string | null;
  payments: Seen['paymentRows'];
  events: Seen['events'];
  deliveries: { id: string; event: string; endpoint: string; sequence: number; status: string }[];
  verdicts: { key: string; verdict: string | null }[];
};

/** What the sessions are judged by. */
export type Judged = {
  readonly books: Books;
  readonly world: World;
  /** What is listed as held, by session; null: not looked at. */
  readonly held: ReadonlyMap<string, readonly string[]> | null;
};

/** One session: its end, its money, and what the receiver heard of it. */
export async function outcome(
  stack: Stack,
  session: RoundSession,
  { books, world, held }: Judged,
  posts: readonly Post[],
): Promise<Part> {
  const part = collect();
  const { id } = session;
  const who = `session ${id} (${session.kind})`;
  const entry = stack.diary.entry(id);
  const row = await rowOf(stack, id);
  if (row === undefined || entry === undefined) {
    part.must(false, 'answers', `${who} was answered as opened, and is not there.`);
    return part;
  }
  const seen: Seen = {
    status: row.status,
    closedThroughLedger: row.through === null ? null : Number(row.through),
    paymentRows: row.payments,
    events: row.events,
    verdicts: new Map(row.verdicts.map(({ key, verdict }) => [key, verdict])),
    held: held === null ? null : (held.get(id) ?? []),
    answers: entry.answers,
    overBy: entry.over?.by ?? null,
  };
  const { outcome, differences } = explain(entry.asked, books, world, seen);
  part.counted += 5 + outcome.meant.length + outcome.told.length + seen.answers.length;
  for (const { check, problem } of differences) part.must(false, check, `${who} ${problem}.`);
  const told = outcome.told.filter(({ id, isOptional }) => {
    return !isOptional || row.events.some((event) => event.id === id);
  });
  for (const endpoint of session.shop.endpoints) {
    const own = posts.filter((p) => p.endpoint === endpoint.name);
    heard(part, who, { row, told, endpoint, posts: own });
  }
  return part;
}

/** What the product's tables say of a session. */
async function rowOf(stack: Stack, id: string): Promise<SessionRow | undefined> {
  const [row] = await stack.rows<SessionRow>(
    `SELECT status, closed_through_ledger::text AS through,
      (SELECT coalesce(json_agg(json_build_object('amount', amount::text, 'txHash', tx_hash)), '[]')
        FROM payments WHERE session_id = s.id) AS payments,
      (SELECT coalesce(json_agg(json_build_object('id', id, 'type', type, 'body', body)), '[]')
        FROM settlement.events WHERE session_id = s.id) AS events,
      (SELECT coalesce(json_agg(json_build_object('id', delivery_id, 'event', event_id, 'endpoint', endpoint_id,
        'sequence', sequence, 'status', status)), '[]') FROM webhook_deliveries WHERE session_id = s.id) AS deliveries,
      (SELECT coalesce(json_agg(json_build_object('key', concat_ws(':', tx_hash, op_index, sub_index),
        'verdict', verdict)), '[]') FROM settlement.ledger_payments WHERE session_id = s.id) AS verdicts
     FROM checkout_sessions s WHERE id = $1`,
    [id],
  );
  return row;
}

type Heard = {
  row: SessionRow;
  told: readonly Told[];
  endpoint: Endpoint;
  posts: readonly Post[];
};

/** What one endpoint got of one session: what it took against what the books tell it, and how that is kept. */
function heard(
  part: ReturnType<typeof collect>,
  who: string,
  { row, told, endpoint, posts }: Heard,
): void {
  const at = `${who} at ${endpoint.name}`;
  const due = told.filter(({ type }) => endpoint.wantsExceptions || DEFAULT_TYPES.includes(type));
  const deliveries = row.deliveries.filter((d) => d.endpoint === endpoint.id);
  const inText = (ids: Iterable<string>) => [...ids].sort().join();
  const ids = inText(due.map(({ id }) => id));
  part.must(
    inText(deliveries.map(({ event }) => event)) === ids,
    'told',
    `${at}: its deliveries are not one for each event.`,
  );
  const firstTaken = new Map<string, Post>();
  for (const post of posts.filter(hasTaken)) {
    const id = post.headers['webhook-id'] ?? '';
    if (!firstTaken.has(id)) firstTaken.set(id, post);
  }
  part.must(
    inText(firstTaken.keys()) === ids,
    'delivered',
    `${at}: took ${firstTaken.size} events, ${due.length} were due.`,
  );
  for (const { id, status } of deliveries) {
    part.must(status === 'delivered', 'delivered', `${at}: delivery ${id} is ${status}.`);
  }
  const arrived = [...firstTaken.values()].map((post) =>
    Number(post.headers['x-orbitstream-sequence']),
  );
  part.must(
    arrived.every((n, i) => n === i + 1),
    'order',
    `${at}: the events came as numbers ${arrived.join()}.`,
  );
  const order = [...firstTaken.keys()];
  for (const { id, after, body } of due) {
    const isBehind = after === null || order.indexOf(after) < order.indexOf(id);
    part.must(isBehind, 'order', `${at}: was told ${body} before what it follows from.`);
  }
  const right = new Map(due.map((event) => [event.id, event]));
  const deliveryOf = new Map(deliveries.map(({ id, event }) => [event, id]));
  for (const post of posts) {
    const id = post.headers['webhook-id'] ?? '';
    const event = right.get(id);
    part.must(event !== undefined, 'told', `${at}: was sent what is not so: ${post.body}`);
    part.must(
      event?.body === post.body,
      'bytes',
      `${at}: was sent ${post.body}; by the books it is ${event?.body}.`,
    );
    const named = post.headers['x-orbitstream-delivery-id'];
    part.must(named === deliveryOf.get(id), 'bytes', `${at}: a delivery changed its id.`);
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
