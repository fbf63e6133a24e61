/** P1 against the ledger: what the inbox lacks, has too much, or has otherwise; and what Horizon's silence says (nothing). */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Memo } from '@stellar/stellar-sdk';
import { openSession } from '../../src/activities/open-session.ts';
import { audit } from '../../src/db/audit.ts';
import { auditHorizon, LedgerNotShown, type LedgerRange } from '../../src/db/audit-horizon.ts';
import type { Fault } from '../../src/sandbox/ledger/faults.ts';
import { paymentTo, type SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { insertMerchant } from '../support/database.ts';
import { startReading, type Reading } from '../pipeline/reading.ts';

let reading: Reading;
let shop: SandboxWallet;
let customer: SandboxWallet;
let first: number;
beforeEach(async () => {
  reading = await startReading('accounts');
  [shop, customer] = [await reading.wallet(), await reading.wallet()];
  await open(shop.address);
  first = latest() + 1;
  for (const amount of ['10', '0.5', '2'])
    await customer.pay(shop.address, amount, 'native', { memo: Memo.id('7') });
  reading.pass(5);
  await reading.turn(true);
});
afterEach(() => reading.close());

const latest = () => reading.ledger.chain.history.latest().sequence;

async function open(account: string): Promise<void> {
  const { closedAt } = reading.ledger.chain.history.latest();
  await openSession(reading.deps, {
    sessionId: randomUUID(),
    now: new Date(closedAt * 1000).toISOString(),
    request: {
      merchantId: await insertMerchant(reading.database),
      amount: '10',
      asset: { code: 'XLM', issuer: null },
      receivingAccount: account,
      expiresAt: new Date((closedAt + 600) * 1000).toISOString(),
    },
  });
}

/** By default from the first payment on: the ledgers before it made the account. */
const compare = (range: Partial<LedgerRange> = {}) =>
  auditHorizon(reading.database.db, reading.deps.source, {
    fromLedger: first,
    toLedger: null,
    account: null,
    ...range,
  });
const change = (statement: string) => reading.database.rows(statement);
const second = (set: string) =>
  change(`UPDATE settlement.ledger_payments SET ${set} WHERE amount = 0.5`);

test('says what it compared, by account and asset', async () => {
  const three = { payments: 3, sum: '12.5000000' };
  expect(await compare()).toMatchObject({
    accounts: 1,
    findings: [],
    more: {},
    compared: [{ account: shop.address, asset: 'native', horizon: three, inbox: three }],
  });
});

describe('finds', () => {
  test('what the inbox lacks', async () => {
    await change('DELETE FROM settlement.ledger_payments WHERE amount = 0.5');
    expect(await compare()).toMatchObject({
      findings: [
        {
          promise: 'P1',
          check: 'not_in_inbox',
          subject: expect.stringMatching(/^payment [0-9a-f]{64}:0:0$/),
          problem: expect.stringContaining(`0.5000000 native in ledger ${first + 1} arrived`),
        },
      ],
      compared: [
        { horizon: { payments: 3, sum: '12.5000000' }, inbox: { payments: 2, sum: '12.0000000' } },
      ],
    });
  });

  test('what is not on the ledger', async () => {
    await change(`
      INSERT INTO settlement.ledger_payments (tx_hash, op_index, sub_index, operation_id, ledger, closed_at, type,
        account, sender, asset_code, amount, verdict)
      SELECT repeat('9', 64), 0, 0, operation_id + 1, ledger, closed_at, type, account, sender, asset_code, 100,
        'unmatched' FROM settlement.ledger_payments WHERE amount = 0.5`);
    expect(await compare()).toMatchObject({
      findings: [
        { promise: 'P1', check: 'not_on_ledger', subject: `payment ${'9'.repeat(64)}:0:0` },
      ],
      compared: [
        { horizon: { payments: 3, sum: '12.5000000' }, inbox: { payments: 4, sum: '112.5000000' } },
      ],
    });
    // What was there before a reset of the network is on no ledger of now.
    await change(`UPDATE settlement.network SET reset_at = now() + interval '1 second'`);
    expect((await compare()).findings.map(({ check }) => check)).not.toContain('not_on_ledger');
  });

  test.each([
    [
      'amount',
      'amount = 0.6',
      'Its amount is 0.5000000 on the ledger, and 0.6000000 in the inbox.',
    ],
    [
      'asset',
      `asset_code = 'EUR', asset_issuer = 'G'`,
      'Its asset is native on the ledger, and EUR:G in the inbox.',
    ],
    ['reference', `reference = '8'`, 'Its reference is 7 on the ledger, and 8 in the inbox.'],
    [
      'missing reference',
      `reference = NULL`,
      'Its reference is 7 on the ledger, and none in the inbox.',
    ],
    ['close time', `closed_at = closed_at + interval '1 second'`, 'Its close time is '],
    ['ledger', 'ledger = ledger + 1', 'Its ledger is '],
  ])('another %s', async (_, set, problem) => {
    await second(set);
    expect((await compare()).findings).toMatchObject([
      { promise: 'P1', check: 'differs_from_ledger', problem: expect.stringContaining(problem) },
    ]);
  });

  test('it in the ledgers asked for only, and at the account asked for', async () => {
    await change('DELETE FROM settlement.ledger_payments WHERE amount = 0.5');
    const found = async (range: Partial<LedgerRange>) => (await compare(range)).findings.length;
    expect(await found({ fromLedger: first + 1, toLedger: first + 1 })).toBe(1);
    expect(await found({ toLedger: first })).toBe(0);
    expect(await found({ fromLedger: first + 2 })).toBe(0);
    expect(await found({ account: shop.address })).toBe(1);
    await expect(compare({ account: customer.address })).rejects.toMatchObject({
      name: 'Refusal',
      message: expect.stringContaining('is not watched'),
    });
  });
});

describe('compares the chain, and finds', () => {
  const third = `(SELECT min(sequence) + 2 FROM settlement.ledgers)`;
  const ledger = (set: string) =>
    change(`UPDATE settlement.ledgers SET ${set} WHERE sequence = ${third}`);

  test('nothing where it is the same', async () => {
    const { headers, findings } = await compare({ fromLedger: null });
    expect(findings).toEqual([]);
    expect(headers.notShown).toBe(0);
    expect(headers.compared).toBeGreaterThan(3);
  });

  test.each<[string, string, string]>([
    ['another hash', `hash = 'another', prev_hash = NULL`, 'Its hash is '],
    ['another close time', `closed_at = closed_at + interval '1 second'`, 'It closed at '],
    [
      'fewer operations than there are',
      'operation_count = -1',
      'operations on the ledger, but the chain counts -1',
    ],
  ])('%s', async (_, set, problem) => {
    await change('ALTER TABLE settlement.ledgers DROP CONSTRAINT ledgers_are_a_chain');
    await ledger(set);
    expect((await compare({ fromLedger: null })).findings).toMatchObject([
      { promise: 'P4', check: 'chain', problem: expect.stringContaining(problem) },
    ]);
  });

  test('no broken promise where this Horizon counts fewer, since it may filter; the ledger is named', async () => {
    await ledger('operation_count = operation_count + 1');
    const { findings, headers } = await compare({ fromLedger: null });
    expect(findings).toEqual([]);
    expect(headers.fewer).toMatchObject({
      count: 1,
      examples: [{ problem: expect.stringMatching(/^\d+ operations there, \d+ in the chain\.$/) }],
    });
  });
});

describe('is no finding', () => {
  test('what is not read yet', async () => {
    await customer.pay(shop.address, '3', 'native', { memo: Memo.id('7') });
    reading.pass(5);
    expect(await compare()).toMatchObject({
      findings: [],
      compared: [{ horizon: { payments: 3 }, inbox: { payments: 3 } }],
    });
    await reading.turn(true);
    expect(await compare()).toMatchObject({ findings: [], compared: [{ inbox: { payments: 4 } }] });
  });

  test('what nobody claims to have read, until coverage claims it', async () => {
    const other = await reading.wallet();
    await open(other.address);
    for (let i = 0; i < 3; i += 1) reading.pass(5);
    await reading.turn(true);
    await customer.pay(other.address, '3', 'native', { memo: Memo.id('7') });
    expect((await compare()).findings).toEqual([]);
    const { sequence } = reading.ledger.chain.history.latest();
    const claim = (asset: string) =>
      change(`INSERT INTO settlement.coverage AS c (account, asset, ledgers)
        VALUES ('${other.address}', '${asset}', int8multirange(int8range(${sequence}, ${sequence + 1})))
        ON CONFLICT (account, asset) DO UPDATE SET ledgers = c.ledgers + excluded.ledgers`);
    const found = async () => (await compare()).findings;
    // What is said of another asset says nothing of this one.
    await claim('USDC:G');
    expect(await found()).toEqual([]);
    for (const asset of ['native', '*']) {
      await claim(asset);
      expect(await found()).toMatchObject([{ check: 'not_in_inbox' }]);
      await change(`DELETE FROM settlement.coverage WHERE account = '${other.address}'`);
    }
    await change(`UPDATE settlement.watched_accounts SET read_ledgers = read_ledgers
      + int8multirange(int8range(${sequence}, ${sequence + 1})) WHERE account = '${other.address}'`);
    expect(await found()).toMatchObject([{ check: 'not_in_inbox' }]);
  });

  test('what was kept for a person, because it could not be stored', async () => {
    await change(`
      WITH gone AS (DELETE FROM settlement.ledger_payments WHERE amount = 0.5 RETURNING *)
      INSERT INTO settlement.parked_records (account, operation_id, ledger, raw, problem)
      SELECT account, operation_id || ':0', ledger, '{}', 'The database refused it.' FROM gone`);
    expect((await compare()).findings).toEqual([]);
  });
});

describe('Horizon that does not answer says nothing', () => {
  test.each<[string, Fault]>([
    ['is away', { kind: 'server_error' }],
    ['hangs', { kind: 'timeout', path: 'payments' }],
    ['sends half an answer', { kind: 'truncated', path: 'payments' }],
  ])('when it %s', async (_, fault) => {
    reading.ledger.faults.set(fault);
    await expect(compare()).rejects.toMatchObject({ name: 'HorizonUnavailable' });
  });

  test('when a node lags behind what was read', async () => {
    reading.ledger.faults.set({ kind: 'lag', ledgers: 4 });
    await expect(compare()).rejects.toThrow(LedgerNotShown);
  });

  test('when the account page of one node is behind, another one is asked for the ledger itself', async () => {
    reading.ledger.faults.set({ kind: 'lag', ledgers: 4, path: `accounts/${shop.address}` });
    expect(await compare()).toMatchObject({
      findings: [],
      compared: [{ horizon: { payments: 3 }, inbox: { payments: 3 } }],
    });
  });

  test('and one of another network, or of a ledger that was reset, is not asked', async () => {
    await change(`UPDATE settlement.ledgers SET hash = 'another'
      WHERE sequence = (SELECT max(sequence) FROM settlement.ledgers)`);
    await expect(compare()).rejects.toMatchObject({
      message: expect.stringContaining('was reset'),
    });
    await change(`UPDATE settlement.network SET passphrase = 'another'`);
    await expect(compare()).rejects.toMatchObject({
      message: expect.stringContaining('belongs to "another"'),
    });
  });
});

test('many payments, on several pages', async () => {
  for (let i = 0; i < 5; i += 1) {
    await customer.run(
      Array.from({ length: 50 }, () => paymentTo(shop.address, '0.0000001')),
      { memo: Memo.id('7') },
    );
  }
  reading.pass(5);
  await reading.turn(true);
  expect(await compare()).toMatchObject({
    findings: [],
    compared: [{ horizon: { payments: 253 }, inbox: { payments: 253, sum: '12.5000250' } }],
  });
  expect((await audit(reading.database.db)).findings).toEqual([]);
});
