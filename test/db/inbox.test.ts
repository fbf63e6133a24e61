import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { UndecodedRecord } from '../../src/domain/ledger-payment.ts';
import { storeFindings, storePage, type AccountPage } from '../../src/db/inbox.ts';
import { settleTogether } from '../../src/db/settle.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { minute, txHash } from '../domain/build.ts';
import { cover, insertSession, ledgerAt, newAccount, paymentFor, stateOf } from './build.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

/** An account that is read through minute 6. */
async function watched(): Promise<string> {
  const account = newAccount();
  await cover(database, account, -1, 6);
  return account;
}

function page(account: string, fields: Partial<AccountPage> = {}): AccountPage {
  return {
    account,
    cursor: 'cursor',
    nextCursor: 'next',
    payments: [],
    undecoded: [],
    covers: { throughLedger: ledgerAt(10), throughTime: minute(10) },
    ...fields,
  };
}

function undecoded(account: string, fields: Partial<UndecodedRecord> = {}): UndecodedRecord {
  return {
    operationId: '77',
    account,
    ledger: 10_000,
    raw: '{"type":"brand_new"}',
    problem: 'type: is unknown',
    ...fields,
  };
}

const to = (account: string) => ({ account, reference: '4242' });

async function reading(account: string) {
  const [found] = await database.rows<{
    cursor: string;
    through: string;
    time: Date;
    rows: number;
  }>(
    `SELECT cursor, through_ledger AS through, through_time AS time,
      (SELECT count(*)::int FROM settlement.ledger_payments lp WHERE lp.account = w.account) AS rows
     FROM settlement.watched_accounts w WHERE account = $1`,
    [account],
  );
  return found && { ...found, through: Number(found.through) };
}

const parked = (account: string) =>
  database.rows<{ operation_id: string; raw: string; problem: string }>(
    'SELECT operation_id, raw, problem FROM settlement.parked_records WHERE account = $1',
    [account],
  );

describe('a page of an account', () => {
  test('moves cursor and coverage, and its rows are undecided', async () => {
    const account = await watched();
    const payments = [paymentFor(to(account), '1'), paymentFor(to(account), '2')];
    expect(await storePage(database.pool, page(account, { payments }))).toBe(true);
    expect(await reading(account)).toEqual({
      cursor: 'next',
      through: ledgerAt(10),
      time: minute(10),
      rows: 2,
    });
    const waiting = await database.rows(
      'SELECT FROM settlement.undecided_payments WHERE tx_hash = ANY($1)',
      [payments.map((p) => p.txHash)],
    );
    expect(waiting).toHaveLength(2);
  });

  test('is stored whole or not at all: nobody ever sees coverage without its rows', async () => {
    const account = await watched();
    const stranger = { ...paymentFor(to(account), '1'), txHash: 'poison' };
    await database.rows(`CREATE FUNCTION cancel() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'cancelled' USING ERRCODE = 'query_canceled'; END $$`);
    await database.rows(`CREATE TRIGGER cancel BEFORE INSERT ON settlement.ledger_payments FOR EACH ROW
      WHEN (NEW.tx_hash = 'poison') EXECUTE FUNCTION cancel()`);
    const before = await reading(account);
    const storing = storePage(
      database.pool,
      page(account, { payments: [paymentFor(to(account), '1'), stranger] }),
    );
    await expect(storing).rejects.toThrow();
    expect(await reading(account)).toEqual(before);
    await database.rows('DROP TRIGGER cancel ON settlement.ledger_payments');
  });

  test('is refused, rows and all, when another watcher has moved the cursor', async () => {
    const account = await watched();
    const first = page(account, { payments: [paymentFor(to(account), '1')] });
    expect(await storePage(database.pool, first)).toBe(true);
    const after = await reading(account);
    const second = page(account, {
      payments: [paymentFor(to(account), '2')],
      nextCursor: 'elsewhere',
      covers: { throughLedger: ledgerAt(20), throughTime: minute(20) },
    });
    expect(await storePage(database.pool, second)).toBe(false);
    expect(await reading(account)).toEqual(after);
  });

  test('of two watchers that store it at the same time, one is told that it was late', async () => {
    const account = await watched();
    const pages = Array.from({ length: 8 }, () =>
      page(account, { payments: [paymentFor(to(account), '1')] }),
    );
    const stored = await Promise.all(pages.map((p) => storePage(database.pool, p)));
    expect(stored.filter(Boolean)).toHaveLength(1);
    expect((await reading(account))?.rows).toBe(1);
  });

  test('never takes coverage back, and moves none when it proves none', async () => {
    const account = await watched();
    const older = { throughLedger: ledgerAt(2), throughTime: minute(2) };
    await storePage(database.pool, page(account, { covers: older }));
    expect(await reading(account)).toMatchObject({ through: ledgerAt(6), time: minute(6) });
    await storePage(
      database.pool,
      page(account, { cursor: 'next', nextCursor: 'last', covers: null }),
    );
    expect(await reading(account)).toMatchObject({ cursor: 'last', through: ledgerAt(6) });
  });

  test('clears the problem that reading had', async () => {
    const account = await watched();
    await database.rows(
      `UPDATE settlement.watched_accounts SET problem = 'Horizon is away.' WHERE account = $1`,
      [account],
    );
    await storePage(database.pool, page(account));
    const [row] = await database.rows(
      'SELECT problem, read_at IS NOT NULL AS read FROM settlement.watched_accounts WHERE account = $1',
      [account],
    );
    expect(row).toEqual({ problem: null, read: true });
  });
});

