/** Each word of domain/terms.ts is also an SQL fragment: both say the same of every row. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sql, type SQL } from 'drizzle-orm';
import { assetKey } from '../../src/domain/asset.ts';
import { problemOfRow, type SessionRowText } from '../../src/domain/row-check.ts';
import { effectiveDeadline, type SessionStatus } from '../../src/domain/session.ts';
import { isOver, readInstant, readPrice } from '../../src/domain/terms.ts';
import { ASSET_KEY } from '../../src/db/coverage.ts';
import {
  deadline,
  hasPrice,
  instantExists,
  looksLikeSession,
  over,
  workListDeadline,
} from '../../src/db/predicates.ts';
import { ROW_TEXT } from '../../src/db/session-row.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { newAccount } from './build.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const STATUSES: readonly SessionStatus[] = [
  'pending',
  'processing',
  'paid',
  'expired',
  'cancelled',
];
const PRICES = [
  '0',
  '-5',
  'NaN',
  '0.0000001',
  '10',
  '922337203685.4775807',
  '922337203685.4775808',
  '1e20',
];
const INSTANTS = [
  'infinity',
  '-infinity',
  '0044-03-15 BC',
  '0001-12-31T23:59:59.999999Z BC',
  '0001-01-01T00:00:00Z',
  '2026-03-01T12:30:00.123456Z',
  '9999-12-31T23:59:59.999999Z',
  '10000-01-01T00:00:00Z',
  '294276-12-31T00:00:00Z',
];
const MEMOS = [
  null,
  '',
  ' ',
  '0',
  '18446744073709551615',
  'é'.repeat(14),
  'é'.repeat(15),
  '😀'.repeat(7),
  '😀'.repeat(8),
  'x'.repeat(28),
  'x'.repeat(29),
  'ab'.repeat(32),
  'AB'.repeat(32),
  'ab'.repeat(33),
  `${'ab'.repeat(32)}\n`,
  'a\nb',
];
const ASSETS: [string, string | null][] = [
  ['XLM', null],
  ['USDC', newAccount()],
  ['XLM', newAccount()],
  ['', null],
  ['US-DC', null],
  ['TWELVEDIGITS', newAccount()],
  ['THIRTEENCHARS', newAccount()],
  ['USDC', ''],
  ['USDC', 'GNOBODY'],
  ['USD\n', null],
];
const ACCOUNTS = [newAccount(), '', newAccount().toLowerCase(), 'GNOBODY', `${newAccount()}A`];

type Row = {
  amount: string;
  asset: [string, string | null];
  account: string;
  memo: string | null;
  status: SessionStatus;
  createdAt: string;
  expiresAt: string;
  cancelAt: string | null;
  closed: number | null;
  legacy: boolean | null;
  final: string | null;
};

const PLAIN: Row = {
  amount: '10',
  asset: ['XLM', null],
  account: newAccount(),
  memo: '7',
  status: 'pending',
  createdAt: '2026-03-01T12:00:00Z',
  expiresAt: '2026-03-01T12:30:00Z',
  cancelAt: null,
  closed: null,
  legacy: null,
  final: null,
};

/** Every way to be over; every deadline with every cancellation; and each other column by itself. */
function matrix(): Row[] {
  const rows: Row[] = [];
  for (const status of STATUSES)
    for (const closed of [null, 777])
      for (const legacy of [null, false, true]) rows.push({ ...PLAIN, status, closed, legacy });
  for (const expiresAt of INSTANTS)
    for (const cancelAt of [null, ...INSTANTS]) rows.push({ ...PLAIN, expiresAt, cancelAt });
  for (const cancelAt of [null, PLAIN.expiresAt, '2026-03-01T12:05:00Z'])
    rows.push({ ...PLAIN, cancelAt, final: '2026-03-01T12:10:00Z' });
  for (const createdAt of INSTANTS) rows.push({ ...PLAIN, createdAt });
  for (const amount of PRICES) rows.push({ ...PLAIN, amount });
  for (const memo of MEMOS) rows.push({ ...PLAIN, memo });
  for (const asset of ASSETS) rows.push({ ...PLAIN, asset });
  for (const account of ACCOUNTS) rows.push({ ...PLAIN, account });
  return rows;
}

