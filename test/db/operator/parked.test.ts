import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { audit } from '../../../src/db/audit.ts';
import { storeFindings } from '../../../src/db/inbox.ts';
import { dismissParked, parkedRecords, redecode } from '../../../src/db/operator/parked.ts';
import { settleTogether } from '../../../src/db/settle.ts';
import { sessionsToClose, sessionsWithUndecided } from '../../../src/db/worklists.ts';
import { ledgerPaymentKey } from '../../../src/domain/ledger-payment.ts';
import { decodeRecord } from '../../../src/horizon/decode.ts';
import { startSandboxLedger, type SandboxLedger } from '../../../src/sandbox/ledger/start.ts';
import { SandboxWallet } from '../../../src/sandbox/ledger/wallet.ts';
import { minute } from '../../domain/build.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/system.ts';
import { insertSession, newAccount, paymentFor, stateOf, type StoredSession } from '../build.ts';
import { ANN, decisionCount, decisions, letSleep, toWake } from './journals.ts';

let database: TestDatabase;
let ledger: SandboxLedger;
let customer: SandboxWallet;

beforeAll(async () => {
  database = await createTestDatabase();
  ledger = await startSandboxLedger({ closeEveryMs: null });
  customer = await wallet();
});
afterAll(() => Promise.all([ledger.stop(), database.close()]));

async function wallet(): Promise<SandboxWallet> {
  const one = new SandboxWallet({ ...ledger, closeLedger: () => ledger.closeLedger() });
  await ledger.fund(one.address, '1000');
  return one;
}

/** A session of 10 lumens on an account, whose deadline is over and covered. */
async function overdue(account: string): Promise<StoredSession> {
  const minutes = Math.floor((Date.now() - minute(0).getTime()) / 60_000);
  return insertSession(database, {
    account,
    asset: { code: 'XLM', issuer: null },
    createdAt: minute(minutes - 60),
    expiresAt: minute(minutes + 10),
    covered: [minutes - 61, minutes + 11],
  });
}

/** The newest payment of an account, as Horizon tells of it. */
async function newestRecord({ address }: SandboxWallet): Promise<Record<string, unknown>> {
  const url = `${ledger.url}/accounts/${address}/payments?order=desc&limit=1&join=transactions`;
  const page = (await (await fetch(url)).json()) as {
    _embedded: { records: Record<string, unknown>[] };
  };
  return page._embedded.records[0] ?? {};
}

/** What a version did that could not read the record. */
async function park(account: string, operationId: string, raw: string): Promise<void> {
  const problem = 'An older version could not read it.';
  const record = { account, operationId, ledger: 7, raw, problem };
  await storeFindings(database.pool, { payments: [], undecoded: [record] });
}

const again = (account: string | null = null) =>
  redecode(database, (r, of) => decodeRecord(r, new Set([of]), of), account, ANN);
const dismiss = (account: string, operationId: string) =>
  dismissParked(database.pool, { account, operationId }, ANN);
const attentionOf = async (account: string) => {
  const rows = await database.rows<{ kind: string; resolved_by: string | null }>(
    'SELECT kind, resolved_by FROM settlement.attention WHERE subject = $1',
    [account],
  );
  return rows.map(({ resolved_by }) => resolved_by);
};

describe('a parked record that this version can read', () => {
  test('becomes what the reader would have made of it, and the session is paid', async () => {
    const shop = await wallet();
    const session = await overdue(shop.address);
    const { hash } = await customer.pay(shop.address, '10', 'native', {
      memo: Memo.id(session.reference),
    });
    const record = await newestRecord(shop);
    await park(shop.address, String(record['id']), JSON.stringify(record));
    expect(await sessionsToClose(database.db)).not.toContain(session.id);
    await letSleep(database);
    const key = `${hash}:0:0`;
    expect(await again(shop.address)).toEqual([
      {
        account: shop.address,
        operationId: record['id'],
        outcome: 'stored',
        payments: [key],
        problem: null,
      },
    ]);
    expect(await parkedRecords(database.db, shop.address)).toEqual([]);
    expect(await attentionOf(shop.address)).toEqual(['ann']);
    expect(await toWake(database)).toEqual(new Set([session.id]));
    expect(await sessionsWithUndecided(database.db)).toEqual([session.id]);
    await settleTogether(database.pool, [session.id]);
    expect(await stateOf(database, session.id)).toMatchObject({
      status: 'paid',
      verdicts: ['credited'],
    });
    expect(await decisions(database, `account ${shop.address}`)).toMatchObject([
      {
        actor: 'ann',
        action: 'parked record decoded',
        detail: {
          operationId: record['id'],
          payments: [key],
          before: { problem: 'An older version could not read it.' },
        },
      },
    ]);
    expect(await again(shop.address)).toEqual([]);
    expect((await audit(database.db)).findings).toEqual([]);
  });

  test('moves nothing into the account where it goes out of it', async () => {
    const shop = await wallet();
    await shop.pay(customer.address, '1');
    const record = await newestRecord(shop);
    await park(shop.address, String(record['id']), JSON.stringify(record));
    expect(await again(shop.address)).toMatchObject([{ outcome: 'nothing', payments: [] }]);
    expect(await attentionOf(shop.address)).toEqual(['ann']);
  });

  test('was brought by a report meanwhile: it is there once', async () => {
    const shop = await wallet();
    const session = await overdue(shop.address);
    const { hash } = await customer.pay(shop.address, '10', 'native', {
      memo: Memo.id(session.reference),
    });
    const record = await newestRecord(shop);
    const found = decodeRecord(record, new Set([shop.address]));
    await storeFindings(database.pool, found);
    await park(shop.address, String(record['id']), JSON.stringify(record));
    expect(await again(shop.address)).toMatchObject([{ outcome: 'stored' }]);
    const rows = await database.rows('SELECT FROM settlement.ledger_payments WHERE tx_hash = $1', [
      hash,
    ]);
    expect(rows).toHaveLength(1);
    await settleTogether(database.pool, [session.id]);
  });
});

