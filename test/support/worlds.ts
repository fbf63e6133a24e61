/** Several complete systems that observe one ledger, each with a clock that may be wrong, and everything that they concluded. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { connectSettlement, type SettlementClient } from '../../src/client.ts';
import type { SandboxLedger } from '../../src/sandbox/ledger/start.ts';
import type { Receiver } from '../../src/sandbox/receiver.ts';
import type { TemporalServer } from '../../src/sandbox/temporal-server.ts';
import { startWorker } from '../../src/sandbox/worker-process.ts';
import { SA_TYPES } from '../../src/temporal.ts';
import { SEARCH_ATTRIBUTES } from '../../src/workflows/search-attributes.ts';
import { shiftDatabaseClock, shiftTemporalClock, workerClock } from './clocks.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

/** Which clock is wrong, and by how many milliseconds; null: all are right. */
export type Wrong = { readonly part: 'worker' | 'database' | 'temporal'; readonly ms: number };

/** A database, a namespace and a worker of its own. */
export type World = {
  readonly name: string;
  readonly wrong: Wrong | null;
  readonly database: TestDatabase;
  readonly client: SettlementClient;
  /** What its worker has logged. */
  logged(): string;
  stop(): Promise<void>;
};

/** What all of them share. Their merchant is the same, with the same id. */
export type Shared = {
  readonly ledger: SandboxLedger;
  readonly temporal: TemporalServer;
  readonly receiver: Receiver;
  readonly merchantId: string;
};

/** Starts a world. Its merchant has an endpoint at `/<name>` of the receiver, for every event. */
export async function startWorld(shared: Shared, wrong: Wrong | null): Promise<World> {
  const { ledger, temporal, receiver, merchantId } = shared;
  const name = wrong === null ? 'right' : `${wrong.part}-${wrong.ms > 0 ? 'ahead' : 'behind'}`;
  const msOf = (part: Wrong['part']) => (wrong?.part === part ? wrong.ms : 0);
  const database = await createTestDatabase({ max: 2 });
  if (msOf('database') !== 0) await shiftDatabaseClock(database.url, msOf('database'));
  // A pool keeps connections, and their plans: none is older than the shift, since nobody has asked anything yet.
  await database.rows(
    `WITH m AS (INSERT INTO merchants (id, wallet_address, business_name, email)
       VALUES ($1, 'wallet', 'A shop', 'shop@example.com') RETURNING id)
     INSERT INTO webhook_endpoints (id, merchant_id, url, events, secret)
     SELECT id, id, $2, '["payment.confirmed","session.expired","session.cancelled","payment.exception"]', $3 FROM m`,
    [merchantId, `${receiver.url}/${name}`, 'a'.repeat(64)],
  );
  await makeNamespace(temporal.address, name);
  const proxy =
    msOf('temporal') === 0 ? null : await shiftTemporalClock(temporal.address, msOf('temporal'));
  const address = proxy?.address ?? temporal.address;
  const client = await connectSettlement({ address, namespace: name, answerWithinMs: 60_000 });
  const logFile = join(mkdtempSync(join(tmpdir(), 'settle-test-')), 'worker.log');
  const worker = await startWorker(
    {
      ...process.env,
      ...(msOf('worker') === 0 ? {} : workerClock(msOf('worker'))),
      DATABASE_URL: database.appUrl,
      HORIZON_URL: ledger.url,
      NETWORK_PASSPHRASE: ledger.networkPassphrase,
      HORIZON_REQUESTS_PER_HOUR: '0',
      POLL_INTERVAL_MS: '500',
      WEBHOOK_ALLOW: receiver.host,
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: name,
    },
    logFile,
  );
  return {
    name,
    wrong,
    database,
    client,
    logged: () => readFileSync(logFile, 'utf8'),
    stop: async () => {
      await worker.kill();
      await client.close();
      await Promise.all([proxy?.stop(), database.close()]);
    },
  };
}

