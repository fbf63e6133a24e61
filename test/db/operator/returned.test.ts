import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { openSession } from '../../../src/activities/open-session.ts';
import { audit } from '../../../src/db/audit.ts';
import { storeFindings } from '../../../src/db/inbox.ts';
import { provenReturn } from '../../../src/db/operator/returned.ts';
import { explainPayments } from '../../../src/db/payments.ts';
import { requestCancel } from '../../../src/activities/request-cancel.ts';
import { muxedAddress } from '../../../src/horizon/address.ts';
import { createHorizonSource } from '../../../src/horizon/source.ts';
import { paymentTo, type SandboxWallet } from '../../../src/sandbox/ledger/wallet.ts';
import { startSandboxLedger } from '../../../src/sandbox/ledger/start.ts';
import { startReading, type Reading } from '../../pipeline/reading.ts';
import { insertMerchant } from '../../support/database.ts';
import { heldPayments } from '../../../certify/parts/held-list.ts';
import { stateOf } from '../build.ts';
import { ANN, decisionCount, decisions, decisionsAt, letSleep, toWake } from './journals.ts';

let reading: Reading;
let merchantId: string;
let shop: SandboxWallet;
let customer: SandboxWallet;
let friend: SandboxWallet;
let usdc: string;

beforeAll(async () => {
  reading = await startReading('accounts');
  merchantId = await insertMerchant(reading.database);
  shop = await reading.wallet();
  customer = await reading.wallet();
  friend = await reading.wallet();
  usdc = `USDC:${friend.address}`;
  for (const wallet of [shop, customer]) await wallet.trust(usdc);
  await friend.pay(customer.address, '1000', usdc);
  await friend.pay(shop.address, '1000', usdc);
  for (let i = 0; i < 15; i += 1) reading.pass(1);
  // From here on the shop's account is watched.
  await open();
});
afterAll(() => reading.close());
beforeEach(() => letSleep(reading.database));

/** A session of 10 lumens that lasts a minute of the ledger's time. */
async function open(): Promise<{ id: string; memo: Memo; reference: string }> {
  const id = randomUUID();
  const at = reading.ledger.chain.history.latest().closedAt * 1000;
  const { memo } = await openSession(reading.deps, {
    sessionId: id,
    now: new Date(at).toISOString(),
    request: {
      merchantId,
      amount: '10',
      asset: { code: 'XLM', issuer: null },
      receivingAccount: shop.address,
      expiresAt: new Date(at + 60_000).toISOString(),
    },
  });
  return { id, memo: Memo.id(memo), reference: memo };
}

/** Pays into the shop and has it judged. Returns the payment's key. */
async function received(memo: Memo, amount = '10', asset = 'native'): Promise<string> {
  const { hash } = await customer.pay(shop.address, amount, asset, { memo });
  await reading.turn();
  return `${hash}:0:0`;
}
const nobody = () => received(Memo.text('typo'));
const refund = async (amount: string, to = customer.address, asset = 'native') =>
  (await shop.pay(to, amount, asset)).hash;
const claim = (payment: string, txHash: string, to: string | null = null) =>
  provenReturn(reading.database, reading.deps.source, { payment, txHash, to }, ANN);
const heldNow = async () => (await heldPayments(reading.database.db)).map((h) => h.payment);

