/** Whatever text comes from outside can be stored: on the real database, for each function that stores some. */
import { beforeAll, afterAll, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { disableEndpoint, finishAttempt, startAttempt } from '../../src/db/attempts.ts';
import { noteReset } from '../../src/db/checkpoint.ts';
import { nextDeliveries } from '../../src/db/deliveries.ts';
import { merchantEndpointId } from '../../src/db/ids.ts';
import { storeFindings } from '../../src/db/inbox.ts';
import { decidedBy, writeDown, writeDownAtSessions } from '../../src/db/operator/decision.ts';
import { disableEndpointBy, endpoints } from '../../src/db/operator/endpoints.ts';
import { lastRun, recordRun } from '../../src/db/reconcile-runs.ts';
import { recordAnswer, recordReport } from '../../src/db/reports.ts';
import type { AfterAttempt, PostOutcome } from '../../src/domain/delivery.ts';
import type { ReconcileReport } from '../../src/domain/discrepancy.ts';
import { reasonOf } from '../../src/domain/failure.ts';
import { storable } from '../../src/domain/text.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { minute, txHash } from '../domain/build.ts';
import { insertSession, receive, type StoredSession } from './build.ts';

let database: TestDatabase;
let session: StoredSession;
beforeAll(async () => {
  database = await createTestDatabase();
  session = await insertSession(database);
  await receive(database, session, '10');
  await settleTogether(database.pool, [session.id]);
});
afterAll(() => database.close());

/** Any sequence of UTF-16 units, halves of pairs and NUL among them, also where something might cut it. */
const anyText = fc
  .tuple(
    fc.constantFrom(0, 199, 299, 999),
    fc.array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0, 0xd83d, 0xde00)), {
      maxLength: 20,
    }),
  )
  .map(([before, units]) => 'x'.repeat(before) + String.fromCharCode(...units));
const forAnyText = (stores: (text: string) => Promise<unknown>) =>
  fc.assert(
    fc.asyncProperty(anyText, async (text) => void (await stores(text))),
    { numRuns: 60, examples: [[`${'x'.repeat(299)}😀 is down`], ['\0'], ['\ud83d']] },
  );

test.each<{ what: string; outcome: (detail: string) => PostOutcome; next: AfterAttempt }>([
  {
    what: 'answered and to be sent again',
    outcome: (detail) => ({ kind: 'answered', status: 500, retryAfterMs: null, detail }),
    next: { kind: 'retry', at: minute(50) },
  },
  {
    what: 'not answered and given up',
    outcome: (detail) => ({ kind: 'failed', detail }),
    next: { kind: 'dead', reason: 'max_attempts' },
  },
  {
    what: 'refused and to be sent again',
    outcome: (detail) => ({ kind: 'refused', detail }),
    next: { kind: 'retry', at: minute(50) },
  },
  {
    what: 'accepted',
    outcome: (detail) => ({ kind: 'answered', status: 200, retryAfterMs: null, detail }),
    next: { kind: 'delivered' },
  },
])('an attempt that was $what', async ({ outcome, next }) => {
  await forAnyText(async (text) => {
    await database.rows(
      `UPDATE webhook_deliveries SET status = 'pending', attempts = 0 WHERE session_id = $1`,
      [session.id],
    );
    const [head] = await nextDeliveries(database.db, session.id);
    if (!head) throw new Error('Nothing is open.');
    const attempt = (await startAttempt(database.db, head, minute(40)))?.attempt ?? 0;
    const now = minute(41);
    await finishAttempt(database.db, head, {
      attempt,
      outcome: outcome(text),
      next,
      now,
      durationMs: 1,
    });
    const [row] = await database.rows(
      `SELECT d.status, a.detail, a.finished_at, d.attempt_log->-1->>'error' AS error
       FROM webhook_deliveries d JOIN settlement.delivery_attempts a USING (delivery_id)
       WHERE d.session_id = $1 AND a.attempt = $2`,
      [session.id, attempt],
    );
    const status = { delivered: 'delivered', retry: 'failed', dead: 'dead' }[next.kind];
    const detail = storable(text, 1_000);
    const error = next.kind === 'delivered' ? null : `${outcome('').kind}: ${detail}`;
    expect(row).toEqual({ status, detail, finished_at: now, error });
  });
});

test('why an endpoint was disabled, by a machine or by a person', async () => {
  const of = {
    endpointId: merchantEndpointId(session.merchantId),
    merchantId: session.merchantId,
    decisions: 0,
  };
  await forAnyText((text) => disableEndpoint(database.db, of, text));
  await forAnyText(async (text) => {
    const by = decidedBy(`ann${text}`, `why${text}`);
    await disableEndpointBy(database.pool, of.endpointId, by);
    const found = (await endpoints(database.db)).find((e) => e.endpointId === of.endpointId);
    expect(found?.disabledReason).toBe(`By ${by.actor}: ${by.reason}`);
  });
});

test('what a person decided, with all details', async () => {
  await forAnyText(async (text) => {
    const by = decidedBy(`ann${text}`, `why${text}`);
    const entry = { action: 'tried', subject: 'network', detail: { [text]: [text] } };
    await writeDown(database.db, by, entry);
    await writeDownAtSessions(database.db, by, [session.id], entry);
  });
});

test('the report of a run of reconciliation', async () => {
  await forAnyText(async (text) => {
    const report = {
      startedAt: new Date().toISOString(),
      thorough: false,
      failed: { overdue: text },
    } as unknown as ReconcileReport;
    await recordRun(database.db, report);
    expect((await lastRun(database.db))?.report.failed).toEqual({ overdue: storable(text) });
  });
});

test('that the network was reset', async () => {
  await forAnyText(async (text) => {
    await noteReset(database.db, text, null);
    const [row] = await database.rows(`SELECT DISTINCT problem FROM settlement.watched_accounts`);
    expect(row).toEqual({ problem: storable(text) });
  });
});

test('a record that cannot be read, and why', async () => {
  await forAnyText(async (text) => {
    const operationId = `${randomUUID()}${text}`;
    const { account } = session;
    const record = { account, operationId, ledger: 1, raw: text, problem: text };
    await storeFindings(database.pool, { payments: [], undecoded: [record] });
    const [row] = await database.rows(
      'SELECT raw, problem FROM settlement.parked_records WHERE account = $1 AND operation_id = $2',
      [account, storable(operationId)],
    );
    expect(row).toEqual({ raw: storable(text), problem: storable(text) });
  });
});

test('the answer to a report', async () => {
  await forAnyText(async (text) => {
    const times = (await recordReport(database.db, session.id, txHash(7))) ?? 0;
    const report = { sessionId: session.id, txHash: txHash(7), times };
    await recordAnswer(database.db, report, text, null);
  });
});

test('the reason of any error', async () => {
  await forAnyText(async (text) => {
    for (const error of [
      new Error(text),
      text,
      new Error('Failed query: x', { cause: new Error(text) }),
    ]) {
      const { rows } = await database.pool.query('SELECT $1::text AS reason', [reasonOf(error)]);
      expect(rows).toEqual([{ reason: storable(text) }]);
    }
  });
});
