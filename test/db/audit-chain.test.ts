/** The chain of ledgers, what waits for it, and what is credited ahead of it. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { audit } from '../../src/db/audit.ts';
import { goodDatabase, type Good } from './audited.ts';
import { cover, insertSession, ledgerAt, receive } from './build.ts';
import { FAKE_USDC, minute } from '../domain/build.ts';

let good: Good;
beforeAll(async () => {
  good = await goodDatabase();
});
afterAll(() => good.close());

const ledger = (set: string, sequence = 10_050) =>
  `UPDATE settlement.ledgers SET ${set} WHERE sequence = ${sequence}`;
/** Every ledger names the one before it, as the reading of a real network leaves them. */
const LINKED = `UPDATE settlement.ledgers l SET prev_hash = p.hash FROM settlement.ledgers p
  WHERE p.sequence = l.sequence - 1`;
const WITHOUT_KEY = 'ALTER TABLE settlement.ledgers DROP CONSTRAINT ledgers_are_a_chain';

describe('the chain', () => {
  test('begins where nothing before is known, and that is named', async () => {
    const { findings, anchors } = await good.auditAfter(good.sessions.paid, LINKED);
    expect(findings).toEqual([]);
    const first = { subject: 'ledger 9280', problem: 'Nothing before it is known.' };
    expect(anchors).toEqual({ count: 1, examples: [first] });
    const behindHole = 'DELETE FROM settlement.ledgers WHERE sequence BETWEEN 10300 AND 10340';
    const split = await good.auditAfter(
      good.sessions.paid,
      LINKED,
      ledger('prev_hash = NULL', 10_341),
      behindHole,
    );
    expect(split.findings).toEqual([]);
    expect(split.anchors).toMatchObject({ count: 2 });
  });

  test.each<[string, string[]]>([
    ['one that names another before it', [LINKED, ledger(`prev_hash = repeat('f', 64)`)]],
    [
      'one whose hash is not the one that the next names',
      [LINKED, ledger(`hash = repeat('f', 64)`)],
    ],
    [
      'one that names a ledger that is not there',
      [LINKED, 'DELETE FROM settlement.ledgers WHERE sequence = 10049'],
    ],
    [
      'one that closed before the one before it',
      [ledger(`closed_at = closed_at - interval '6 seconds'`)],
    ],
  ])('has no ledger like %s', async (_, statements) => {
    const found = await good.brokenBy(good.sessions.paid, WITHOUT_KEY, ...statements);
    expect(found).toEqual(['P4 chain ledger']);
  });

  test('may have two ledgers of one second', async () => {
    const sameSecond = ledger(`closed_at = closed_at - interval '5 seconds'`);
    expect(await good.brokenBy(good.sessions.paid, sameSecond)).toEqual([]);
  });
});

describe('a payment of the inbox is in a ledger of the chain', () => {
  test.each<[string, string]>([
    ['not at another time', `closed_at = closed_at - interval '1 second'`],
    ['not by an operation of another ledger', 'operation_id = operation_id + (1::bigint << 32)'],
  ])('%s', async (_, set) => {
    const found = await good.brokenBy(
      good.sessions.partly,
      `UPDATE settlement.ledger_payments SET ${set} WHERE session_id = $1 AND verdict = 'wrong_asset'`,
    );
    expect(found).toContain('P1 differs_from_ledger payment');
  });
});

describe('P1: what is credited rests on what is read', () => {
  const account = `account = (SELECT receiving_account FROM checkout_sessions WHERE id = $1)`;
  const PROOFLESS = `DELETE FROM settlement.coverage WHERE ${account}`;
  const read = (set: string) => `UPDATE settlement.watched_accounts SET ${set} WHERE ${account}`;
  /** Its payment of 4 is of minute 5: ledger 10060. */
  const EMPTY = read(`read_ledgers = '{}'`);

  test.each<[string, string[], string[]]>([
    ['nothing', [PROOFLESS, EMPTY], ['P1 unread session']],
    ['its pages alone', [PROOFLESS], []],
    ['proof alone', [EMPTY], []],
    [
      'all but its own ledger',
      [PROOFLESS, read('read_ledgers = read_ledgers - int8multirange(int8range(10060, 10061))')],
      ['P1 unread session'],
    ],
    [
      'proof for another asset',
      [EMPTY, `UPDATE settlement.coverage SET asset = 'native' WHERE ${account}`],
      ['P1 unread session'],
    ],
    [
      'the reading of the network',
      [
        PROOFLESS,
        EMPTY,
        read('network_from = 9989'),
        'INSERT INTO settlement.network_reading (id, through_ledger) VALUES (1, 10060)',
      ],
      [],
    ],
    [
      'the reading of the network, which it joined too late',
      [
        PROOFLESS,
        EMPTY,
        read('network_from = 10001'),
        'INSERT INTO settlement.network_reading (id, through_ledger) VALUES (1, 10060)',
      ],
      ['P1 unread session'],
    ],
  ])('%s', async (_, statements, broken) => {
    expect(await good.brokenBy(good.sessions.partly, ...statements)).toEqual(broken);
  });

  test('a hole that no node shows, and it is named', async () => {
    const { findings, excused } = await good.auditAfter(
      good.sessions.partly,
      PROOFLESS,
      read('read_ledgers = read_ledgers - int8multirange(int8range(10010, 10020))'),
      `INSERT INTO settlement.history_holes (account, ledgers, problem)
       SELECT receiving_account, int8range(10010, 10020), 'x' FROM checkout_sessions WHERE id = $1`,
    );
    expect(findings).toEqual([]);
    expect(excused.hole).toMatchObject({ count: 1 });
  });
});

test('P1: a payment ahead of what is read waits for it, and no longer', async () => {
  const database = await good.copy();
  const session = await insertSession(database);
  const at = { closedAt: minute(10) };
  const { txHash } = await receive(database, session, '10', at);
  await database.rows(`UPDATE settlement.ledger_payments SET seen_at = now() - interval '2 minutes'
    WHERE verdict IS NULL`);
  await database.rows(
    `UPDATE settlement.undecided_payments SET since = now() - interval '2 minutes'`,
  );
  expect(await audit(database.db)).toMatchObject({ findings: [], waiting: 1 });

  await cover(database, session.account, 6, 9);
  expect(await audit(database.db)).toMatchObject({ findings: [], waiting: 1 });
  await cover(database, session.account, 9, 10);
  const forgotten = {
    promise: 'P1',
    check: 'no_verdict',
    subject: `payment ${txHash}:0:0`,
    problem: 'It has had no verdict for over a minute.',
  };
  expect(await audit(database.db)).toMatchObject({ findings: [forgotten], waiting: 0 });
});

test.each<[string, object]>([
  ['of another asset', { asset: FAKE_USDC }],
  ['that came late', { closedAt: minute(31), ledger: ledgerAt(31) }],
])('P1: a payment %s waits for nothing', async (_, fields) => {
  const database = await good.copy();
  const session = await insertSession(database);
  await receive(database, session, '10', { closedAt: minute(10), ...fields });
  await database.rows(
    `UPDATE settlement.undecided_payments SET since = now() - interval '2 minutes'`,
  );
  const { findings } = await audit(database.db);
  expect(findings).toMatchObject([{ check: 'no_verdict' }]);
});
