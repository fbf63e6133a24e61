import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { UndecodedRecord } from '../../src/domain/ledger-payment.ts';
import { type Decoded } from '../../src/domain/evidence.ts';
import { AccountPage, type PageStart } from '../../src/domain/account-page.ts';
import { storeFindings, storePage } from '../../src/db/inbox.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { txHash } from '../domain/build.ts';
import { cover, insertSession, ledgerAt, newAccount, paymentFor, stateOf } from './build.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

/** An account that is read through minute 6, by pages that go on behind `START`. */
async function watched(): Promise<string> {
  const account = newAccount();
  await cover(database, account, -1, 6);
  await database.rows(
    'UPDATE settlement.watched_accounts SET known_record = $2 WHERE account = $1',
    [account, START.known],
  );
  return account;
}

/** The token of the n-th record of a ledger. */
const token = (ledger: number, n = 1): string => ((BigInt(ledger) << 32n) + BigInt(n)).toString();

const START: PageStart = { afterLedger: ledgerAt(6), known: token(ledgerAt(6)) };
const NEXT = token(ledgerAt(10));

type Fields = Decoded & {
  start: PageStart;
  /** The place of its last record. */
  last: { token: string; ledger: number };
  isFull: boolean;
};

/** A page that begins with the known record and ends in minute 10. */
function page(account: string, fields: Partial<Fields> = {}): AccountPage {
  const { start, last, isFull, payments, undecoded } = {
    start: START,
    last: { token: NEXT, ledger: ledgerAt(10) },
    isFull: false,
    payments: [],
    undecoded: [],
    ...fields,
  };
  const known = { token: start.known ?? '0', ledger: start.afterLedger, createsAccount: false };
  const records =
    last.token === start.known ? [known] : [known, { ...last, createsAccount: false }];
  const made = AccountPage.of(account, start, records, { payments, undecoded }, isFull ? 2 : 200);
  if (made === null) throw new Error('This is no page.');
  return made;
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

/** How far its pages have come, what they have covered, and its rows. */
async function reading(account: string) {
  const [found] = await database.rows<{
    known: string;
    through: string;
    read: string;
    rows: number;
  }>(
    `SELECT known_record AS known, through_ledger AS through, read_ledgers::text AS read,
      (SELECT count(*)::int FROM settlement.ledger_payments lp WHERE lp.account = w.account) AS rows
     FROM settlement.watched_accounts w WHERE account = $1`,
    [account],
  );
  return found && { ...found, through: Number(found.through) };
}

/** As PostgreSQL prints ledgers read from minute -1 on. */
const readThrough = (ledger: number) => `{[${ledgerAt(-1) + 1},${ledger + 1})}`;

const parked = (account: string) =>
  database.rows<{ operation_id: string; raw: string; problem: string }>(
    'SELECT operation_id, raw, problem FROM settlement.parked_records WHERE account = $1',
    [account],
  );

describe('a page of an account', () => {
  test('moves where the next one begins and what is read, and its rows are undecided', async () => {
    const account = await watched();
    const payments = [paymentFor(to(account), '1'), paymentFor(to(account), '2')];
    expect(await storePage(database.pool, page(account, { payments }))).toBe(true);
    expect(await reading(account)).toEqual({
      known: NEXT,
      through: ledgerAt(10),
      read: readThrough(ledgerAt(10)),
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

  test('is refused, rows and all, when another watcher has stored one that began there', async () => {
    const account = await watched();
    const first = page(account, { payments: [paymentFor(to(account), '1')] });
    expect(await storePage(database.pool, first)).toBe(true);
    const after = await reading(account);
    const second = page(account, {
      payments: [paymentFor(to(account), '2')],
      last: { token: token(ledgerAt(20)), ledger: ledgerAt(20) },
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

  test('of the same ledger and another record is refused, too', async () => {
    const account = await watched();
    const other = { ...START, known: token(ledgerAt(6), 2) };
    const stale = page(account, { start: other, payments: [paymentFor(to(account), '1')] });
    expect(await storePage(database.pool, stale)).toBe(false);
    expect(await reading(account)).toMatchObject({ known: START.known, rows: 0 });
  });

  test('that shows nothing new moves nothing, and a full one covers what comes before its last ledger', async () => {
    const account = await watched();
    const last = { token: START.known ?? '', ledger: START.afterLedger };
    expect(await storePage(database.pool, page(account, { last }))).toBe(true);
    const before = { known: START.known, through: ledgerAt(6), read: readThrough(ledgerAt(6)) };
    expect(await reading(account)).toMatchObject(before);
    await storePage(database.pool, page(account, { isFull: true }));
    const through = ledgerAt(10) - 1;
    expect(await reading(account)).toMatchObject({
      known: NEXT,
      through,
      read: readThrough(through),
    });
  });

  test('that is full of one ledger goes on within it', async () => {
    const account = await watched();
    const first = ledgerAt(6) + 1;
    const last = { token: token(first, 9), ledger: first };
    await storePage(database.pool, page(account, { isFull: true, last }));
    expect(await reading(account)).toMatchObject({ known: last.token, through: ledgerAt(6) });
    const start = { afterLedger: ledgerAt(6), known: last.token };
    const next = page(account, { start, last: { token: token(first, 10), ledger: first } });
    expect(await storePage(database.pool, next)).toBe(true);
    expect(await reading(account)).toMatchObject({ through: first, read: readThrough(first) });
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
      expect(await reading(account)).toMatchObject({ known: NEXT, rows: 2 });
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
    expect(await reading(account)).toMatchObject({ known: NEXT, rows: 1 });
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
