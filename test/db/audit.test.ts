/** The audit as a whole: what it reads, whom it judges, how it counts. What it finds of each promise: audit-*.test.ts. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { audit, auditDatabase } from '../../src/db/audit.ts';
import { openSession } from '../../src/db/sessions.ts';
import { parseAmount } from '../../src/domain/money.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { minute, PAYER, txHash, USDC } from '../domain/build.ts';
import { goodDatabase, type Good } from './audited.ts';
import { cover, insertPaymentRow, insertSession, ledgerAt, type StoredSession } from './build.ts';

let good: Good;
let paid: StoredSession;
beforeAll(async () => {
  good = await goodDatabase();
  ({ paid } = good.sessions);
});
afterAll(() => good.close());
const copyOfGood = () => good.copy();
async function emptyDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase({ max: 2 });
  good.closing(database);
  return database;
}

describe('the audit', () => {
  test('finds nothing in a database where everything went right, and says what it read', async () => {
    const database = await copyOfGood();
    expect(await auditDatabase(database.url)).toEqual({
      sessions: 12,
      ledgerPayments: 16,
      events: 15,
      deliveries: 10,
      findings: [],
      more: {},
      foreignWrites: { count: 0, examples: [] },
      // From an hour before minute 0 to the ledger behind minute 31.
      ledgers: 1_094,
      anchors: { count: 1_094, examples: expect.any(Array) },
      waiting: 0,
      excused: {
        found_after_ending: {
          count: 1,
          examples: [
            {
              subject: `session ${good.sessions.honoured.id}`,
              problem: expect.stringContaining('10.0000000 of its 10.0000000 had arrived on time'),
            },
          ],
        },
        placed: {
          count: 1,
          examples: [
            {
              subject: `session ${good.sessions.honoured.id}`,
              problem: expect.stringContaining('counts behind ledger'),
            },
          ],
        },
      },
    });
  });

  test('names a session whose price is no number, and goes on with the others', async () => {
    const database = await copyOfGood();
    await database.rows(`UPDATE checkout_sessions SET amount = 'NaN' WHERE id = $1`, [paid.id]);
    const { sessions, findings } = await audit(database.db);
    expect(sessions).toBe(12);
    expect(findings).toEqual([
      expect.objectContaining({ check: 'unreadable', subject: `session ${paid.id}` }),
    ]);
  });

  test('finds nothing in an empty database', async () => {
    const database = await emptyDatabase();
    expect(await audit(database.db)).toEqual({
      sessions: 0,
      ledgerPayments: 0,
      events: 0,
      deliveries: 0,
      findings: [],
      more: {},
      foreignWrites: { count: 0, examples: [] },
      ledgers: 0,
      anchors: { count: 0, examples: [] },
      waiting: 0,
      excused: {},
    });
  });

  test('does not judge what was settled before the account was watched', async () => {
    const database = await copyOfGood();
    const legacy = await insertSession(database, {
      account: paid.account,
      reference: 'legacy',
      status: 'paid',
      createdAt: minute(-600),
      covered: null,
      active: false,
    });
    await insertPaymentRow(database, legacy, {
      txHash: txHash(1),
      sender: PAYER,
      closedAt: minute(-590),
    });
    expect((await audit(database.db)).findings).toEqual([]);
  });

  test('judges an open session from before it was watched, once it is in care', async () => {
    const database = await copyOfGood();
    const { id } = await insertSession(database, {
      account: paid.account,
      reference: 'older',
      status: 'paid',
      createdAt: minute(-600),
      covered: null,
      active: true,
    });
    expect((await audit(database.db)).findings).toEqual([
      expect.objectContaining({ promise: 'P2', subject: `session ${id}` }),
    ]);
  });

  test('audits more sessions than fit into one statement', async () => {
    const database = await copyOfGood();
    for (let i = 0; i < 210; i += 1) {
      await insertSession(database, {
        account: paid.account,
        merchantId: paid.merchantId,
        reference: `more ${i}`,
      });
    }
    await database.rows(`UPDATE checkout_sessions SET status = 'paid' WHERE memo LIKE 'more %'`);
    const { sessions, findings } = await audit(database.db);
    expect(sessions).toBe(222);
    expect(findings).toHaveLength(210);
  });

  test('keeps a thousand findings of a kind, and counts the rest', async () => {
    const database = await copyOfGood();
    await database.rows(
      `INSERT INTO checkout_sessions (merchant_id, amount, asset_code, receiving_account, memo, status, created_at, expires_at)
       SELECT $1, 10, 'XLM', $2, 'many ' || i, 'paid', now() + interval '1 second', $3 FROM generate_series(1, 1100) i`,
      [paid.merchantId, paid.account, minute(30)],
    );
    const { findings, more } = await audit(database.db);
    expect(findings).toHaveLength(1_000);
    expect(more).toEqual({ paid: 100 });
  });
});

describe('what a session on its way looks like', () => {
  const UNSETTLED = new Set(['event_missing', 'unsettled']);
  /** Its account was read past its deadline; its settle comes in the next transaction. */
  async function covered() {
    const database = await copyOfGood();
    await cover(database, good.sessions.partly.account, -1, 31);
    return database;
  }

  test('is a finding at once for a system at rest', async () => {
    const { findings } = await audit((await covered()).db);
    expect(new Set(findings.map(({ check }) => check))).toEqual(UNSETTLED);
    expect(new Set(findings.map(({ subject }) => subject))).toEqual(
      new Set([`session ${good.sessions.partly.id}`]),
    );
  });

  test('is none when it is settled within the patience of the audit', async () => {
    const database = await covered();
    const auditing = audit(database.db, { patienceMs: 10_000 });
    await settleTogether(database.pool, [good.sessions.partly.id]);
    expect((await auditing).findings).toEqual([]);
  });

  test('is one when it stays so', async () => {
    const database = await covered();
    const { findings } = await audit(database.db, { patienceMs: 100 });
    expect(new Set(findings.map(({ check }) => check))).toEqual(UNSETTLED);
  });
});

test('what an older backend may write is named, and breaks no promise', async () => {
  const database = await copyOfGood();
  const id = randomUUID();
  await openSession(
    database.pool,
    {
      id,
      merchantId: paid.merchantId,
      price: parseAmount('10'),
      asset: USDC,
      receivingAccount: paid.account,
      reference: 'opened',
      askedReference: null,
      expiresAt: minute(30),
      successUrl: null,
      cancelUrl: null,
      metadata: null,
    },
    ledgerAt(-1),
  );
  await database.rows(`UPDATE checkout_sessions SET status = 'expired' WHERE id = $1`, [id]);
  expect(await audit(database.db)).toMatchObject({
    findings: [],
    foreignWrites: {
      count: 1,
      examples: [
        {
          subject: `session ${id}`,
          problem: 'It was changed from pending to expired by somebody else.',
        },
      ],
    },
  });
});

test('the journal cannot be rewritten, by its owner neither', async () => {
  const database = await copyOfGood();
  for (const statement of [
    `UPDATE settlement.session_journal SET cause = 'else'`,
    'DELETE FROM settlement.session_journal',
    'TRUNCATE settlement.session_journal',
  ]) {
    await expect(database.rows(statement)).rejects.toThrow('append-only');
  }
});
