/**
 * Two reconcilers, the sessions' own settles and a backend of the old kind, all at the same broken sessions at the same
 * moment, on a real PostgreSQL: each thing is done once, and the ledger decides.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { errorCode } from '../../src/db/sqlstate.ts';
import { startReconciling, type Another, type Inserted, type Reconciling } from './reconciling.ts';

/** How a session was left behind. */
type Kind = {
  readonly status: string;
  /** What comes on the ledger, in time, each in a transaction of its own. */
  readonly paid?: readonly string[];
  /** It has its row in `payments`. */
  readonly row?: boolean;
  /** Open deliveries of payment.confirmed. */
  readonly deliveries?: number;
  /** Its deadline is hours away. */
  readonly young?: boolean;
};

const KINDS: readonly Kind[] = [
  { status: 'processing', paid: ['10'] },
  { status: 'processing', young: true },
  { status: 'processing', young: true, paid: ['10'] },
  { status: 'paid', paid: ['10'] },
  { status: 'paid', paid: ['10'], row: true, deliveries: 2 },
  { status: 'pending', paid: ['10'], row: true },
  { status: 'pending', paid: ['4', '6'] },
  { status: 'pending' },
  { status: 'expired', paid: ['10'], row: true, deliveries: 1 },
  { status: 'expired', paid: ['10'] },
  { status: 'expired' },
  { status: 'cancelled', paid: ['10'] },
  { status: 'cancelled' },
];
/** Sessions of each kind in a race. */
const EACH = 4;
const RACES = 12;

type Session = Inserted & { readonly kind: Kind; readonly hashes: readonly string[] };

let it: Reconciling;
let others: readonly [Another, Another, Another];
beforeEach(async () => {
  it = await startReconciling();
  others = [it.another(), it.another(), it.another()];
});
afterEach(async () => {
  for (const other of others) await other.close();
  await it.close();
});

/** Transactions that had met another one and were run again: without any, nothing was raced. */
let met = 0;
afterAll(() => expect(met).toBeGreaterThan(RACES));

async function leaveBehind(): Promise<Session[]> {
  const sessions: Session[] = [];
  // The older ones first: the ledger's clock does not go back.
  for (const kind of [...KINDS].sort(
    (a, b) => Number(a.young ?? false) - Number(b.young ?? false),
  )) {
    for (let i = 0; i < EACH; i += 1) {
      const { status, young = false } = kind;
      const inserted = await it.insert(
        young ? { status, openedMinutesAgo: 20, minutes: 300 } : { status },
      );
      const hashes: string[] = [];
      for (const amount of kind.paid ?? []) hashes.push(await it.pay(inserted, amount));
      sessions.push({ ...inserted, kind, hashes });
    }
  }
  it.pass(Math.ceil(Date.now() / 1000 - it.ledger.chain.history.latest().closedAt));
  for (const session of sessions) {
    if (session.kind.row) await insertRow(session);
    for (let n = 0; n < (session.kind.deliveries ?? 0); n += 1) await insertDelivery(session);
  }
  return sessions;
}

const write = (status: string, { id }: Session) =>
  it.database.rows(`UPDATE checkout_sessions SET status = $2::session_status WHERE id = $1`, [
    id,
    status,
  ]);

const insertRow = ({ id, hashes }: Session) =>
  it.database.rows(
    `INSERT INTO payments (session_id, merchant_id, tx_hash, amount, asset_code, sender_address, confirmed_at)
     SELECT id, merchant_id, $2, 10, 'XLM', $3, now() - interval '50 minutes' FROM checkout_sessions WHERE id = $1`,
    [id, hashes.at(-1), it.customer.address],
  );

const insertDelivery = ({ id }: Session) =>
  it.database.rows(
    `INSERT INTO webhook_deliveries (merchant_id, session_id, event, payload, delivery_id, sequence)
     SELECT merchant_id, id, 'payment.confirmed', '{}', $2, 1 FROM checkout_sessions WHERE id = $1`,
    [id, randomUUID()],
  );

/** unique_violation and deadlock_detected. */
const REFUSALS = ['23505', '40P01'];

/** The parts of the backend that should be off: its detector, its expiring and its cancelling, none of them asking first. */
async function backend(sessions: readonly Session[]): Promise<void> {
  for (const session of shuffled(sessions)) {
    const { kind } = session;
    await sleep(Math.random() * 8);
    if (kind.young && !kind.paid) await write('processing', session);
    else if (kind.paid?.length !== 1 || Math.random() < 0.5)
      await write(kind.status === 'cancelled' ? 'cancelled' : 'expired', session);
    else {
      await write('processing', session);
      try {
        await insertRow(session);
        await write('paid', session);
        await insertDelivery(session);
      } catch (error) {
        // A second payment is refused, and of two that wait for each other one is; that backend then leaves the session
        // as it is, ours tries again.
        if (!REFUSALS.includes(errorCode(error) ?? '')) throw error;
      }
    }
  }
}

