/** The upgrade from the version that covered accounts by their pages: nothing told changes, nothing unproven ends. */
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { sql } from 'drizzle-orm';
import { schemaProblems } from '../../src/db/check.ts';
import { proven, readOnly } from '../../src/db/coverage.ts';
import { unseenSessions, takeSeen } from '../../src/db/care.ts';
import { migrate } from '../../src/db/migrate.ts';
import { sessionsToClose } from '../../src/db/worklists.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { minute, USDC } from '../domain/build.ts';
import { chain, cover, ledgerAt, stateOf } from './build.ts';
import * as before from './one-fact-before.ts';
import { migrateThrough } from './older-versions.ts';

const NETWORK = 'A network of these tests';

const opened: TestDatabase[] = [];
let database: TestDatabase;
let merchantId: string;
beforeEach(async () => {
  database = await createTestDatabase({ template: null, max: 4 });
  opened.push(database);
  await migrateThrough(database.url, 4, NETWORK);
  merchantId = await insertMerchant(database);
});
afterAll(() => Promise.all(opened.map((each) => each.close())));

const run = () => migrate(database.url, { networkPassphrase: NETWORK });
const watch = (fields: Parameters<typeof before.watch>[1] = {}) => before.watch(database, fields);
const session = (
  account: string,
  reference: string,
  fields: Parameters<typeof before.session>[3] = {},
) => before.session(database, merchantId, { account, reference }, fields);
const judged = (
  account: string,
  reference: string,
  amount: string,
  verdict: Parameters<typeof before.judged>[3],
) => before.judged(database, { account, reference }, amount, verdict);

const openedAfter = async (id: string) => {
  const [row] = await database.rows<{ at: number | null }>(
    'SELECT opened_after::int AS at FROM checkout_sessions WHERE id = $1',
    [id],
  );
  return row?.at;
};
const account = async (name: string) => {
  const [row] = await database.rows(
    `SELECT through_ledger::int AS through, known_record AS known, read_ledgers::text AS read, network_from, read_at
     FROM settlement.watched_accounts WHERE account = $1`,
    [name],
  );
  const { rows } = await database.db.execute<{ proven: string; read: string }>(sql`
    SELECT ${proven(sql`${name}`, sql`'native'`)}::text AS proven, ${readOnly(sql`${name}`)}::text AS read`);
  return { ...row, proven: rows[0]?.proven };
};
const verdictOf = async (txHash: string) => {
  const [row] = await database.rows(
    `SELECT verdict, session_id, placed_after::int,
       EXISTS (SELECT FROM settlement.undecided_payments u WHERE u.tx_hash = lp.tx_hash) AS undecided
     FROM settlement.ledger_payments lp WHERE tx_hash = $1`,
    [txHash],
  );
  return row;
};
const range = (from: number, through: number) => `[${ledgerAt(from) + 1},${ledgerAt(through) + 1})`;

test('what was covered stays read and is not proven; pages go on from the record that they had', async () => {
  await database.rows(
    'INSERT INTO settlement.network_reading (id, through_ledger, through_time) VALUES (1, $1, $2)',
    [ledgerAt(40), minute(40)],
  );
  const [pages, fresh, network] = [
    await watch(),
    await watch({ cursor: (BigInt(ledgerAt(20)) << 32n).toString(), from: 20 }),
    await watch({ network: true }),
  ];
  await database.rows(`INSERT INTO settlement.asset_coverage VALUES ($1, 'native', $2, $3)`, [
    pages,
    ledgerAt(50),
    minute(50),
  ]);
  await run();
  const through = { through: ledgerAt(20), network_from: null, proven: '{}' };
  expect(await account(pages)).toMatchObject({
    ...through,
    known: before.RECORD,
    read: `{${range(0, 20)}}`,
  });
  expect(await account(fresh)).toMatchObject({ ...through, known: null, read: '{}' });
  expect(await account(network)).toMatchObject({
    ...through,
    known: before.RECORD,
    read: `{${range(0, 20)},[${ledgerAt(30)},${ledgerAt(40) + 1})}`,
  });
});

test('openings are dated an hour early, within what was read; what is older is dated by the chain later', async () => {
  const long = await watch({ from: -700 });
  const [young, old] = [
    await session(long, '1', { createdAt: minute(10) }),
    await session(long, '2', { createdAt: minute(-600) }),
  ];
  const short = await watch();
  const [within, older, after] = [
    await session(short, '1', { createdAt: minute(1) }),
    await session(short, '2', { createdAt: minute(-1) }),
    // The watcher was away, and the backend went on.
    await session(short, '3', { createdAt: minute(600) }),
  ];
  await run();
  // 70 minutes before the last ledger read, one ledger a second at most.
  expect(await openedAfter(young)).toBe(ledgerAt(20) - 70 * 60);
  expect(await openedAfter(old)).toBe(ledgerAt(-700));
  expect(await openedAfter(within)).toBe(ledgerAt(0));
  expect(await openedAfter(older)).toBeNull();
  expect(await openedAfter(after)).toBe(ledgerAt(20));
  // Each is followed by the watcher's first turn.
  const ids = [young, old, within, older, after];
  const unseen = await unseenSessions(database.db, '00000000-0000-0000-0000-000000000000');
  expect(unseen.map(({ id }) => id)).toEqual(ids.toSorted());
  const live = await database.rows(
    'SELECT FROM settlement.active_sessions WHERE live_session IS DISTINCT FROM session_id',
  );
  expect(live).toEqual([]);
});

