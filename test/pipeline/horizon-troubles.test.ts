import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Keypair, Memo } from '@stellar/stellar-sdk';
import { auditDatabase } from '../../src/db/audit.ts';
import type { Fault } from '../../src/sandbox/ledger/faults.ts';
import type { SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { openFor } from './opened.ts';
import { startReading, type Reading } from './reading.ts';

/** Horizon as it really is: whatever it does, nobody is late by it, nothing ends by it, and nothing is lost. */
let reading: Reading;
let shop: SandboxWallet;
let customer: SandboxWallet;
beforeEach(async () => {
  reading = await startReading('accounts', 0, null, 1_000);
  [shop, customer] = [await reading.wallet(), await reading.wallet()];
});
afterEach(async () => {
  const { findings } = await auditDatabase(reading.database.url);
  await reading.close();
  expect(findings).toEqual([]);
});

/** A session of 10 lumens that lasts a minute of the ledger. */
async function open(account = shop.address) {
  const { sessionId: id, memo } = await openFor(reading, 60, account);
  return { id, memo };
}
const pay = (memo: string) => customer.pay(shop.address, '10', 'native', { memo: Memo.id(memo) });
const statusOf = async (id: string) => {
  const [row] = await reading.database.rows<{ status: string }>(
    'SELECT status FROM checkout_sessions WHERE id = $1',
    [id],
  );
  return row?.status;
};
const problemOf = async (account: string) => {
  const [row] = await reading.database.rows<{ problem: string | null }>(
    'SELECT problem FROM settlement.watched_accounts WHERE account = $1',
    [account],
  );
  return row?.problem ?? null;
};
/** A turn that may fail altogether, as it does when even the root document is not to be had. */
const turn = () => reading.turn().catch(() => undefined);

const OUTAGES: Fault[] = [
  { kind: 'rate_limited', times: 2 },
  { kind: 'stale_history' },
  { kind: 'over_capacity' },
  { kind: 'timeout' },
  { kind: 'server_error' },
  { kind: 'hang' },
  { kind: 'disconnect' },
  { kind: 'disconnect', half: true },
  { kind: 'truncated' },
];

describe('an outage across the deadline', () => {
  test.each(OUTAGES)('%j makes nobody late and ends nothing', async (fault) => {
    const [paid, unpaid] = [await open(), await open()];
    await reading.turn();
    await pay(paid.memo);
    reading.ledger.faults.set(fault);
    reading.pass(300);
    await turn();
    await turn();
    expect([await statusOf(paid.id), await statusOf(unpaid.id)]).toEqual(['pending', 'pending']);
    reading.ledger.faults.clear();
    await reading.turn();
    await reading.turn();
    expect([await statusOf(paid.id), await statusOf(unpaid.id)]).toEqual(['paid', 'expired']);
    expect(await problemOf(shop.address)).toBeNull();
  });
});

describe('a node that is not where it was', () => {
  test('lags: proves nothing beyond its own head', async () => {
    const { id } = await open();
    await reading.turn();
    reading.pass(30);
    reading.pass(120);
    const lag = reading.ledger.faults.set({ kind: 'lag', ledgers: 1 });
    await reading.turn();
    expect(await statusOf(id)).toBe('pending');
    reading.ledger.faults.clear(lag);
    await reading.turn();
    expect(await statusOf(id)).toBe('expired');
  });

  test('repeats a page: it is not believed, the operator sees it, and nothing is stored twice', async () => {
    // The other one keeps the account among those that are read each turn.
    const [{ id, memo }] = [await open(), await open()];
    await pay(memo);
    await reading.turn();
    const repeat = reading.ledger.faults.set({ kind: 'repeat_page', path: '/payments' });
    await reading.turn();
    expect(await problemOf(shop.address)).toContain('it is not believed');
    reading.ledger.faults.clear(repeat);
    await reading.turn();
    expect(await statusOf(id)).toBe('paid');
    expect(await problemOf(shop.address)).toBeNull();
  });

  test('is one of two that are out of step: the later one is waited for', async () => {
    const [paid, unpaid] = [await open(), await open()];
    await reading.turn();
    await pay(paid.memo);
    reading.pass(30);
    reading.pass(120);
    reading.ledger.faults.set({ kind: 'two_nodes', ledgers: 2 });
    for (let i = 0; i < 6; i += 1) {
      await turn();
      const state = await statusOf(unpaid.id);
      // Whichever node answered: an ending is only ever told with the payment in sight.
      if (state === 'expired') expect(await statusOf(paid.id)).toBe('paid');
    }
    reading.ledger.faults.clear();
    await reading.turn();
    expect([await statusOf(paid.id), await statusOf(unpaid.id)]).toEqual(['paid', 'expired']);
  });

  test('has forgotten what was not read yet: the account is not read on, and nothing is skipped', async () => {
    const { id, memo } = await open();
    await reading.turn();
    await pay(memo);
    reading.pass(30);
    reading.pass(120);
    reading.ledger.reapBelow(reading.ledger.chain.history.latest().sequence);
    await reading.turn();
    expect(await problemOf(shop.address)).toContain(
      'Point HORIZON_URL at a Horizon with older history',
    );
    expect(await statusOf(id)).toBe('pending');
  });
});

describe('an account', () => {
  test('that does not exist yet is paid by the create_account that makes it', async () => {
    const unborn = Keypair.random().publicKey();
    const { id, memo } = await open(unborn);
    await reading.turn();
    await customer.createAccount(unborn, '10', { memo: Memo.id(memo) });
    reading.pass(5);
    await reading.turn();
    expect(await statusOf(id)).toBe('paid');
  });

  test('that is never made expires its session all the same', async () => {
    const { id } = await open(Keypair.random().publicKey());
    await reading.turn();
    reading.pass(30);
    reading.pass(120);
    await reading.turn();
    expect(await statusOf(id)).toBe('expired');
  });
});