describe('held money is resolved as returned', () => {
  test('though the session that it was credited to was deleted', async () => {
    const session = await open();
    const payment = await received(session.memo, '4');
    await expect(claim(payment, await refund('4'))).rejects.toThrow('Nothing of');
    await reading.database.rows('DELETE FROM checkout_sessions WHERE id = $1', [session.id]);
    expect(await heldNow()).toContain(payment);
    expect(await claim(payment, await refund('4'))).toMatchObject({ held: '4.0000000' });
    expect(await heldNow()).not.toContain(payment);
  });

  test('when the ledger shows it going back to the payer', async () => {
    const payment = await nobody();
    expect(await heldNow()).toContain(payment);
    const hash = await refund('10');
    expect(await claim(payment, hash)).toEqual({
      payment,
      provenBy: `${hash}:0:0`,
      held: '10.0000000',
      returned: '10.0000000',
      asset: 'native',
      to: customer.address,
    });
    expect(await heldNow()).not.toContain(payment);
    const [explained] = await explainPayments(reading.database.db, payment.split(':')[0] ?? '');
    expect(explained?.next).toContain('An operator has resolved it');
    const [row] = await reading.database.rows(
      `SELECT resolved_by, resolution, resolved_at IS NOT NULL AS resolved FROM settlement.ledger_payments
       WHERE concat_ws(':', tx_hash, op_index, sub_index) = $1`,
      [payment],
    );
    expect(row).toEqual({
      resolved: true,
      resolved_by: 'ann',
      resolution: `returned in ${hash}:0:0: the customer called`,
    });
    expect(await decisions(reading.database, `payment ${payment}`)).toMatchObject([
      {
        actor: 'ann',
        action: 'payment returned',
        detail: { held: '10.0000000', before: { verdict: 'unmatched', sessionId: null } },
      },
    ]);
  });

  test('the surplus alone, where the rest is the price of a paid session', async () => {
    const session = await open();
    const payment = await received(session.memo, '12.5');
    expect(await claim(payment, await refund('2.5'))).toMatchObject({ held: '2.5000000' });
    await reading.turn();
    expect(await stateOf(reading.database, session.id)).toMatchObject({
      status: 'paid',
      attention: [],
    });
    expect(await decisionsAt(reading.database, session.id)).toMatchObject([
      { cause: 'payment returned', actor: 'ann', detail: { held: '2.5000000' } },
    ]);
  });

  test('what came beside, to a muxed address of the payer, with more than is held', async () => {
    const session = await open();
    await received(session.memo);
    const second = await received(session.memo);
    const hash = await refund('10.01', muxedAddress(customer.address, 7n));
    expect(await claim(second, hash)).toMatchObject({ returned: '10.0100000' });
  });

  test('to somebody else whom the operator names', async () => {
    const payment = await nobody();
    const hash = await refund('10', friend.address);
    expect(await claim(payment, hash, friend.address)).toMatchObject({ to: friend.address });
  });

  test('several of them by one transaction, a movement for each', async () => {
    const [one, two] = [await nobody(), await nobody()];
    const { hash } = await shop.run([
      paymentTo(customer.address, '10'),
      paymentTo(customer.address, '11'),
    ]);
    expect(await claim(one, hash)).toMatchObject({ provenBy: `${hash}:0:0` });
    expect(await claim(two, hash)).toMatchObject({ provenBy: `${hash}:1:0` });
  });

  test('by the inner hash of a fee bump, or a transfer of the asset’s contract', async () => {
    const [one, two] = [await nobody(), await nobody()];
    const inner = await shop.build([paymentTo(customer.address, '10')]);
    const { hash } = await shop.submit(friend.bump(inner));
    const innerHash = Buffer.from(inner.hash()).toString('hex');
    expect(await claim(one, innerHash)).toMatchObject({ provenBy: `${hash}:0:0` });
    const transfer = await shop.contractTransfer(customer.address, '10');
    expect(await claim(two, transfer.hash)).toMatchObject({ returned: '10.0000000' });
  });

  test('and the attention that it caused goes with it', async () => {
    const session = await open();
    const { hash } = await customer.pay(shop.address, '10', 'native', { memo: session.memo });
    // On time, but Horizon shows it only after everybody was told that the session is cancelled.
    reading.ledger.nodes.set([{ name: 'filters', filter: { accounts: [friend.address] } }]);
    await requestCancel(reading.deps, { sessionId: session.id, now: '' });
    for (let i = 0; i < 20; i += 1) reading.pass(10);
    await reading.turn(true);
    expect((await stateOf(reading.database, session.id)).status).toBe('cancelled');
    reading.ledger.nodes.clear();
    const found = await reading.deps.source.transaction(hash, new Set([shop.address]));
    if (found.kind === 'not_found') throw new Error('The ledger does not have it.');
    await storeFindings(reading.database.pool, found);
    await reading.turn();
    const state = await stateOf(reading.database, session.id);
    expect(state).toMatchObject({
      verdicts: ['after_cancellation'],
      attention: ['paid_after_cancellation'],
    });
    await letSleep(reading.database);
    await claim(`${hash}:0:0`, await refund('10'));
    expect(await toWake(reading.database)).toEqual(new Set([session.id]));
    await reading.deps.queue.settle(session.id);
    expect((await stateOf(reading.database, session.id)).attention).toEqual([]);
  });

  test('and the audit stays green', async () => {
    expect((await audit(reading.database.db)).findings).toEqual([]);
  });
});

