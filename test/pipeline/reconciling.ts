/** Reconciliation without Temporal: the pages of one run after the other, as the workflow asks for them. */
import { randomUUID } from 'node:crypto';
import { Memo } from '@stellar/stellar-sdk';
import type { ReconcileDeps } from '../../src/activities/reconcile/deps.ts';
import { repairPage } from '../../src/activities/reconcile/repair-page.ts';
import { takeTurn } from '../../src/activities/watch/turn.ts';
import { audit } from '../../src/db/audit.ts';
import { connect } from '../../src/db/connection.ts';
import { createSettleQueue, type SettleQueue } from '../../src/db/settle-queue.ts';
import {
  addTallies,
  DISCREPANCIES,
  NOTHING,
  type Discrepancy,
  type Tally,
} from '../../src/domain/discrepancy.ts';
import { referenceFor } from '../../src/db/ids.ts';
import { createHorizonSource } from '../../src/horizon/source.ts';
import type { SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { insertMerchant, type TestDatabase } from '../support/database.ts';
import { startReading, type Reading } from './reading.ts';

export type Reconciling = Reading & {
  readonly shop: SandboxWallet;
  readonly customer: SandboxWallet;
  /** Workflow ids that run, and sessions that were woken. */
  readonly running: Set<string>;
  readonly woken: string[];
  /** One run. Kinds of which nothing was found are absent. */
  reconcile(options?: { dryRun?: boolean }): Promise<Found>;
  /** Another process: connections, settle queue and requests of its own. `close` it before the rest. */
  another(): Another;
  /** Sessions whose run is there, and cannot go on. */
  readonly stuck: Set<string>;
  /** A session of 10 lumens as the backend inserts it, opened an hour ago, to be paid within half an hour. */
  insert(fields?: Partial<Inserted>): Promise<Inserted>;
  /** Pays a session on the ledger, in time. */
  pay(session: Inserted, amount?: string): Promise<string>;
  /** Reads, settles and closes until the ledger is where the clock is. */
  catchUp(): Promise<void>;
  audited(): Promise<unknown[]>;
};

/** What a run has found. */
export type Found = Partial<Record<Discrepancy, Tally>>;

export type Another = {
  readonly queue: SettleQueue;
  /** Transactions that were run again because another process had met them, until now. */
  retries(): number;
  reconcile(): Promise<Found>;
  close(): Promise<void>;
};

export type Inserted = {
  id: string;
  memo: string;
  status: string;
  openedMinutesAgo: number;
  minutes: number;
  account: string;
};

/** A ledger that began two hours ago, an account with sessions, and a customer. */
export async function startReconciling(given: TestDatabase | null = null): Promise<Reconciling> {
  const reading = await startReading('accounts', 120, given);
  const [shop, customer] = [await reading.wallet(), await reading.wallet()];
  const merchantId = await insertMerchant(reading.database);
  // The oldest ledger lies before every opening, as on a network that is older than the shop.
  reading.pass(20 * 60);
  const running = new Set<string>();
  const woken: string[] = [];
  const stuck = new Set<string>();
  const deps: ReconcileDeps = {
    ...reading.deps,
    wake: (id) => Promise.resolve(void woken.push(id)),
    networkName: 'sandbox',
    runOf: (id) => Promise.resolve(stuck.has(id) ? 'stuck' : running.has(id) ? 'runs' : 'none'),
    endRun: (id) => Promise.resolve(void stuck.delete(id)),
    watcher: {
      isRunning: () => Promise.resolve(running.has('watcher')),
      start: () => Promise.resolve(void running.add('watcher')),
    },
    requestsToReadAgain: 100,
  };
  return {
    ...reading,
    shop,
    customer,
    running,
    stuck,
    woken,
    reconcile: (options) => reconcileWith(deps, options),
    another: () => startAnother(deps, reading),
    insert: async (fields = {}) => {
      const id = fields.id ?? randomUUID();
      const session: Inserted = {
        id,
        memo: referenceFor(id),
        status: 'pending',
        openedMinutesAgo: 60,
        minutes: 30,
        account: shop.address,
        ...fields,
      };
      const opened = Date.now() - session.openedMinutesAgo * 60_000;
      await reading.database.rows(
        `INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo, status,
           created_at, expires_at) VALUES ($1, $2, '10', 'XLM', $3, $4, $5::session_status, $6, $7)`,
        [
          id,
          merchantId,
          session.account,
          session.memo,
          session.status,
          new Date(opened),
          new Date(opened + session.minutes * 60_000),
        ],
      );
      return session;
    },
    pay: async ({ account, memo, openedMinutesAgo }, amount = '10') => {
      const at = Date.now() - openedMinutesAgo * 60_000 + 60_000;
      const behind = at / 1000 - reading.ledger.chain.history.latest().closedAt;
      if (behind > 0) reading.pass(Math.ceil(behind));
      const { hash } = await customer.pay(account, amount, 'native', { memo: Memo.id(memo) });
      return hash;
    },
    catchUp: async () => {
      const behind = Date.now() / 1000 - reading.ledger.chain.history.latest().closedAt;
      reading.pass(Math.max(Math.ceil(behind), 5));
      await takeTurn(deps, { isFirst: true, thorough: true, signal: deps.draining });
    },
    audited: async () => [...(await audit(reading.database.db)).findings],
  };
}

async function reconcileWith(
  deps: ReconcileDeps,
  { dryRun = false }: { dryRun?: boolean } = {},
): Promise<Found> {
  const classes: Found = {};
  for (const kind of DISCREPANCIES) {
    let after: string | null = null;
    do {
      const request = { kind, after, dryRun, thorough: true };
      const { next, ...tally } = await repairPage(deps, request);
      if (tally.found > 0) classes[kind] = addTallies(classes[kind] ?? NOTHING, tally);
      after = next;
    } while (after !== null);
  }
  return classes;
}

function startAnother(deps: ReconcileDeps, { database: { url }, ledger }: Reading): Another {
  const database = connect(url, { max: 4 });
  const source = createHorizonSource({ url: ledger.url, requestsPerHour: 0 });
  let retries = 0;
  const queue = createSettleQueue(database, (cost) => void (retries += cost.retries));
  return {
    queue,
    retries: () => retries,
    reconcile: () => reconcileWith({ ...deps, database, source, queue }),
    close: async () => {
      await source.close();
      await database.close();
    },
  };
}
