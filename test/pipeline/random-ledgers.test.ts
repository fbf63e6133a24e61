/**
 * Random ledgers, thrown at everything between them and the merchant's events: signed transactions of every kind, read
 * over HTTP from nodes that misbehave, by processes that die, and settled in PostgreSQL. Whatever happened, the rows
 * say what the ledger's own books say.
 */
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { explain } from '../../certify/books/compare.ts';
import { assetName, readBooks, type Movement } from '../../certify/books/ledger.ts';
import { decimalOf } from '../../certify/books/money.ts';
import { auditDatabase } from '../../src/db/audit.ts';
import { heldPayments } from '../../src/db/payments.ts';
import { SESSIONS, STEP, take, type Scene, type Step } from './steps.ts';
import { newWorld, type World } from './world.ts';

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

/** What a movement and its row have in common: all but what it means. */
const ofRow = ({ key, account, asset, amount, reference }: Row) =>
  [key, account, asset, amount, reference].join(' ');
const ofMovement = ({ key, account, asset, amount, reference }: Movement) =>
  [key, account, assetName(asset), decimalOf(amount), reference].join(' ');

type Session = {
  status: string;
  through: number | null;
  events: { id: string; type: string; body: string }[];
  paid: { amount: string; txHash: string }[];
};

async function compare({ world, sessions }: Scene): Promise<Set<string>> {
  const { database, diary } = world;
  const rows = await database.rows<Row>(
    `SELECT concat_ws(':', tx_hash, op_index, sub_index) AS key, account, amount::text, reference, verdict, session_id,
      CASE WHEN asset_issuer IS NULL THEN 'native' ELSE asset_code || ':' || asset_issuer END AS asset
     FROM settlement.ledger_payments ORDER BY operation_id, sub_index`,
  );
  const books = readBooks(world.ledger.chain);
  const watched = diary.watchedAfter();

  // P1: every movement since the opening is one row, every row is a movement, and has one meaning.
  const stored = rows.map(ofRow);
  const due = books.movements.filter(
    ({ account, ledger }) => ledger > (watched.get(account) ?? Infinity),
  );
  expect(stored).toEqual(expect.arrayContaining(due.map(ofMovement)));
  expect(books.movements.map(ofMovement)).toEqual(expect.arrayContaining(stored));
  expect(new Set(stored).size).toBe(stored.length);

  const held = Map.groupBy(await heldPayments(database.db), ({ sessionId }) => sessionId);
  const seen = new Set<string>(rows.map(({ verdict }) => verdict));
  const named = new Set<string>();
  for (const { id } of sessions) {
    const entry = diary.entry(id);
    const [row] = await database.rows<Session>(
      `SELECT s.status, s.closed_through_ledger::int AS through,
          (SELECT coalesce(json_agg(json_build_object('id', e.id, 'type', e.type, 'body', e.body)), '[]')
            FROM settlement.events e WHERE e.session_id = s.id) AS events,
          (SELECT coalesce(json_agg(json_build_object('amount', p.amount::text, 'txHash', p.tx_hash)), '[]')
            FROM payments p WHERE p.session_id = s.id) AS paid
         FROM checkout_sessions s WHERE s.id = $1`,
      [id],
    );
    if (entry === undefined || row === undefined) throw new Error(`There is no session ${id}.`);
    const own = rows.filter(({ session_id }) => session_id === id);
    const { outcome, differences } = explain(entry.asked, books, diary.world(), {
      status: row.status,
      closedThroughLedger: row.through,
      paymentRows: row.paid,
      events: row.events,
      verdicts: new Map(own.map(({ key, verdict }) => [key, verdict])),
      held: (held.get(id) ?? []).map((h) => `${h.payment} ${h.reason} ${h.amount}`),
      answers: [],
      overBy: entry.over?.by ?? null,
    });
    // P2, P3, P4: the ending is the one that the ledger proves, each verdict its own, each event in its exact bytes.
    expect(differences).toEqual([]);
    seen.add(outcome.status);
    for (const { key } of own) named.add(key);
  }
  // What came is part of a price, or is held: the rest names nobody.
  const rest = rows.filter(({ key }) => !named.has(key));
  for (const { verdict } of rest) expect(verdict).toBe('unmatched');
  expect((held.get(null) ?? []).map(({ payment }) => payment).sort()).toEqual(
    rest.map(({ key }) => key).sort(),
  );
  expect((await auditDatabase(database.url)).findings).toEqual([]);
  return seen;
}

/** Endings, as whoever looks at the database in between sees them. */
async function endings({ world }: Scene): Promise<Map<string, string>> {
  const rows = await world.database.rows<{ id: string; status: string }>(
    'SELECT id, status FROM checkout_sessions WHERE status = ANY($1)',
    [CLOSED],
  );
  for (const { id, status } of rows) {
    const entry = world.diary.entry(id);
    if (entry) entry.over ??= { status, by: world.diary.head() };
  }
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
