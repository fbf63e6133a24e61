import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { openSession } from '../../../src/activities/open-session.ts';
import { NETWORKS } from '../../../src/config.ts';
import { audit } from '../../../src/db/audit.ts';
import { newestLedger } from '../../../src/db/ledgers.ts';
import { acceptReset } from '../../../src/db/operator/network.ts';
import type { LedgerSource } from '../../../src/domain/ledger-source.ts';
import { createHorizonSource } from '../../../src/horizon/source.ts';
import type { SandboxWallet } from '../../../src/sandbox/ledger/wallet.ts';
import { startReading, type Reading } from '../../pipeline/reading.ts';
import { insertMerchant } from '../../support/database.ts';
import { stateOf } from '../build.ts';
import { ANN, decisionCount, decisions } from './journals.ts';

let reading: Reading;
let shop: SandboxWallet;
let customer: SandboxWallet;
beforeEach(async () => {
  reading = await startReading('accounts');
  [shop, customer] = [await reading.wallet(), await reading.wallet()];
  for (let i = 0; i < 20; i += 1) reading.pass(1);
});
afterEach(async () => {
  await Promise.all(sources.splice(0).map((source) => source.close()));
  await reading.close();
});

const PUBLIC = NETWORKS['public'] ?? '';

/** Accepts the reset as a command does, and restarts the worker, which remembers close times of the old ledgers. */
async function accept() {
  const source = createHorizonSource({ url: reading.ledger.url, requestsPerHour: 0 });
  sources.push(source);
  const accepted = await acceptReset(reading.database, source, PUBLIC, ANN);
  Object.assign(reading.deps, { source });
  return accepted;
}
const sources: LedgerSource[] = [];
const ledgerTime = () => reading.ledger.chain.history.latest().closedAt * 1000;

async function open(seconds = 60): Promise<{ id: string; memo: string }> {
  const id = randomUUID();
  const { memo } = await openSession(reading.deps, {
    sessionId: id,
    now: new Date(ledgerTime()).toISOString(),
    request: {
      merchantId: await insertMerchant(reading.database),
      amount: '10',
      asset: { code: 'XLM', issuer: null },
      receivingAccount: shop.address,
      expiresAt: new Date(ledgerTime() + seconds * 1000).toISOString(),
    },
  });
  return { id, memo };
}

/** The network begins anew; whoever is on it must be funded again. The watcher notices. */
async function reset(firstLedger?: number): Promise<void> {
  reading.ledger.resetNetwork(firstLedger);
  for (const { address } of [shop, customer]) await reading.ledger.fund(address, '10000');
  for (let i = 0; i < 4; i += 1) reading.pass(5);
  await expect(reading.turn(true)).rejects.toMatchObject({ name: 'NetworkReset' });
}

const statusOf = async (id: string) => (await stateOf(reading.database, id)).status;
const pay = (memo: string) => customer.pay(shop.address, '10', 'native', { memo: Memo.id(memo) });