describe('is refused, and nothing is written', () => {
  const refused = async (asked: Promise<unknown>, message: string) => {
    const before = await decisionCount(reading.database);
    await expect(asked).rejects.toMatchObject({
      name: 'Refusal',
      message: expect.stringContaining(message),
    });
    expect(await decisionCount(reading.database)).toBe(before);
  };

  test('what is no transaction, not on the ledger, or failed', async () => {
    const payment = await nobody();
    await refused(claim(payment, 'beef'), 'Not a transaction hash');
    await refused(claim(payment, 'f'.repeat(64)), 'Horizon does not show transaction');
    const failed = await shop.pay(customer.address, '999999999');
    expect(failed.successful).toBe(false);
    await refused(claim(payment, failed.hash), 'failed: it moved nothing');
    expect(await heldNow()).toContain(payment);
  });

  test('what pays somebody else, or comes from somebody else', async () => {
    const payment = await nobody();
    await refused(
      claim(payment, await refund('10', friend.address)),
      `moved nothing from ${shop.address} to ${customer.address}: name the receiver with --to`,
    );
    const { hash } = await friend.pay(customer.address, '10');
    await refused(claim(payment, hash), `${customer.address} was paid by ${friend.address} there`);
    await refused(claim(payment, hash, 'GNOBODY'), '--to: not an address');
  });

  test('another asset, or too little', async () => {
    const payment = await nobody();
    await refused(
      claim(payment, await refund('10', customer.address, usdc)),
      `returned 10.0000000 ${usdc}, but what is held is native`,
    );
    await refused(
      claim(payment, await refund('9.9999999')),
      'returned 9.9999999, but 10.0000000 native is held',
    );
  });

  test('what is older than the payment', async () => {
    const hash = await refund('10');
    reading.pass(5);
    await refused(claim(await nobody(), hash), 'before the payment came');
  });

  test('a movement that has proven another return', async () => {
    const [one, two] = [await nobody(), await nobody()];
    const hash = await refund('10');
    await claim(one, hash);
    await refused(claim(two, hash), `is already the proof that ${one} was returned`);
  });

  test('a second of two that claim one movement in the same moment', async () => {
    const [one, two] = [await nobody(), await nobody()];
    const hash = await refund('10');
    const results = await Promise.allSettled([claim(one, hash), claim(two, hash)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await heldNow()).filter((key) => key === one || key === two)).toHaveLength(1);
  });

  test('what was resolved before, or is not known', async () => {
    const payment = await nobody();
    const hash = await refund('10');
    await claim(payment, hash);
    await refused(claim(payment, await refund('10')), `by ann: returned in ${hash}:0:0`);
    await refused(claim(`${'f'.repeat(64)}:0:0`, hash), 'has been read');
  });

  test('what counts: the price of a paid session, a part of an open one; and what is not judged', async () => {
    const [paid, partly] = [await open(), await open()];
    const price = await received(paid.memo);
    const part = await received(partly.memo, '4');
    const hash = await refund('10');
    await refused(claim(price, hash), `part of what session ${paid.id}`);
    await refused(claim(part, hash), `part of what session ${partly.id}`);
    const zero = `${(await customer.contractTransfer(shop.address, '0')).hash}:0:0`;
    await reading.turn();
    await reading.database.rows(
      `UPDATE settlement.ledger_payments SET verdict = NULL WHERE tx_hash = $1`,
      [price.split(':')[0]],
    );
    await refused(claim(price, hash), 'has not been judged yet');
    await refused(claim(zero, await refund('10')), 'its amount is zero');
  });

  test('what another network shows', async () => {
    const other = await startSandboxLedger({ networkPassphrase: 'Another network' });
    const source = createHorizonSource({ url: other.url, requestsPerHour: 0 });
    const payment = await nobody();
    await refused(
      provenReturn(
        reading.database,
        source,
        { payment, txHash: await refund('10'), to: null },
        ANN,
      ),
      'HORIZON_URL serves the network "Another network"',
    );
    await Promise.all([source.close(), other.stop()]);
  });

  test('when Horizon does not answer, nothing is said about the ledger', async () => {
    const payment = await nobody();
    const hash = await refund('10');
    const fault = reading.ledger.faults.set({ kind: 'server_error' });
    await expect(claim(payment, hash)).rejects.toMatchObject({ name: 'HorizonUnavailable' });
    reading.ledger.faults.clear(fault);
    await claim(payment, hash);
  });
});
