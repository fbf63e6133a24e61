/** What must have come of one session: by the ledger's books, and by what reached the receiver. */
import { createHmac } from 'node:crypto';
import { formatAmount, parseAmount } from '../../src/domain/money.ts';
import { ending, type Arrival } from '../../test/pipeline/model.ts';
import type { Endpoint } from './cast.ts';
import { hasTaken, type Post } from './merchant.ts';
import type { Stack } from './stack.ts';
import { collect, type Part } from './violation.ts';
import type { RoundSession } from './workload.ts';

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
export async function outcome(
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