test('what still cannot be read stays, with the reason, and holds back the endings', async () => {
  const shop = await wallet();
  const session = await overdue(shop.address);
  await customer.pay(shop.address, '3');
  const record = await newestRecord(shop);
  await park(shop.address, '1', JSON.stringify({ ...record, type: 'teleport' }));
  await park(shop.address, '2', 'undefined');
  await park(shop.address, '3:0', JSON.stringify({ tx_hash: 'f'.repeat(64) }));
  await park(shop.address, '4', JSON.stringify(record));
  const results = await again(shop.address);
  expect(
    results.map(({ operationId, outcome, problem }) => [operationId, outcome, problem]),
  ).toEqual([
    ['1', 'unreadable', expect.stringContaining('"teleport" is not known')],
    ['2', 'unreadable', 'An older version could not read it.'],
    ['3:0', 'unreadable', expect.stringContaining('settle session report <session> fff')],
    ['4', 'stored', null],
  ]);
  expect(await attentionOf(shop.address)).toEqual([null]);
  expect(await sessionsToClose(database.db)).not.toContain(session.id);
  expect((await parkedRecords(database.db, shop.address)).map((r) => r.operationId)).toEqual([
    '1',
    '2',
    '3:0',
  ]);
});

test('what the database refuses stays parked as it was, and only that', async () => {
  const account = newAccount();
  await park(account, '1', '{}');
  await park(account, '2', '{}');
  await park(account, '3', '{}');
  const strange = paymentFor({ account, reference: 'a\0b' }, '1');
  const negative = paymentFor({ account, reference: 'ok' }, '1', { amount: -1n });
  const fine = paymentFor({ account, reference: 'ok' }, '1');
  const payments = [[fine, strange], [negative], [fine]];
  const results = await redecode(
    database,
    () => ({ payments: payments.shift() ?? [], undecoded: [] }),
    account,
    ANN,
  );
  expect(results).toMatchObject([
    { outcome: 'unreadable', problem: expect.stringContaining('the database refuses it') },
    { outcome: 'unreadable', problem: expect.stringContaining(ledgerPaymentKey(negative)) },
    { outcome: 'stored' },
  ]);
  expect(await parkedRecords(database.db, account)).toMatchObject([
    { operationId: '1', raw: '{}' },
    { operationId: '2', raw: '{}' },
  ]);
});

test('only the account that is asked for, and then all of them', async () => {
  const [one, other] = [newAccount(), newAccount()];
  await park(one, '1', '{}');
  await park(other, '1', '{}');
  expect((await again(one)).map(({ account }) => account)).toEqual([one]);
  expect((await again()).map(({ account }) => account)).toEqual(
    expect.arrayContaining([one, other]),
  );
});

describe('a record that a person dismisses', () => {
  test('holds back nothing any more once it was the last', async () => {
    const account = newAccount();
    const session = await overdue(account);
    await park(account, '1', '{}');
    await park(account, '2', '{}');
    await letSleep(database);
    expect(await dismiss(account, '1')).toEqual({ account, operationId: '1', left: 1 });
    expect(await attentionOf(account)).toEqual([null]);
    expect(await toWake(database)).toEqual(new Set());
    expect(await dismiss(account, '2')).toMatchObject({ left: 0 });
    expect(await attentionOf(account)).toEqual(['ann']);
    expect(await toWake(database)).toEqual(new Set([session.id]));
    expect(await sessionsToClose(database.db)).toContain(session.id);
    await settleTogether(database.pool, [session.id]);
    expect((await stateOf(database, session.id)).status).toBe('expired');
    expect(await decisions(database, `account ${account}`)).toMatchObject([
      { action: 'parked record dismissed', detail: { operationId: '1' } },
      { action: 'parked record dismissed', detail: { operationId: '2' } },
    ]);
  });

  test('is refused when it does not exist, or was answered before', async () => {
    const account = newAccount();
    await park(account, '1', '{}');
    await dismiss(account, '1');
    const before = await decisionCount(database);
    await expect(dismiss(account, '2')).rejects.toThrow(
      `There is no parked record 2 of ${account}`,
    );
    await expect(dismiss(account, '1')).rejects.toThrow('was already dealt with, by ann');
    expect(await decisionCount(database)).toBe(before);
  });

  test('leaves the attention to one that a reader parks in the same moment', async () => {
    const account = newAccount();
    await park(account, '1', '{}');
    const reader = await database.pool.connect();
    await reader.query('BEGIN');
    await reader.query(
      `INSERT INTO settlement.parked_records (account, operation_id, ledger, raw, problem) VALUES ($1, '2', 1, '{}', 'x')`,
      [account],
    );
    const done = dismiss(account, '1');
    await until(
      () =>
        // Another test's database has locks of its own.
        database.rows(`SELECT FROM pg_locks JOIN pg_database d ON d.oid = database
          WHERE d.datname = current_database() AND NOT granted AND mode = 'ShareRowExclusiveLock'`),
      (waiting) => waiting.length > 0,
    );
    await reader.query('COMMIT');
    reader.release();
    expect(await done).toMatchObject({ left: 1 });
    expect(await attentionOf(account)).toEqual([null]);
  });
});
