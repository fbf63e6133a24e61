/** The ledger that an ending names does not depend on where the chain of ledgers begins. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { auditDatabase } from '../../src/db/audit.ts';
import { storeAnchor, storeRun } from '../../src/db/ledgers.ts';
import { openSession } from '../../src/db/sessions.ts';
import { registerAccount } from '../../src/db/watching.ts';
import { HeaderRun } from '../../src/domain/evidence.ts';
import { headerOf } from '../domain/headers.ts';
import { startReading, type Reading } from '../pipeline/reading.ts';
import { insertMerchant } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';

let reading: Reading;
beforeAll(async () => {
  reading = await startReading('accounts');
});
afterAll(() => reading.close());

const header = (sequence: number) =>
  headerOf(sequence, { closedAt: new Date(Date.UTC(2026, 10, 28, 0, 55, sequence - 57)) });

test('a session that was opened behind its deadline ends with the same ledger when the chain is read back', async () => {
  const { database } = reading.deps;
  await database.pool.query('DELETE FROM settlement.ledgers');
  await storeAnchor(database.db, header(62));
  const account = (await reading.wallet()).address;
  const merchantId = await insertMerchant(reading.database);
  const id = randomUUID();
  await registerAccount(database.db, { account, start: { afterLedger: 62, known: null } });
  await openSession(
    database.pool,
    {
      id,
      merchantId,
      price: 10n,
      asset: { code: 'XLM', issuer: null },
      receivingAccount: account,
      reference: '1',
      askedReference: null,
      expiresAt: new Date('2026-11-28T00:55:03.419Z'),
      successUrl: null,
      cancelUrl: null,
      metadata: null,
    },
    62,
  );
  await settleTogether(database.pool, [id]);
  const back = HeaderRun.before(header(62), [62, 61, 60, 59].map(header));
  if (back !== null) await storeRun(database, back, { isAnchor: true });
  await settleTogether(database.pool, [id]);
  const on = HeaderRun.after(header(62), [62, 63, 64].map(header));
  if (on !== null) await storeRun(database, on);
  await settleTogether(database.pool, [id]);
  const { findings } = await auditDatabase(reading.database.url);
  const rows = await reading.database.rows<{ through: number }>(
    'SELECT closed_through_ledger::int AS through FROM checkout_sessions WHERE id = $1',
    [id],
  );
  expect(rows).toEqual([{ through: 63 }]);
  expect(findings.map(({ problem }) => problem)).toEqual([]);
});