describe('a record that cannot be stored', () => {
  test.each`
    what                       | fields
    ${'a NUL in its text'}     | ${{ sender: 'G\u0000' }}
    ${'half of a surrogate'}   | ${{ sender: 'G\ud800' }}
    ${'a number out of range'} | ${{ opIndex: 2 ** 40 }}
    ${'a negative amount'}     | ${{ amount: -1n }}
    ${'no hash'}               | ${{ txHash: null }}
  `(
    '($what) is parked with all it says, and the others of its page are stored',
    async ({ fields }) => {
      const account = await watched();
      const payments = [
        paymentFor(to(account), '1'),
        { ...paymentFor(to(account), '2'), operationId: '4242', ...(fields as object) },
        paymentFor(to(account), '3'),
      ];
      expect(await storePage(database.pool, page(account, { payments }))).toBe(true);
      expect(await reading(account)).toMatchObject({ cursor: 'next', rows: 2 });
      const [record, ...others] = await parked(account);
      expect(others).toEqual([]);
      expect(record).toMatchObject({ operation_id: '4242:0' });
      expect(record?.problem).toMatch(/^The database refused it: ./);
      expect(JSON.parse(record?.raw ?? '')).toMatchObject({ account, reference: '4242' });
    },
  );

  test('or was not understood, is kept whole, once, and a person is asked', async () => {
    const account = await watched();
    const record = undecoded(account);
    await storePage(database.pool, page(account, { undecoded: [record] }));
    await storeFindings(database.pool, { payments: [], undecoded: [record] });
    expect(await parked(account)).toEqual([
      { operation_id: '77', raw: record.raw, problem: record.problem },
    ]);
    const asked = await database.rows('SELECT kind FROM settlement.attention WHERE subject = $1', [
      account,
    ]);
    expect(asked).toEqual([{ kind: 'undecoded_record' }]);
  });

  test('and whose own words contain a NUL is parked all the same', async () => {
    const account = await watched();
    const record = undecoded(account, {
      operationId: 'a\u0000b',
      raw: '"\u0000 \ud800"',
      problem: 'Not a memo: \u0000.',
    });
    await storePage(
      database.pool,
      page(account, { undecoded: [record], payments: [paymentFor(to(account), '1')] }),
    );
    expect(await reading(account)).toMatchObject({ cursor: 'next', rows: 1 });
    expect(await parked(account)).toHaveLength(1);
  });

  test('holds back the ending of its account, and nothing else, until it is resolved', async () => {
    const session = await insertSession(database, { covered: [-1, 31] });
    await storeFindings(database.pool, { payments: [], undecoded: [undecoded(session.account)] });
    await settleTogether(database.pool, [session.id]);
    expect((await stateOf(database, session.id)).status).toBe('pending');
    await database.rows(
      'UPDATE settlement.parked_records SET resolved_at = now() WHERE account = $1',
      [session.account],
    );
    await settleTogether(database.pool, [session.id]);
    expect((await stateOf(database, session.id)).status).toBe('expired');
  });
});

describe('findings outside of the reading', () => {
  test('are stored once, tell how many were new, and move no coverage', async () => {
    const account = await watched();
    const payments = [paymentFor(to(account), '1'), paymentFor(to(account), '2')];
    const before = await reading(account);
    expect(await storeFindings(database.pool, { payments, undecoded: [] })).toBe(2);
    expect(
      await storeFindings(database.pool, {
        payments: [...payments, paymentFor(to(account), '3')],
        undecoded: [],
      }),
    ).toBe(1);
    expect(await reading(account)).toEqual({ ...before, rows: 3 });
  });

  test('a payment that was judged is not undecided again', async () => {
    const account = await watched();
    const payment = paymentFor(to(account), '1');
    await storeFindings(database.pool, { payments: [payment], undecoded: [] });
    await database.rows('DELETE FROM settlement.undecided_payments WHERE tx_hash = $1', [
      payment.txHash,
    ]);
    await storeFindings(database.pool, { payments: [payment, payment], undecoded: [] });
    expect(
      await database.rows('SELECT FROM settlement.undecided_payments WHERE tx_hash = $1', [
        payment.txHash,
      ]),
    ).toEqual([]);
  });

  test('operations of one transaction, and balance changes of one operation, are payments of their own', async () => {
    const account = await watched();
    const one = { ...paymentFor(to(account), '1'), txHash: txHash(4242) };
    const payments = [one, { ...one, opIndex: 1 }, { ...one, opIndex: 1, subIndex: 1 }, one];
    expect(await storeFindings(database.pool, { payments, undecoded: [] })).toBe(3);
  });

  test('every field comes back as it was', async () => {
    const account = await watched();
    const payment = paymentFor(to(account), '922337203685.4775807', {
      innerTxHash: txHash(9),
      operationId: '9223372036854775807',
      reference: 'Ünïcode "memo" \\u0000',
      referenceSource: 'memo_text',
      type: 'path_payment_strict_receive',
    });
    await storeFindings(database.pool, { payments: [payment], undecoded: [] });
    const [row] = await database.rows(
      `SELECT inner_tx_hash, operation_id, ledger, closed_at, type, sender, asset_code, asset_issuer, amount,
        reference, reference_source, verdict FROM settlement.ledger_payments WHERE tx_hash = $1`,
      [payment.txHash],
    );
    expect(row).toEqual({
      inner_tx_hash: txHash(9),
      operation_id: payment.operationId,
      ledger: String(payment.ledger),
      closed_at: payment.closedAt,
      type: payment.type,
      sender: payment.sender,
      asset_code: payment.asset.code,
      asset_issuer: payment.asset.issuer,
      amount: '922337203685.4775807',
      reference: payment.reference,
      reference_source: 'memo_text',
      verdict: null,
    });
  });
});
