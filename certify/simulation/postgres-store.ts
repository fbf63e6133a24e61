/**
 * PostgreSQL itself, written to by the product's own code: its pages, its settle transaction, its outbox. A death is an
 * error at a statement, and the connection is gone; a COMMIT in doubt is made by the proxy in between.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { pino } from 'pino';
import { finishAttempt, startAttempt } from '../../src/db/attempts.ts';
import { connect, type Database } from '../../src/db/connection.ts';
import { nextDeliveries } from '../../src/db/deliveries.ts';
import { advanceChain, type ChainDeps } from '../../src/activities/watch/chain.ts';
import { takeSeen, unseenSessions } from '../../src/db/care.ts';
import { proven, storeUnmoved } from '../../src/db/coverage.ts';
import { storePage, storeWhole } from '../../src/db/inbox.ts';
import { ledgerHeaders, newestLedger } from '../../src/db/ledgers.ts';
import { openSession, requestCancel } from '../../src/db/sessions.ts';
import { settleOnce } from '../../src/db/settle.ts';
import { errorCode } from '../../src/db/sqlstate.ts';
import { registerAccount, watchedAccount } from '../../src/db/watching.ts';
import { markUnmatched } from '../../src/db/worklists.ts';
import { afterAttempt } from '../../src/domain/delivery.ts';
import { assetKey } from '../../src/domain/asset.ts';
import {
  AccountEntries,
  HeaderRun,
  WholeLedger,
  type LedgerName,
} from '../../src/domain/evidence.ts';
import { AccountPage } from '../../src/domain/account-page.ts';
import { parseAmount } from '../../src/domain/money.ts';
import type { PostgresProxy } from '../parts/postgres-proxy.ts';
import { ASSETS, SESSIONS, type Death } from './schedule.ts';
import type { FinalSession, Store, ToyPage } from './store.ts';
import type { ToyEntries, ToyLedger, ToyNode } from './toy-ledger.ts';

/** The database that all schedules share: through the proxy, and past it. */
export type Ground = {
  readonly proxied: Database;
  readonly direct: Database;
  readonly proxy: PostgresProxy;
  readonly merchantId: string;
};

/** The process dies here. */
class Died extends Error {}

const SERIALIZATION_FAILURE = '40001';

/**
 * A settle that lost to others eight times in a row fails its activity, and Temporal runs it again; four schedules at once
 * on one database come to that. Nothing else is run again.
 */
async function untilTaken(work: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return void (await work());
    } catch (error) {
      if (errorCode(error) !== SERIALIZATION_FAILURE || tries === 50) throw error;
    }
  }
}

