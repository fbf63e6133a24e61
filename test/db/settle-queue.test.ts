import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  jest,
  test,
} from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { connect as dial, createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { connect, type Database } from '../../src/db/connection.ts';
import { MAX_TRIES } from '../../src/db/serializable.ts';
import { errorCode } from '../../src/db/sqlstate.ts';
import { createSettleQueue, MAX_TOGETHER, type SettleCost } from '../../src/db/settle-queue.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { insertSession, newAccount, receive, type StoredSession } from './build.ts';
import { blocked } from './elsewhere.ts';

let database: TestDatabase;
let merchantId: string;
beforeAll(async () => {
  database = await createTestDatabase();
  merchantId = await insertMerchant(database);
});
afterAll(() => database.close());

/** Sessions of one account that are paid in the inbox. */
async function paidSessions(count: number): Promise<StoredSession[]> {
  const account = newAccount();
  return Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const session = await insertSession(database, { account, merchantId, reference: `${i}` });
      await receive(database, session, '10');
      return session;
    }),
  );
}

const ids = (sessions: readonly StoredSession[]) => sessions.map(({ id }) => id);

describe('the settle queue', () => {
  test('puts 200 sessions into a commit, has one commit in flight, and retries nothing', async () => {
    const sessions = await paidSessions(2 * MAX_TOGETHER + 50);
    const own = connect(database.url, { max: 8 });
    const costs: SettleCost[] = [];
    let inFlight = 0;
    let most = 0;
    own.pool.on('acquire', () => (most = Math.max(most, (inFlight += 1))));
    own.pool.on('release', () => (inFlight -= 1));
    const queue = createSettleQueue(own, (cost) => costs.push(cost));
    const settled = await queue.settleAll(ids(sessions));
    expect(costs.map(({ sessions, retries }) => [sessions, retries])).toEqual([
      [200, 0],
      [200, 0],
      [50, 0],
    ]);
    expect(most).toBe(1);
    expect(settled.size).toBe(sessions.length);
    expect(
      new Set([...settled.values()].map((s) => (s instanceof Error ? s.message : s.status))),
    ).toEqual(new Set(['paid']));
    await own.close();
  });

  test('what is asked for while a commit is in flight shares the next one', async () => {
    const sessions = await paidSessions(30);
    const sizes: number[] = [];
    const queue = createSettleQueue(database, ({ sessions: n }) => sizes.push(n));
    const [first, ...rest] = ids(sessions);
    const holder = await database.pool.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM checkout_sessions WHERE id = $1 FOR UPDATE', [first]);
    const one = queue.settleAll([first ?? '']);
    await blocked(database, 1);
    const others = rest.map((id) => queue.settleAll([id]));
    await holder.query('ROLLBACK');
    holder.release();
    await Promise.all([one, ...others]);
    expect(sizes).toEqual([1, 29]);
  });

  test('several requests for one session go together and get the same answer', async () => {
    const [session] = await paidSessions(1);
    const sizes: number[] = [];
    const queue = createSettleQueue(database, ({ sessions: n }) => sizes.push(n));
    const id = session?.id ?? '';
    const answers = await Promise.all(Array.from({ length: 10 }, () => queue.settleAll([id])));
    expect(answers.map((answer) => answer.get(id))).toEqual(
      answers.map(() => expect.objectContaining({ from: 'pending', status: 'paid' })),
    );
    const [count] = await database.rows(
      'SELECT count(*)::int AS n FROM payments WHERE session_id = $1',
      [session?.id],
    );
    expect(count).toEqual({ n: 1 });
    expect(sizes).toEqual([10]);
  });

  test('opens no transaction for a session that is settled already', async () => {
    const [session] = await paidSessions(1);
    const commits = jest.fn();
    const queue = createSettleQueue(database, commits);
    const first = await queue.settle(session?.id ?? '');
    expect(commits).toHaveBeenCalledTimes(1);
    const again = await queue.settle(session?.id ?? '');
    expect(commits).toHaveBeenCalledTimes(1);
    expect([first?.status, again?.status]).toEqual(['paid', 'paid']);
  });

  test('answers null for a session that does not exist, and leaves it out of many', async () => {
    const queue = createSettleQueue(database);
    const id = randomUUID();
    expect(await queue.settle(id)).toBeNull();
    expect(await queue.settleAll([id])).toEqual(new Map());
  });

  test('a session that cannot be settled fails alone', async () => {
    const sessions = await paidSessions(40);
    const broken = sessions[17]?.id ?? '';
    await database.rows(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'This row is broken.'; END $$`);
    await database.rows(`CREATE TRIGGER broken BEFORE UPDATE ON checkout_sessions FOR EACH ROW
      WHEN (NEW.id = '${broken}') EXECUTE FUNCTION refuse()`);
    const settled = await createSettleQueue(database).settleAll(ids(sessions));
    await database.rows('DROP TRIGGER broken ON checkout_sessions');
    const failed = [...settled].filter(([, result]) => result instanceof Error);
    expect(failed.map(([id]) => id)).toEqual([broken]);
    const [paid] = await database.rows(
      `SELECT count(*)::int AS n FROM checkout_sessions WHERE id = ANY($1) AND status = 'paid'`,
      [ids(sessions)],
    );
    expect(paid).toEqual({ n: 39 });
    expect(await createSettleQueue(database).settle(broken)).toMatchObject({ status: 'paid' });
  });
});

describe('when the database is away', () => {
  let port: number;
  let away: Database;
  beforeEach(async () => {
    // A port at which nobody listens: the one of a server that was closed again.
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
    server.close();
    const url = new URL(database.url);
    url.port = String(port);
    away = connect(url.toString());
    jest.spyOn(Math, 'random').mockReturnValue(0);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await away.close();
  });

  test('a batch fails as a whole, instead of half by half', async () => {
    const connects = jest.spyOn(away.pool, 'connect');
    const wanted = Array.from({ length: MAX_TOGETHER }, () => randomUUID());
    const results = await createSettleQueue(away).settleAll(wanted);
    expect(results.size).toBe(wanted.length);
    expect([...results.values()].every((result) => errorCode(result) === 'ECONNREFUSED')).toBe(
      true,
    );
    expect(connects).toHaveBeenCalledTimes(MAX_TRIES);
  });

  test('the same queue works as soon as it is back', async () => {
    const [session] = await paidSessions(1);
    const id = session?.id ?? '';
    const queue = createSettleQueue(away);
    expect(errorCode(await queue.settle(id).catch((error: unknown) => error))).toBe('ECONNREFUSED');
    const [failed] = (await queue.settleAll([id])).values();
    expect(errorCode(failed)).toBe('ECONNREFUSED');
    const { hostname, port: real } = new URL(database.url);
    const back = createServer((socket) => {
      const server = dial(Number(real), hostname);
      socket.pipe(server).pipe(socket);
    }).listen(port, '127.0.0.1');
    await once(back, 'listening');
    expect(await queue.settle(id)).toMatchObject({ status: 'paid' });
    back.close();
  });
});
