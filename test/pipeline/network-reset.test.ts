import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openFor } from './opened.ts';
import { startReading, type Reading } from './reading.ts';

/** A test network that was reset: the same passphrase, and ledgers from the beginning. */
let reading: Reading;
beforeEach(async () => {
  reading = await startReading('accounts');
});
afterEach(() => reading.close());

async function openOne(): Promise<string> {
  const { sessionId } = await openFor(reading, 60, (await reading.wallet()).address);
  return sessionId;
}

const seen = async (sessionId: string) => {
  const [row] = await reading.database.rows(
    `SELECT (SELECT status FROM checkout_sessions WHERE id = $1) AS status,
       (SELECT kind FROM settlement.attention WHERE subject = 'network') AS attention,
       (SELECT problem FROM settlement.watched_accounts LIMIT 1) AS problem`,
    [sessionId],
  );
  return row;
};

test('is noticed by its head, far below what was read, and nothing ends by it', async () => {
  const id = await openOne();
  await reading.turn();
  await reading.database.rows(
    `INSERT INTO settlement.ledgers (sequence, hash, closed_at, operation_count)
     SELECT 500000, 'f00d', max(closed_at), 0 FROM settlement.ledgers`,
  );
  reading.pass(600);
  await expect(reading.turn()).rejects.toMatchObject({ name: 'NetworkReset' });
  expect(await seen(id)).toEqual({
    status: 'pending',
    attention: 'network_reset',
    problem: expect.stringContaining('ledger 500000 was read before'),
  });
});

test('is noticed by the hash of a ledger, when it has come as far as the old one', async () => {
  const id = await openOne();
  for (let i = 0; i < 5; i += 1) reading.pass(5);
  await reading.turn(true);
  reading.ledger.resetNetwork(reading.ledger.chain.history.latest().sequence - 3);
  for (let i = 0; i < 10; i += 1) reading.pass(60);
  await expect(reading.turn(true)).rejects.toMatchObject({ name: 'NetworkReset' });
  expect(await seen(id)).toMatchObject({ status: 'pending', attention: 'network_reset' });
});

test('is not suspected of a node that lags, or has forgotten old ledgers', async () => {
  const id = await openOne();
  await reading.turn(true);
  for (let i = 0; i < 10; i += 1) reading.pass(60);
  const lag = reading.ledger.faults.set({ kind: 'lag', ledgers: 8 });
  await reading.turn(true);
  reading.ledger.faults.clear(lag);
  reading.ledger.reapBelow(reading.ledger.chain.history.latest().sequence);
  await reading.turn(true).catch((error: Error) => expect(error.name).not.toBe('NetworkReset'));
  expect(await seen(id)).toMatchObject({ attention: null });
});