/** Opens the schedule's sessions, on an account of its own. */
export async function createPostgresStore(
  { proxied, direct, proxy, merchantId }: Ground,
  ledger: ToyLedger,
): Promise<Store> {
  const { account } = ledger;
  const begin = ledger.begin.header;
  const sessionIds = SESSIONS.map(() => randomUUID());
  const start = { afterLedger: begin.sequence, known: ledger.creation };
  await advanceChain(chainDeps(direct, () => ledger.node({ behind: 0, lacks: 0, torn: 0 })));
  await registerAccount(direct.db, { account, start });
  for (const [i, { price, asset, seconds }] of SESSIONS.entries()) {
    await openSession(
      direct.pool,
      {
        id: sessionIds[i] ?? '',
        merchantId,
        price,
        asset: ASSETS[asset],
        receivingAccount: account,
        reference: String(i + 1),
        askedReference: null,
        expiresAt: new Date(begin.closedAt.getTime() + (seconds + 1) * 1000),
        successUrl: null,
        cancelUrl: null,
        metadata: null,
      },
      begin.sequence,
    );
  }
  const id = (i: number) => sessionIds[i] ?? '';

  /** Does the work as a process that meets its death, or a COMMIT in doubt, does it. */
  const meeting = async (
    death: Death,
    work: (pool: Database) => Promise<unknown>,
  ): Promise<void> => {
    if (death === 'before') return;
    if (death === null || death === 'after') return untilTaken(() => work(direct));
    const fault = {
      inside: 'request lost',
      'commit lost': 'disk full',
      'commit unknown': 'answer lost',
    } as const;
    const next = proxy.breakNextCommit(fault[death]);
    try {
      await work(death === 'inside' ? mortal(proxied) : proxied);
    } catch (error) {
      // READ COMMITTED work is not run again by itself: the next turn of the watcher does it.
      const { message, code } = error as { message: string; code?: string };
      const expected =
        error instanceof Died ||
        errorCode(error) === SERIALIZATION_FAILURE ||
        /terminated|ECONNRESET|No space left/.test(`${message} ${code}`) ||
        /terminated|No space left/.test(String((error as Error).cause));
      if (!expected) throw error;
    } finally {
      next.callOff();
    }
  };

  return {
    sessionIds,
    advance: async (ask) => {
      await advanceChain(chainDeps(direct, ask));
      const unseen = await unseenSessions(direct.db, NO_ID);
      await takeSeen(
        direct.db,
        unseen.map((session) => session.id),
      );
    },
    newest: async () => (await newestLedger(direct.db))?.sequence ?? begin.sequence,
    start: async () => {
      const watched = (await watchedAccount(direct.db, account))?.start ?? start;
      return { ...watched, known: watched.known ?? ledger.creation };
    },
    storePage: async (page, death) => {
      const evidence = pageOf(ledger, page);
      if (evidence !== null) await meeting(death, ({ pool }) => storePage(pool, evidence));
    },
    storeWhole: async (sequence, node, death) => {
      const [header] = await ledgerHeaders(direct.db, [sequence]);
      if (header === undefined) return;
      const payments = node.operationsOf(sequence);
      const counted = payments.map((p) => ({ id: BigInt(p.operationId), closedAt: p.closedAt }));
      const decoded = { payments, undecoded: [] };
      const whole = WholeLedger.of(header, new Set([account]), counted, decoded);
      if (whole !== null) await meeting(death, ({ pool }) => storeWhole(pool, whole));
    },
    storeUnmoved: async (shown) => {
      const newest = (await newestLedger(direct.db))?.sequence ?? begin.sequence;
      const entries = entriesOf(ledger, shown);
      for (const asset of [ASSETS.native, ASSETS.usdc].map(assetKey)) {
        const unmoved = entries.unmoved(asset);
        if (unmoved !== null) await storeUnmoved(direct.db, account, unmoved, newest);
      }
    },
    unproven: async (asset, through) => {
      const known = proven(sql`${account}::text`, sql`${assetKey(ASSETS[asset])}::text`);
      const { rows } = await direct.db.execute<{ n: number }>(sql`
        SELECT n::int AS n FROM generate_series(${begin.sequence + 1}::int, ${through}::int) AS n
        WHERE NOT ${known} @> n::bigint ORDER BY n`);
      return rows.map(({ n }) => n);
    },
    settle: (sessions, death) => meeting(death, ({ pool }) => settleOnce(pool, sessions.map(id))),
    requestCancel: (i) => requestCancel(direct.pool, id(i)),
    backendWrites: async (i, status) => {
      await direct.db.execute(sql`UPDATE checkout_sessions SET status = ${status}::session_status
        WHERE id = ${id(i)} AND status = 'pending'`);
    },
    send: async (i, accepted, death, received) => {
      if (death === 'before') return;
      for (const head of (await nextDeliveries(direct.db, id(i))).slice(0, 1)) {
        const now = new Date();
        const started = await startAttempt(direct.db, head, now);
        if (started === null || death === 'inside') return;
        const { body, eventId, sequence } = head;
        received({ eventId, body, sequence, accepted });
        if (death !== null && death !== 'commit unknown') return;
        const status = accepted ? 200 : 500;
        const outcome = { kind: 'answered' as const, status, retryAfterMs: null, detail: '' };
        const { attempt, attempts } = started;
        const next = afterAttempt(
          { deliveryId: head.deliveryId, attempts: Math.min(attempts, 5) },
          outcome,
          now,
        );
        await finishAttempt(direct.db, head, { attempt, outcome, next, now, durationMs: 1 });
      }
    },
    seen: async () => {
      const { rows } = await direct.pool.query<{
        id: string;
        ending: string | null;
        cancelAt: Date | null;
      }>(
        `SELECT id, CASE WHEN status = 'paid' OR closed_through_ledger IS NOT NULL THEN status END AS ending,
           cancel_at AS "cancelAt" FROM checkout_sessions WHERE id = ANY($1)`,
        [sessionIds],
      );
      const found = new Map(rows.map((row) => [row.id, row]));
      return sessionIds.map((one) => found.get(one) ?? { ending: null, cancelAt: null });
    },
    final: () => Promise.all(sessionIds.map((one) => finalSession(direct, one))),
    // Later schedules must not find its work, nor the audit what names nobody without its verdict.
    end: async () => {
      await markUnmatched(direct.db);
      await direct.db.execute(
        sql`DELETE FROM settlement.active_sessions WHERE account = ${account}`,
      );
    },
  };
}

const NO_ID = '00000000-0000-0000-0000-000000000000';