/** The server takes a moment to know a new namespace everywhere. */
async function makeNamespace(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({ address });
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
  });
  const searchAttributes = Object.fromEntries(
    SEARCH_ATTRIBUTES.map(({ name, type }) => [name, SA_TYPES[type]]),
  );
  for (const end = Date.now() + 30_000; ; await sleep(100)) {
    try {
      await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
      await connection.workflowService.listWorkflowExecutions({ namespace });
      break;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
  await connection.close();
}

/**
 * Everything that a merchant sees, or that money depends on, as text. Left out, and why:
 * - `created_at`, `decided_at`, `settled_at`, `delivered_at`, attempts and work lists: when we did something, by our own
 *   clocks. No merchant is told of them, and no verdict or ending rests on them.
 * - `processing_since`: what a page shows for two minutes.
 * - `opened_after` of rows that a backend wrote: it is dated by `created_at` where that lengthens the reading.
 */
const CONCLUSIONS = {
  sessions: `SELECT s.id, s.status, s.amount, s.memo, s.expires_at, s.cancel_at, s.closed_through_ledger, s.final_deadline,
      s.legacy, s.payment_id, s.metadata, CASE WHEN j.session_id IS NOT NULL THEN s.opened_after END AS opened_after
    FROM checkout_sessions s LEFT JOIN settlement.session_journal j ON j.session_id = s.id AND j.cause = 'opened' ORDER BY s.id`,
  verdicts: `SELECT lp.tx_hash, lp.op_index, lp.sub_index, lp.ledger, lp.closed_at, lp.account, lp.amount, lp.sender,
      lp.verdict, lp.session_id, lp.placed_after FROM settlement.ledger_payments lp ORDER BY lp.operation_id, lp.sub_index`,
  payments: `SELECT p.id, p.session_id, p.tx_hash, p.amount, p.asset_code, p.sender_address, p.confirmed_at, p.superseded_by
    FROM payments p ORDER BY p.id`,
  events: `SELECT e.id, e.session_id, e.merchant_id, e.type, e.fact, e.body, e.occurred_at FROM settlement.events e ORDER BY e.id`,
  deliveries: `SELECT d.delivery_id, d.session_id, d.event, d.sequence, d.payload, d.status, d.event_id, d.endpoint_id
    FROM webhook_deliveries d ORDER BY d.delivery_id`,
  attention: `SELECT t.subject, t.kind, t.detail FROM settlement.attention t ORDER BY t.subject, t.kind`,
};

/** What a world concluded, by kind: a line for each row. */
export type Conclusions = Readonly<Record<string, readonly string[]>>;

/** Reads what a world concluded, and what its merchant was sent. */
export async function conclusionsOf(world: World, receiver: Receiver): Promise<Conclusions> {
  const read = await Promise.all(
    Object.entries(CONCLUSIONS).map(async ([kind, statement]) => {
      const rows = await world.database.rows<{ line: string }>(
        `SELECT row_to_json(x)::text AS line FROM (${statement}) x`,
      );
      return [kind, rows.map(({ line }) => line)] as const;
    }),
  );
  const posts = receiver.received
    .filter(({ path }) => path === `/${world.name}`)
    .map(({ eventId, deliveryId, body }) => `${eventId} ${deliveryId} ${body}`);
  return {
    ...Object.fromEntries(read),
    posts: [...new Set(posts)].toSorted(),
  };
}

/** By how many milliseconds a world's clocks differ from this process's, as its rows and its log show. */
export async function clocksOf(world: World): Promise<Record<Wrong['part'], number>> {
  const [row] = await world.database.rows<{ written: Date; column: Date; temporal: Date }>(`
    SELECT clock_timestamp() AS written, (SELECT max(created_at) FROM settlement.events) AS column,
      (SELECT max(started_at) FROM settlement.delivery_attempts) AS temporal`);
  const last = world.logged().trim().split('\n').at(-1) ?? '{}';
  const now = Date.now();
  const off = (at: number | undefined) => (at ?? Number.NaN) - now;
  const database = off(row?.written.getTime());
  return {
    worker: off(new Date((JSON.parse(last) as { time: string | number }).time).getTime()),
    // Statements and defaults of columns by the same clock.
    database: Math.abs(database - off(row?.column.getTime())) < 600_000 ? database : Number.NaN,
    temporal: off(row?.temporal.getTime()),
  };
}
