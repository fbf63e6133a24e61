/**
 * Random ledgers, thrown at everything between them and the merchant's events: signed transactions of every kind, read
 * over HTTP from nodes that misbehave, by processes that die, and settled in PostgreSQL. Whatever happened, the rows
 * say what the ledger's own books say.
 */
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { auditDatabase } from '../../src/db/audit.ts';
import { formatAmount, parseAmount } from '../../src/domain/money.ts';
import { arrivals, ending, type Arrival, type Terms } from './model.ts';
import { SESSIONS, STEP, take, type Scene, type Step } from './steps.ts';
import { newWorld, type World } from './world.ts';
import { heldPayments } from '../support/held.ts';

const WORLDS = 40;
const MOST_TURNS = 40;
const CLOSED = ['paid', 'expired', 'cancelled'];

async function newScene(world: World, seconds: number): Promise<Scene> {
  const { first, second, later } = world.shops;
  const open = (account: string, asset: string, price: string) =>
    world.open({ account, asset, price, seconds });
  const scene: Scene = {
    world,
    sessions: [
      await open(first.address, 'native', '10'),
      await open(first.address, world.usdc, '10'),
      await open(later.address, 'native', '10'),
    ],
    watchers: [world.watcher(), world.watcher()],
    openLast: async () => {
      if (scene.sessions.length < SESSIONS) {
        scene.sessions.push(await open(second.address, world.usdc, '4'));
      }
    },
  };
  return scene;
}

/** Ledgers close past every deadline, Horizon is well again, and turns are taken until there is nothing to do. */
async function finish({ world, watchers }: Scene, behind: number): Promise<void> {
  world.ledger.faults.clear();
  for (const seconds of [400, 5, 5]) world.close(seconds);
  // The first look past the deadlines is at nodes of which one still lacks the last payments: nothing may end by that.
  world.ledger.faults.set({ kind: 'lag', ledgers: behind, path: 'payments' });
  await watchers[0].turn({ thorough: true });
  world.ledger.faults.clear();
  for (let turn = 0; turn < MOST_TURNS; turn += 1) {
    expect(await watchers[turn % 2]?.turn()).toBeNull();
    const open = await world.database.rows(
      `SELECT id FROM checkout_sessions WHERE status IN ('pending', 'processing')`,
    );
    if (open.length === 0) break;
  }
  // What is left to read and to judge of accounts without open sessions.
  for (const watcher of watchers) expect(await watcher.turn({ thorough: true })).toBeNull();
}

type Row = {
  key: string;
  account: string;
  asset: string;
  amount: string;
  reference: string | null;
  verdict: string;
  session_id: string | null;
};

/** What an arrival and its row have in common: all but what it means. */
const fact = ({ key, account, asset, amount, reference }: Arrival | Row) => ({
  key,
  account,
  asset,
  reference,
  amount: typeof amount === 'bigint' ? formatAmount(amount) : amount,
});