/** What the chain needs, answered by one node. */
function chainDeps(database: Database, ask: () => ToyNode): ChainDeps {
  const refuse = () => Promise.reject(new Error('The simulation does not ask this.'));
  let node: ToyNode | null = null;
  const answering = () => (node ??= ask());
  const source = {
    newestLedger: () => Promise.resolve(answering().head.header),
    ledgersAfter: (tip: LedgerName) =>
      Promise.resolve(HeaderRun.after(tip, answering().headersFrom(tip.sequence).slice(0, 200))),
    head: () => {
      const { sequence, closedAt } = answering().head.header;
      return Promise.resolve({
        latestLedger: sequence,
        latestClosedAt: closedAt,
        oldestLedger: 1,
        horizonVersion: null,
        networkPassphrase: '',
      });
    },
    ledgersBefore: refuse,
    accountEntries: refuse,
    wholeLedger: refuse,
    accountPage: refuse,
    ledger: refuse,
    firstLedgerFrom: refuse,
    lastRecord: refuse,
    page: refuse,
    transaction: refuse,
    close: refuse,
  };
  return { database, source, log: pino({ level: 'silent' }), networkPassphrase: '' };
}

/** The page as Horizon shows it, the known record included. */
function pageOf(ledger: ToyLedger, { start, showsKnown, payments, isFull }: ToyPage) {
  const isCreation = start.known === ledger.creation;
  const known = {
    token: start.known,
    ledger: Number(BigInt(start.known) >> 32n),
    createsAccount: isCreation,
  };
  const behind = payments.map((p) => {
    return { token: p.operationId, ledger: p.ledger, createsAccount: false };
  });
  const records = showsKnown ? [known, ...behind] : behind;
  const limit = isFull ? records.length : records.length + 1;
  return AccountPage.of(ledger.account, start, records, { payments, undecoded: [] }, limit);
}

function entriesOf({ account, begin }: ToyLedger, { asOf, modified }: ToyEntries): AccountEntries {
  const { sequence } = begin.header;
  const usdc = assetKey(ASSETS.usdc);
  const line = { lastModifiedLedger: modified[usdc] ?? sequence, authorized: true };
  return new AccountEntries({
    account,
    asOfLedger: asOf,
    accountModifiedLedger: modified['native'] ?? sequence,
    accountModifiedAt: null,
    trustlines: new Map([[usdc, line]]),
    memoRequired: false,
  });
}

/** A pool that gives up instead of beginning again: the process is gone. */
function mortal(database: Database): Database {
  let begun = 0;
  const pool = new Proxy(database.pool, {
    get: (target, name) => {
      if (name !== 'connect') return Reflect.get(target, name) as unknown;
      return () => {
        begun += 1;
        if (begun > 1) throw new Died('The process has died.');
        return target.connect();
      };
    },
  });
  return { ...database, pool };
}

async function finalSession({ pool }: Database, id: string): Promise<FinalSession> {
  const { rows } = await pool.query<{
    status: string;
    cancel_at: Date | null;
    expires_at: Date;
    through: string | null;
    paid: { amount: string; txHash: string }[];
    events: FinalSession['events'];
    verdicts: { key: string; verdict: string | null }[];
    sequences: FinalSession['sequences'];
  }>(
    `SELECT status, cancel_at, expires_at, closed_through_ledger::text AS through,
      (SELECT coalesce(json_agg(json_build_object('amount', amount::text, 'txHash', tx_hash)), '[]')
        FROM payments WHERE session_id = s.id) AS paid,
      (SELECT coalesce(json_agg(json_build_object('id', id, 'type', type, 'body', body)), '[]')
        FROM settlement.events WHERE session_id = s.id) AS events,
      (SELECT coalesce(json_agg(json_build_object('key', concat_ws(':', tx_hash, op_index, sub_index), 'verdict', verdict)), '[]')
        FROM settlement.ledger_payments lp WHERE lp.account = s.receiving_account AND lp.reference = s.memo) AS verdicts,
      (SELECT coalesce(json_agg(json_build_object('eventId', event_id, 'sequence', sequence,
        'delivered', status = 'delivered')), '[]') FROM webhook_deliveries WHERE session_id = s.id) AS sequences
     FROM checkout_sessions s WHERE id = $1`,
    [id],
  );
  const [row] = rows;
  if (row === undefined) throw new Error(`Session ${id} is gone.`);
  return {
    id,
    status: row.status,
    cancelAt: row.cancel_at,
    expiresAt: row.expires_at,
    closedThroughLedger: row.through === null ? null : Number(row.through),
    paymentRows: row.paid.map(({ amount, txHash }) => ({ txHash, amount: parseAmount(amount) })),
    events: row.events,
    verdicts: new Map(row.verdicts.map(({ key, verdict }) => [key, verdict])),
    sequences: row.sequences,
  };
}

/** Opens both pools. */
export function openGround(url: string, proxy: PostgresProxy, merchantId: string): Ground {
  const proxied = new URL(url);
  proxied.port = String(proxy.port);
  return {
    proxied: connect(proxied.toString(), { max: 4 }),
    direct: connect(url, { max: 6 }),
    proxy,
    merchantId,
  };
}
