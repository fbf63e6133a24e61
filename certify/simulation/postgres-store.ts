/**
 * PostgreSQL itself, written to by the product's own code: its pages, its settle transaction, its outbox. A death is an
 * error at a statement, and the connection is gone; a COMMIT in doubt is made by the proxy in between.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { finishAttempt, startAttempt } from '../../src/db/attempts.ts';
import { connect, type Database } from '../../src/db/connection.ts';
import { nextDeliveries } from '../../src/db/deliveries.ts';
import { storeFindings, storePage } from '../../src/db/inbox.ts';
import { openSession, requestCancel } from '../../src/db/sessions.ts';
import { settleTogether } from '../../src/db/settle.ts';
import { errorCode } from '../../src/db/sqlstate.ts';
import { extendCoverage } from '../../src/db/watching.ts';
import { markUnmatched } from '../../src/db/worklists.ts';
import { afterAttempt } from '../../src/domain/delivery.ts';
import { assetKey } from '../../src/domain/asset.ts';
import { parseAmount } from '../../src/domain/money.ts';
import type { PostgresProxy } from '../parts/postgres-proxy.ts';
import { ASSETS, SESSIONS, type Death } from './schedule.ts';
import type { FinalSession, Store } from './store.ts';
import type { ToyLedger } from './toy-ledger.ts';

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
  const begin = { throughLedger: 1, throughTime: ledger.closedAt(1) };
  const sessionIds = SESSIONS.map(() => randomUUID());
  const registration = {
    account,
    cursor: String(1n << 32n),
    fromLedger: begin.throughLedger,
    fromTime: begin.throughTime,
  };
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
        expiresAt: new Date(begin.throughTime.getTime() + (seconds + 1) * 1000),
        successUrl: null,
        cancelUrl: null,
        metadata: null,
      },
      registration,
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
    cursor: async () => {
      const { rows } = await direct.pool.query<{ cursor: string }>(
        'SELECT cursor FROM settlement.watched_accounts WHERE account = $1',
        [account],
      );
      return rows[0]?.cursor ?? registration.cursor;
    },
    covered: async (asset) => {
      const { rows } = await direct.pool.query<{ through: number }>(
        `SELECT greatest(w.through_ledger, c.through_ledger)::int AS through FROM settlement.watched_accounts w
         LEFT JOIN settlement.asset_coverage c ON c.account = w.account AND c.asset = $2 WHERE w.account = $1`,
        [account, assetKey(ASSETS[asset])],
      );
      return rows[0]?.through ?? begin.throughLedger;
    },
    storePage: (page, death) =>
      meeting(death, ({ pool }) => storePage(pool, { account, undecoded: [], ...page })),
    storeFindings: (payments, death) =>
      meeting(death, ({ pool }) => storeFindings(pool, { payments, undecoded: [] })),
    extend: async (asset, modified, through) => {
      await extendCoverage(direct.db, account, assetKey(ASSETS[asset]), modified, through);
    },
    settle: (sessions, death) =>
      meeting(death, ({ pool }) => settleTogether(pool, sessions.map(id))),
    cancel: (i, at) => requestCancel(direct.pool, id(i), at),
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
    endings: async () => {
      const { rows } = await direct.pool.query<{ id: string; status: string }>(
        `SELECT id, status FROM checkout_sessions
         WHERE id = ANY($1) AND (status = 'paid' OR closed_through_ledger IS NOT NULL)`,
        [sessionIds],
      );
      const ended = new Map(rows.map((row) => [row.id, row.status]));
      return sessionIds.map((one) => ended.get(one) ?? null);
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
    paid: string[];
    events: FinalSession['events'];
    verdicts: { key: string; verdict: string | null }[];
    sequences: FinalSession['sequences'];
  }>(
    `SELECT status, cancel_at, expires_at, closed_through_ledger::text AS through,
      (SELECT coalesce(json_agg(amount::text), '[]') FROM payments WHERE session_id = s.id) AS paid,
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
    paymentRows: row.paid.map((amount) => ({ amount: parseAmount(amount) })),
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