/** What SQL says of each row of the matrix, beside the row as text. */
async function inSql(): Promise<({ row: SessionRowText } & Record<string, unknown>)[]> {
  const merchant = await insertMerchant(database);
  await database.rows('DELETE FROM checkout_sessions');
  for (const r of matrix()) {
    await database.rows(
      `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, asset_issuer, receiving_account, memo,
         status, created_at, expires_at, cancel_at, closed_through_ledger, legacy, final_deadline)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
      [
        merchant,
        r.amount,
        ...r.asset,
        r.account,
        r.memo,
        r.status,
        r.createdAt,
        r.expiresAt,
        r.cancelAt,
        r.closed,
        r.legacy,
        r.final,
      ],
    );
  }
  const says = (name: string, predicate: SQL) => sql`${sql.raw(`'${name}'`)}, ${predicate}`;
  const { rows } = await database.db.execute<{
    all: { row: SessionRowText } & Record<string, unknown>;
  }>(sql`
    SELECT json_build_object('row', ${ROW_TEXT}, 'status', s.status, 'closed', s.closed_through_ledger, 'legacy', s.legacy, 'final', s.final_deadline::text,
      ${says('over', over('s'))}, ${says('price', hasPrice('s'))},
      ${says('deadline', deadline('s'))}, ${says('exists', instantExists(deadline('s')))},
      ${says('session', looksLikeSession('s'))}, ${says('listed', workListDeadline('s'))},
      ${says('asset', ASSET_KEY)}) AS all
    FROM checkout_sessions s`);
  return rows.map(({ all }) => all);
}

test('OVER, PRICE, DEADLINE and SESSION mean the same in SQL and in TypeScript', async () => {
  const all = await inSql();
  expect(all.length).toBe(matrix().length);
  const seen = new Set<string>();
  for (const { row, ...said } of all) {
    const at = readInstant(row.expiresAt).at;
    const cancelAt = row.cancelAt === null ? null : readInstant(row.cancelAt).at;
    const frozen = said['final'] as string | null;
    const finalDeadline = frozen === null ? null : readInstant(frozen).at;
    const effective = effectiveDeadline({ expiresAt: at, cancelAt, finalDeadline });
    const ending = {
      status: said['status'] as SessionStatus,
      closedThroughLedger: said['closed'] as number | null,
      legacy: said['legacy'] === true,
    };
    const stored = readInstant(said['deadline'] as string);
    const isSession = problemOfRow(row) === null;
    const isListed = !isOver(ending) && readPrice(row.price) !== null && stored.exists;
    expect({
      row,
      over: said['over'],
      price: said['price'],
      at: stored.at,
      exists: said['exists'],
    }).toEqual({
      row,
      over: isOver(ending),
      price: readPrice(row.price) !== null,
      at: effective,
      exists: stored.exists,
    });
    expect({ row, session: said['session'] }).toEqual({ row, session: isSession });
    expect({ row, listed: said['listed'] !== null }).toEqual({ row, listed: isListed });
    expect(said['asset']).toBe(assetKey({ code: row.assetCode, issuer: row.assetIssuer }));
    seen
      .add(`over ${String(said['over'])}`)
      .add(`price ${String(said['price'])}`)
      .add(`session ${isSession}`);
    seen.add(`exists ${String(said['exists'])}`).add(`listed ${isListed}`);
  }
  // A matrix in which a word is always true would show nothing.
  expect(seen.size).toBe(10);
});

test('a checksum is the one thing that SQL does not see', async () => {
  const account = newAccount();
  const wrong = account.slice(0, -1) + (account.endsWith('A') ? 'B' : 'A');
  const { rows } = await database.db.execute<{ looks: boolean; row: SessionRowText }>(sql`
    SELECT ${looksLikeSession('s')} AS looks, ${ROW_TEXT} AS row FROM (
      SELECT * FROM jsonb_populate_record(NULL::checkout_sessions, ${JSON.stringify({
        amount: 10,
        asset_code: 'XLM',
        receiving_account: wrong,
        memo: '7',
        created_at: PLAIN.createdAt,
        expires_at: PLAIN.expiresAt,
      })}::jsonb)) s`);
  expect(rows.map(({ looks }) => looks)).toEqual([true]);
  expect(rows.map(({ row }) => problemOfRow(row)?.field)).toEqual(['receiving_account']);
});