describe('a test network that began anew', () => {
  test('is read from its first ledger: what is paid there counts, and what is not paid ends', async () => {
    const [paidBefore, endedBefore] = [await open(), await open(5)];
    await pay(paidBefore.memo);
    for (let i = 0; i < 5; i += 1) reading.pass(5);
    await reading.turn(true);
    expect(await statusOf(endedBefore.id)).toBe('expired');
    // Opened on the old ledger, to be paid on the new one, or never.
    const [paidAfter, unpaid] = [await open(300), await open(300)];
    await reading.turn(true);
    await reset();
    await pay(paidAfter.memo);
    await reading.turn(true).catch(() => undefined);
    expect(await statusOf(paidAfter.id)).toBe('pending');

    const accepted = await accept();
    expect(accepted).toMatchObject({ fromLedger: 1, accounts: 1, unprovable: 0 });
    await reading.turn(true);
    expect(await statusOf(paidAfter.id)).toBe('paid');
    expect(await statusOf(unpaid.id)).toBe('pending');
    for (let i = 0; i < 7; i += 1) reading.pass(60);
    await reading.turn(true);
    expect(await statusOf(unpaid.id)).toBe('expired');
    expect(await statusOf(paidBefore.id)).toBe('paid');
    expect((await audit(reading.database.db)).findings).toEqual([]);
    // What is opened from now on goes its usual way.
    const next = await open();
    await pay(next.memo);
    await reading.turn(true);
    expect(await statusOf(next.id)).toBe('paid');
    expect((await audit(reading.database.db)).findings).toEqual([]);
  });

  test('everything that was remembered of the old one is gone, and it is written down', async () => {
    await open();
    await reading.turn(true);
    const known = await newestLedger(reading.database.db);
    await reading.database.rows(
      `INSERT INTO settlement.network_reading (id, through_ledger) VALUES (1, 30)`,
    );
    await reading.database.rows(
      `INSERT INTO settlement.history_holes (account, ledgers, problem) VALUES ($1, '[1,2)', '')`,
      [shop.address],
    );
    await reset();
    await accept();
    const [row] = await reading.database.rows(
      `SELECT w.through_ledger::int, w.known_record, w.read_ledgers::text, w.read_at, w.problem, w.network_from,
         w.recheck_cursor, n.discovered_after, n.reset_at > now() - interval '1 minute' AS reset,
         (SELECT opened_after::int FROM checkout_sessions) AS opened_after,
         (SELECT count(*)::int FROM settlement.coverage) + (SELECT count(*)::int FROM settlement.network_reading)
           + (SELECT count(*)::int FROM settlement.history_holes) + (SELECT count(*)::int FROM settlement.ledgers) AS known
       FROM settlement.watched_accounts w, settlement.network n`,
    );
    expect(row).toEqual({
      through_ledger: 0,
      known_record: null,
      read_ledgers: '{}',
      read_at: null,
      problem: null,
      network_from: null,
      recheck_cursor: null,
      discovered_after: null,
      reset: true,
      opened_after: 0,
      known: 0,
    });
    const [attention] = await reading.database.rows(
      `SELECT resolved_by, reason FROM settlement.attention WHERE kind = 'network_reset'`,
    );
    expect(attention).toEqual({ resolved_by: 'ann', reason: ANN.reason });
    expect(await decisions(reading.database, 'network')).toMatchObject([
      {
        actor: 'ann',
        action: 'network reset accepted',
        detail: {
          fromLedger: 1,
          before: {
            newestLedger: { sequence: known?.sequence, hash: known?.hash },
            noticed: expect.any(String),
          },
        },
      },
    ]);
  });

  test('read ledger by ledger, too, it is read from the beginning', async () => {
    const { id, memo } = await open(300);
    const deps = { ...reading.deps, readStrategy: 'ledgers' as const };
    const { takeTurn } = await import('../../../src/activities/watch/turn.ts');
    const turn = () => takeTurn(deps, { isFirst: false, thorough: true, signal: deps.draining });
    await turn();
    await turn();
    await reset();
    await pay(memo);
    await expect(turn()).rejects.toMatchObject({ name: 'NetworkReset' });
    await accept();
    await turn();
    expect(await statusOf(id)).toBe('paid');
  });

  test('whose beginning Horizon has forgotten proves nothing about what was opened before', async () => {
    const old = await open(300);
    await reading.turn(true);
    // The old network was far ahead of where the new one begins.
    await reading.database.rows(
      `INSERT INTO settlement.ledgers (sequence, hash, closed_at, operation_count) VALUES (500000, 'old', now(), 0)`,
    );
    await reset(1000);
    const { unprovable } = await accept();
    expect(unprovable).toBe(1);
    for (let i = 0; i < 7; i += 1) reading.pass(60);
    await reading.turn(true);
    // No node shows the first ledgers, and none will.
    const { length } = await reading.database.rows(
      `UPDATE settlement.history_holes SET noted_at = now() - interval '11 minutes' RETURNING 1`,
    );
    expect(length).toBeGreaterThan(0);
    // The session's run looks when its deadline is over.
    await reading.deps.queue.settle(old.id);
    expect(await stateOf(reading.database, old.id)).toMatchObject({
      status: 'pending',
      attention: ['opening_not_covered'],
    });
  });

  test('the audit complains about an ending that is not of the old ledger', async () => {
    const { id } = await open(5);
    for (let i = 0; i < 5; i += 1) reading.pass(5);
    await reading.turn(true);
    expect(await statusOf(id)).toBe('expired');
    await reset();
    await accept();
    expect((await audit(reading.database.db)).findings).toEqual([]);
    await reading.database.rows(
      `UPDATE settlement.network SET reset_at = now() - interval '1 day'`,
    );
    const { findings } = await audit(reading.database.db);
    expect(new Set(findings.map(({ promise, subject }) => `${promise} ${subject}`))).toEqual(
      new Set([`P4 session ${id}`]),
    );
  });
});

describe('is refused', () => {
  const refused = async (message: string) => {
    const stored = () => reading.database.rows('SELECT * FROM settlement.watched_accounts');
    const before = [await decisionCount(reading.database), await stored()];
    await expect(accept()).rejects.toMatchObject({
      name: 'Refusal',
      message: expect.stringContaining(message),
    });
    expect([await decisionCount(reading.database), await stored()]).toEqual(before);
  };

  test('when nobody has noticed a reset', async () => {
    await open();
    await reading.turn(true);
    await refused('no attention network_reset is open');
  });

  test('on the public network', async () => {
    await open();
    await reading.turn(true);
    await reset();
    await reading.database.rows('UPDATE settlement.network SET passphrase = $1', [PUBLIC]);
    await refused('The public network is never reset');
  });

  test('when HORIZON_URL leads to another network', async () => {
    await open();
    await reading.turn(true);
    await reset();
    await reading.database.rows(`UPDATE settlement.network SET passphrase = 'of somebody else'`);
    await refused('but the database belongs to "of somebody else"');
  });

  test('when Horizon still shows the ledger that was read', async () => {
    await open();
    await reading.turn(true);
    await reading.database.rows(
      `INSERT INTO settlement.attention (subject, kind, detail) VALUES ('network', 'network_reset', 'a worker saw another network')`,
    );
    await refused('with the hash it had: this is the ledger that was read');
  });
});
