/** Sessions of a reading, opened as its ledger's clock has it. */
import { randomUUID } from 'node:crypto';
import { openSession } from '../../src/activities/open-session.ts';
import { insertMerchant } from '../support/database.ts';
import type { Reading } from './reading.ts';

/** Opens a session of 10 lumens on this account, which lasts for so many seconds of the ledger; a merchant of its own unless given. */
export async function openFor(
  reading: Reading,
  seconds: number,
  receivingAccount: string,
  merchantId?: string,
): Promise<{ sessionId: string; memo: string }> {
  const sessionId = randomUUID();
  const { closedAt } = reading.ledger.chain.history.latest();
  const { memo } = await openSession(reading.deps, {
    sessionId,
    now: new Date(closedAt * 1000).toISOString(),
    request: {
      merchantId: merchantId ?? (await insertMerchant(reading.database)),
      amount: '10',
      asset: { code: 'XLM', issuer: null },
      receivingAccount,
      expiresAt: new Date((closedAt + seconds) * 1000).toISOString(),
    },
  });
  return { sessionId, memo };
}