const shuffled = <T>(items: readonly T[]): T[] =>
  items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);

type State = {
  id: string;
  status: string;
  rows: number;
  hash: string | null;
  named: boolean;
  events: string[] | null;
  sent: number;
  changes: number;
};

async function statesOf(): Promise<Map<string, State>> {
  const rows = await it.database.rows<State>(`SELECT s.id, s.status,
      count(p.id)::int AS rows, max(p.tx_hash) AS hash, coalesce(bool_and(p.id = s.payment_id), false) AS named,
      (SELECT array_agg(e.type ORDER BY e.type) FROM settlement.events e WHERE e.session_id = s.id) AS events,
      (SELECT count(*)::int FROM webhook_deliveries d
        WHERE d.session_id = s.id AND d.event = 'payment.confirmed' AND d.status <> 'dead') AS sent,
      (SELECT count(*)::int FROM settlement.session_journal j
        WHERE j.session_id = s.id AND j.from_status <> j.to_status) AS changes
    FROM checkout_sessions s LEFT JOIN payments p ON p.session_id = s.id AND p.superseded_by IS NULL GROUP BY s.id`);
  return new Map(rows.map((row) => [row.id, row]));
}

/** What the ledger makes of a session; null where that backend had a hand in it. */
function shouldBe({ kind, hashes }: Session, raced: boolean): Partial<State> {
  // A cancellation counts from the ledger on by which it is seen: here that is after the deadline.
  const ending = 'expired';
  if (kind.paid) {
    const by = raced ? {} : { changes: kind.status === 'paid' ? 0 : 1 };
    const told = { events: ['payment.confirmed'], sent: 1 };
    return { status: 'paid', rows: 1, hash: hashes.at(-1) ?? null, named: true, ...told, ...by };
  }
  const none = { rows: 0, hash: null, named: false, sent: 0 };
  if (kind.young)
    return { ...none, status: 'pending', events: null, ...(raced ? {} : { changes: 1 }) };
  if (raced) return none;
  const changes = kind.status === ending ? 0 : 1;
  return { ...none, status: ending, events: [`session.${ending}`], changes };
}

test.each(Array.from({ length: RACES }, (_, n) => ({ n, raced: n % 2 === 1 })))(
  'race $n of two reconcilers and the sessions themselves (a backend beside them: $raced)',
  async ({ raced }) => {
    const [one, two, own] = others;
    const sessions = await leaveBehind();
    await it.database.rows('UPDATE settlement.network SET adopted_at = now()');
    const settleAll = async () => {
      for (const { id } of shuffled(sessions)) await own.queue.settle(id);
    };
    const work = [one.reconcile(), two.reconcile(), settleAll(), settleAll()];
    if (raced) work.push(backend(sessions), one.reconcile(), two.reconcile(), settleAll());
    await Promise.all(work as Promise<unknown>[]);
    // A `processing` that settle has seen first is timed from there.
    await it.database.rows(
      `UPDATE checkout_sessions SET processing_since = now() - interval '6 minutes' WHERE status = 'processing'`,
    );
    for (let run = 0; ; run += 1) {
      await it.catchUp();
      const active = await it.database.rows<{ id: string }>(
        'SELECT session_id AS id FROM settlement.active_sessions',
      );
      for (const { id } of active) it.running.add(id);
      const { event_overdue: _, ...found } = await it.reconcile();
      if (Object.keys(found).length === 0) break;
      expect(run).toBeLessThan(5);
    }
    const states = await statesOf();
    const wrong = sessions.flatMap((session) => {
      const [is, should] = [states.get(session.id), shouldBe(session, raced)];
      const differs = Object.entries(should).some(
        ([key, value]) => JSON.stringify(is?.[key as keyof State]) !== JSON.stringify(value),
      );
      return differs ? [{ kind: session.kind, is, should }] : [];
    });
    expect(wrong).toEqual([]);
    for (const { id, kind } of sessions.filter((s) => !s.kind.paid && !s.kind.young)) {
      const { status, events } = states.get(id) as State;
      expect({ kind, events }).toEqual({ kind, events: [`session.${status}`] });
    }
    const attention = await it.database.rows<{ kind: string }>(
      'SELECT DISTINCT kind FROM settlement.attention',
    );
    const foreign = ['foreign_payment', 'foreign_delivery'];
    expect(attention.filter(({ kind }) => !raced || !foreign.includes(kind))).toEqual([]);
    expect(await it.audited()).toEqual([]);
    met += others.reduce((sum, other) => sum + other.retries(), 0);
  },
);