async function compare({ world, sessions }: Scene): Promise<Set<string>> {
  const { database } = world;
  const rows = await database.rows<Row>(
    `SELECT concat_ws(':', tx_hash, op_index, sub_index) AS key, account, amount::text, reference, verdict, session_id,
      CASE WHEN asset_issuer IS NULL THEN 'native' ELSE asset_code || ':' || asset_issuer END AS asset
     FROM settlement.ledger_payments ORDER BY operation_id, sub_index`,
  );
  const watched = await database.rows<{ account: string; from: number }>(
    `SELECT w.account, (SELECT min(s.opened_after)::int FROM checkout_sessions s
      WHERE s.receiving_account = w.account) AS from FROM settlement.watched_accounts w`,
  );
  const since = new Map(watched.map(({ account, from }) => [account, from]));
  expect([...since.keys()].sort()).toEqual([...new Set(sessions.map((s) => s.account))].sort());
  const expected = arrivals(world.ledger, since);

  // P1: every arrival is one row, and every row has one meaning.
  expect(rows.map(fact)).toEqual(expected.map(fact));
  const verdicts = new Map(rows.map((row) => [row.key, row]));
  const named = new Set<string>();

  const sums = new Map<string, bigint>();
  const add = (asset: string, amount: bigint) => sums.set(asset, (sums.get(asset) ?? 0n) + amount);
  for (const { asset, amount } of expected) add(asset, amount);
  const seen = new Set<string>(rows.map(({ verdict }) => verdict));
  for (const session of sessions) {
    const terms = await termsOf(world, session.id);
    const { meanings, status } = ending({ ...session, ...terms }, expected);
    const [
      { stored, events, credited, paid } = { stored: '', events: [], credited: '', paid: [] },
    ] = await database.rows<{ stored: string; events: string[]; credited: string; paid: string[] }>(
      `SELECT s.status AS stored,
          (SELECT coalesce(json_agg(e.type), '[]') FROM settlement.events e
            WHERE e.session_id = s.id AND e.type <> 'payment.exception') AS events,
          (SELECT coalesce(sum(lp.amount), 0)::text FROM settlement.ledger_payments lp
            WHERE lp.session_id = s.id AND lp.verdict = 'credited') AS credited,
          (SELECT coalesce(json_agg(p.amount::text), '[]') FROM payments p WHERE p.session_id = s.id) AS paid
         FROM checkout_sessions s WHERE s.id = $1`,
      [session.id],
    );
    seen.add(status);

    // P4, P2: the ending is the one that the ledger proves, and whoever is paid is paid once.
    expect(stored).toBe(status);
    const isPaid = status === 'paid';
    expect(paid).toEqual(isPaid ? [credited] : []);
    expect(parseAmount(credited) >= terms.price).toBe(isPaid);
    const told = {
      paid: 'payment.confirmed',
      expired: 'session.expired',
      cancelled: 'session.cancelled',
    };
    expect(events).toEqual([told[status as keyof typeof told]]);
    for (const { key, meaning } of meanings) {
      const allowed =
        meaning !== 'counts' ? [meaning] : isPaid ? ['credited', 'duplicate'] : ['credited'];
      expect(allowed).toContain(verdicts.get(key)?.verdict);
      expect(verdicts.get(key)?.session_id).toBe(session.id);
      named.add(key);
    }
    if (isPaid) add(session.asset, -terms.price);
  }
  for (const { key, verdict } of rows) if (!named.has(key)) expect(verdict).toBe('unmatched');

  // What came is part of a price, or is held: no stroop more, none less.
  for (const { asset, amount } of await heldPayments(database.db)) add(asset, -parseAmount(amount));
  expect([...sums.values()].filter((sum) => sum !== 0n)).toEqual([]);
  expect((await auditDatabase(database.url)).findings).toEqual([]);
  return seen;
}

async function termsOf({ database }: World, id: string) {
  const [row] = await database.rows<{ amount: string; expires_at: Date; cancel_at: Date | null }>(
    'SELECT amount::text, expires_at, cancel_at FROM checkout_sessions WHERE id = $1',
    [id],
  );
  if (!row) throw new Error(`There is no session ${id}.`);
  const { amount, expires_at: expiresAt, cancel_at: cancelAt } = row;
  return { price: parseAmount(amount), expiresAt, cancelAt } satisfies Partial<Terms>;
}

/** Endings, as whoever looks at the database in between sees them. */
async function endings({ world }: Scene): Promise<Map<string, string>> {
  const rows = await world.database.rows<{ id: string; status: string }>(
    'SELECT id, status FROM checkout_sessions WHERE status = ANY($1)',
    [CLOSED],
  );
  return new Map(rows.map(({ id, status }) => [id, status]));
}

test(`${WORLDS} random ledgers: every payment once, every ending proven, every stroop accounted for`, async () => {
  const seen = new Set<string>();
  const property = fc.asyncProperty(
    fc.array(STEP, { minLength: 15, maxLength: 45, size: 'max' }),
    fc.constantFrom(30, 90, 200),
    fc.integer({ min: 3, max: 12 }),
    async (steps: Step[], seconds, behind) => {
      const world = await newWorld();
      try {
        const scene = await newScene(world, seconds);
        const told = new Map<string, string>();
        for (const step of steps) {
          await take(scene, step);
          for (const [id, status] of await endings(scene)) told.set(id, told.get(id) ?? status);
        }
        await scene.openLast();
        await finish(scene, behind);
        for (const verdict of await compare(scene)) seen.add(verdict);
        // Nobody was told an ending that did not stay.
        const final = await endings(scene);
        for (const [id, status] of told) expect(final.get(id)).toBe(status);
      } finally {
        await world.end();
      }
    },
  );
  await fc.assert(property, { numRuns: WORLDS, endOnFailure: false });
  // The worlds were rich enough to say something.
  const wanted = [...CLOSED, 'credited', 'duplicate', 'late', 'unmatched', 'wrong_asset'];
  expect([...seen]).toEqual(expect.arrayContaining(wanted));
}, 300_000);
