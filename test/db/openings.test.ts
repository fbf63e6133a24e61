/** From which ledger on a session of the backend is read: a clock can lengthen that, never shorten it. */
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { placeOpening, placeOpenings, surelyBefore, takeSeen } from '../../src/db/care.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { minute } from '../domain/build.ts';
import { chain, insertSession, ledgerAt } from './build.ts';

// The newest ledger and the last look are of the whole database, so each test has its own.
const opened: TestDatabase[] = [];
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase({ max: 4 });
  opened.push(database);
});
afterAll(() => Promise.all(opened.map((each) => each.close())));

const openedAfter = async (id: string) => {
  const [row] = await database.rows<{ at: number | null }>(
    'SELECT opened_after::int AS at FROM checkout_sessions WHERE id = $1',
    [id],
  );
  return row?.at;
};
/** A session as the backend inserts it, which nothing has taken into account. */
const foreign = (fields: Parameters<typeof insertSession>[1] = {}) =>
  insertSession(database, { covered: null, active: false, ...fields });

describe('the opening of a session', () => {
  /** Looks for sessions when the newest ledger is that of a minute. */
  async function look(minutes: number): Promise<void> {
    await chain(database, minutes);
    await placeOpenings(database.db, ledgerAt(minutes));
  }
  const MARGIN = 12;

  test('lies behind the newest ledger of the last look, when it was not there, and before its time', async () => {
    await look(9);
    const session = await foreign({ createdAt: minute(10) });
    await look(20);
    expect(await openedAfter(session.id)).toBe(ledgerAt(9) - MARGIN);
    // The next look finds nothing to date, and dates nothing anew.
    await look(40);
    expect(await openedAfter(session.id)).toBe(ledgerAt(9) - MARGIN);
  });

  test.each`
    clock               | createdAt      | expected
    ${'an hour ahead'}  | ${minute(70)}  | ${ledgerAt(9) - 12}
    ${'an hour behind'} | ${minute(-50)} | ${ledgerAt(-50) - 3}
  `('by a clock that is $clock lengthens the reading at most', async ({ createdAt, expected }) => {
    await look(9);
    // Its row was committed in minute 10.
    const session = await foreign({ createdAt: createdAt as Date });
    await look(20);
    expect(await openedAfter(session.id)).toBe(expected);
    expect(expected as number).toBeLessThan(ledgerAt(10));
  });

  test('of a young network is its first ledger at the lowest', async () => {
    await database.rows(
      `INSERT INTO settlement.ledgers (sequence, hash, closed_at, operation_count)
       SELECT n, 'h' || n, $1::timestamptz + n * interval '1 minute', 0 FROM generate_series(1, 9) AS n`,
      [minute(0)],
    );
    await placeOpenings(database.db, 8);
    const session = await foreign({ createdAt: minute(9) });
    await placeOpenings(database.db, 9);
    expect(await openedAfter(session.id)).toBe(1);
  });

  test('that was committed after the look waits for the next one, and is dated by this one', async () => {
    await look(9);
    await look(20);
    const session = await foreign({ createdAt: minute(21) });
    expect(await openedAfter(session.id)).toBeNull();
    await look(30);
    expect(await openedAfter(session.id)).toBe(ledgerAt(20) - MARGIN);
  });

  test('is not dated by the first look of all, nor where the chain begins later', async () => {
    const session = await foreign({ createdAt: minute(10) });
    await look(20);
    expect(await openedAfter(session.id)).toBeNull();
    const old = await foreign({ createdAt: minute(-61) });
    await look(30);
    expect(await openedAfter(session.id)).toBe(ledgerAt(10) - 3);
    expect(await openedAfter(old.id)).toBeNull();
    // It is dated by hand, from the chain that has grown backwards: two hours before its time.
    await database.rows(`UPDATE settlement.network SET history_from = $1`, [minute(-600)]);
    expect((await surelyBefore(database.db, old.id)).time).toEqual(minute(-181));
    expect(await placeOpening(database.db, old.id, 77)).toBe(77);
    expect(await placeOpening(database.db, old.id, 5)).toBe(77);
  });

  test('of what is older than the history that is judged anew, is dated by the row all the same', async () => {
    const old = await foreign({ createdAt: minute(-61) });
    await database.rows(`UPDATE settlement.network SET history_from = $1`, [minute(0)]);
    expect((await surelyBefore(database.db, old.id)).time).toEqual(minute(-181));
  });

  test('is placed for what is open, not for what is over or was seen before', async () => {
    await look(9);
    const paid = await foreign({ status: 'paid', createdAt: minute(10) });
    const seen = await foreign({ createdAt: minute(10) });
    await takeSeen(database.db, [seen.id]);
    await database.rows(`UPDATE checkout_sessions SET memo = 'other' WHERE id = $1`, [seen.id]);
    await look(20);
    expect([await openedAfter(paid.id), await openedAfter(seen.id)]).toEqual([null, null]);
  });
});