test('a duplicate that lies before the payment sorts behind it, so every stored verdict is still right', async () => {
  const name = await watch();
  const id = await session(name, '1', { status: 'paid' });
  // A report overtook the reader.
  const earlier = await judged(name, '1', '10', { at: 3, verdict: 'duplicate', id });
  const paid = await judged(name, '1', '10', { at: 4, verdict: 'credited', id });
  const later = await judged(name, '1', '10', { at: 5, verdict: 'duplicate', id });
  const [payment] = await database.rows<{ id: string }>(
    `INSERT INTO payments (session_id, merchant_id, tx_hash, amount, asset_code, asset_issuer, sender_address, confirmed_at, settled_at)
     VALUES ($1, $2, $3, 10, 'USDC', $4, 'G', $5, now()) RETURNING id`,
    [id, merchantId, paid, USDC.issuer, minute(4)],
  );
  await database.rows('UPDATE checkout_sessions SET payment_id = $2 WHERE id = $1', [
    id,
    payment?.id,
  ]);
  await run();
  const of = { session_id: id, undecided: false };
  expect(await verdictOf(earlier)).toEqual({
    ...of,
    verdict: 'duplicate',
    placed_after: ledgerAt(4),
  });
  expect(await verdictOf(paid)).toEqual({ ...of, verdict: 'credited', placed_after: null });
  expect(await verdictOf(later)).toEqual({ ...of, verdict: 'duplicate', placed_after: null });
  const { value } = await settleTogether(database.pool, [id]);
  expect(
    value.get(id)?.verdicts.map(({ txHash, verdict, isNew }) => [txHash, verdict, isNew]),
  ).toEqual([
    [paid, 'credited', false],
    [earlier, 'duplicate', false],
    [later, 'duplicate', false],
  ]);
  expect((await stateOf(database, id)).payments).toEqual([{ txHash: paid, amount: '10.0000000' }]);
});

test('parts of open sessions that were credited ahead of the reading are judged again, in their order', async () => {
  const name = await watch();
  const [open, ended] = [
    await session(name, '1'),
    await session(name, '2', { status: 'expired', closed: ledgerAt(19), expiresAt: minute(18) }),
  ];
  const read = await judged(name, '1', '4', { at: 10, verdict: 'credited', id: open });
  const ahead = await judged(name, '1', '5', { at: 25, verdict: 'credited', id: open });
  const waits = await judged(name, '1', '1', { at: 26, verdict: null, id: open });
  const late = await judged(name, '2', '10', { at: 25, verdict: 'late', id: ended });
  await run();
  expect(await verdictOf(read)).toMatchObject({ verdict: 'credited', undecided: false });
  expect(await verdictOf(ahead)).toMatchObject({
    verdict: null,
    session_id: null,
    undecided: true,
  });
  expect(await verdictOf(waits)).toMatchObject({ verdict: null, undecided: true });
  expect(await verdictOf(late)).toMatchObject({ verdict: 'late', undecided: false });
  await settleTogether(database.pool, [open, ended]);
  expect(await stateOf(database, open)).toMatchObject({
    status: 'pending',
    verdicts: ['credited', 'undecided', 'undecided'],
  });
  expect((await stateOf(database, ended)).status).toBe('expired');
  await cover(database, name, 0, 30);
  await settleTogether(database.pool, [open]);
  expect(await stateOf(database, open)).toMatchObject({
    status: 'paid',
    verdicts: ['credited', 'credited', 'credited'],
    events: ['payment.confirmed'],
  });
});

test('a session whose deadline only pages had covered ends when that is proven', async () => {
  const name = await watch();
  const id = await session(name, '1', { expiresAt: minute(15) });
  await run();
  await chain(database, 20);
  await takeSeen(database.db, [id]);
  expect(await sessionsToClose(database.db)).toEqual([]);
  await settleTogether(database.pool, [id]);
  expect((await stateOf(database, id)).status).toBe('pending');
  await cover(database, name, -1, 15);
  expect(await sessionsToClose(database.db)).toEqual([id]);
  await settleTogether(database.pool, [id]);
  expect(await stateOf(database, id)).toMatchObject({
    status: 'expired',
    closed_through_ledger: String(ledgerAt(15) + 1),
  });
});

test('runs once: the next run changes nothing, and the database fits this version', async () => {
  const name = await watch();
  const id = await session(name, '1');
  await judged(name, '1', '5', { at: 25, verdict: 'credited', id });
  await database.rows('CREATE INDEX checkout_sessions_wrong ON checkout_sessions (id)');
  const rows = async () =>
    Promise.all(
      [
        'checkout_sessions',
        'settlement.watched_accounts',
        'settlement.ledger_payments',
        'settlement.network',
      ].map((table) => database.rows(`SELECT to_jsonb(t) AS row FROM ${table} t ORDER BY 1`)),
    );
  await run();
  expect(await schemaProblems(database.db, NETWORK)).toEqual([]);
  const migrated = await rows();
  await run();
  expect(await rows()).toEqual(migrated);
  expect(
    await database.rows(`SELECT to_regclass('public.checkout_sessions_wrong') AS old,
      to_regclass('settlement.asset_coverage') AS coverage`),
  ).toEqual([{ old: null, coverage: null }]);
});
