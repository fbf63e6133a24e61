import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { openFor } from './opened.ts';
import { startReading, type Reading } from './reading.ts';

/** A reset of a network so young that its new head is not far below the old one, and no old ledger can be compared yet. */
let reading: Reading;
beforeEach(async () => {
  reading = await startReading('accounts');
});
afterEach(() => reading.close());

async function openOne(account: string): Promise<{ id: string; memo: string }> {
  const { sessionId: id, memo } = await openFor(reading, 60, account);
  return { id, memo };
}

const statusOf = async (id: string) => {
  const [row] = await reading.database.rows<{ status: string }>(
    'SELECT status FROM checkout_sessions WHERE id = $1',
    [id],
  );
  return row?.status;
};

test.each([false, true])(
  'the new entry of an account is no proof about the old ledgers (thorough: %s)',
  async (thorough) => {
    const shop = await reading.wallet();
    for (let i = 0; i < 20; i += 1) reading.pass(1);
    const { id } = await openOne(shop.address);
    await reading.turn(true);
    reading.ledger.resetNetwork();
    // What was paid on the old network since is not to be read any more; on the new one the account is made again.
    await reading.ledger.fund(shop.address, '100');
    for (let i = 0; i < 5; i += 1) reading.pass(60);
    await expect(reading.turn(thorough)).rejects.toMatchObject({ name: 'NetworkReset' });
    expect(await statusOf(id)).toBe('pending');
    const [attention] = await reading.database.rows('SELECT kind FROM settlement.attention');
    expect(attention).toEqual({ kind: 'network_reset' });
  },
);

test('a node that is behind, at a head that closed before what was read, is only behind', async () => {
  const [shop, customer] = [await reading.wallet(), await reading.wallet()];
  const { id, memo } = await openOne(shop.address);
  await customer.pay(shop.address, '4', 'native', { memo: Memo.id(memo) });
  await reading.turn(true);
  reading.ledger.faults.set({ kind: 'lag', ledgers: 2 });
  await reading.turn();
  expect(await statusOf(id)).toBe('pending');
  expect(await reading.database.rows('SELECT kind FROM settlement.attention')).toEqual([]);
});
