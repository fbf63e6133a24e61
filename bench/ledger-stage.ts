/** A sandbox ledger with an hour behind it, sessions on it, and turns of the watcher taken by hand; requests are counted. */
import { randomUUID } from 'node:crypto';
import { Keypair, Memo, Operation } from '@stellar/stellar-sdk';
import { MockActivityEnvironment } from '@temporalio/testing';
import { pino } from 'pino';
import type { Deps } from '../src/activities/deps.ts';
import { createBell } from '../src/activities/bell.ts';
import { openSession } from '../src/activities/open-session.ts';
import { proveReport } from '../src/activities/prove-report.ts';
import { takeTurn } from '../src/activities/watch/turn.ts';
import { connect } from '../src/db/connection.ts';
import { migrate } from '../src/db/migrate.ts';
import { createSettleQueue } from '../src/db/settle-queue.ts';
import type { ReadStrategy } from '../src/db/watching.ts';
import { createHorizonSource } from '../src/horizon/source.ts';
import { startSandboxLedger } from '../src/sandbox/ledger/start.ts';
import { SandboxWallet } from '../src/sandbox/ledger/wallet.ts';
import type { ReportAnswer } from '../src/workflows/contract.ts';
import { createWebhookSender } from '../src/webhook/post.ts';
import { NO_COUNTERS } from './reading-stage.ts';

/** A session, and how it is paid. */
export type Opened = { readonly id: string; readonly account: string; readonly memo: string };

/** What a scenario acts on. Amounts are 10 XLM. */
export type LedgerStage = {
  readonly deps: Deps;
  /** Requests to Horizon since it was last set to 0. */
  readonly asked: { count: number };
  /** A funded account that existed an hour ago. */
  readonly shops: readonly string[];
  /** Opens a session that ends after so many seconds of the ledger's time. */
  open(account: string, seconds: number): Promise<Opened>;
  /** Writes a session as a backend did an hour ago; it was paid half an hour ago. */
  adopt(): Promise<Opened>;
  /** Pays a session, or its account without a memo; closes a ledger. Returns the transaction. */
  pay(session: Opened, withMemo?: boolean): Promise<string>;
  /** Creates accounts on the ledger, a hundred in each; until it moves, an account costs a turn its entry. */
  fund(accounts: readonly string[]): Promise<void>;
  report(session: Opened, txHash: string): Promise<string>;
  status(session: Opened): Promise<string>;
  /** Moves the ledger's clock, and closes a ledger. */
  pass(seconds: number): void;
  turn(thorough?: boolean): Promise<void>;
  /** Ledgers closed so far. */
  ledgers(): number;
  close(): Promise<void>;
};

/** Ledgers of 5 s that are behind when a stage begins: 80 minutes. */
const LEDGERS_BEHIND = 960;

/** Starts a stage on a database of its own. The chain of ledgers has not begun yet: the first turn begins it. */
export async function startLedgerStage(
  databaseUrl: string,
  strategy: ReadStrategy,
  accounts: number,
): Promise<LedgerStage> {
  let time = Date.now() - LEDGERS_BEHIND * 5_000;
  const ledger = await startSandboxLedger({ closeEveryMs: null, clock: () => new Date(time) });
  const { url, networkPassphrase } = ledger;
  await migrate(databaseUrl, { networkPassphrase });
  const database = connect(databaseUrl);
  const asked = { count: 0 };
  const onAnswer = () => (asked.count += 1);
  const source = createHorizonSource({ url, requestsPerHour: 0, onAnswer });
  const deps: Deps = {
    database,
    secretKeys: null,
    queue: createSettleQueue(database),
    source,
    sender: createWebhookSender({ allowPrivate: [] }),
    wake: () => Promise.resolve(),
    settledBell: createBell(),
    log: pino({ level: 'silent' }),
    counters: NO_COUNTERS,
    pollIntervalMs: 1,
    readStrategy: strategy,
    networkPassphrase,
    draining: new AbortController().signal,
  };
  const { pool } = database;
  const merchantId = randomUUID();
  await pool.query(
    `INSERT INTO merchants (id, wallet_address, business_name, email) VALUES ($1, $2, 'bench', $2)`,
    [merchantId, merchantId],
  );
  const pass = (seconds: number) => {
    time += seconds * 1000;
    ledger.closeLedger();
  };
  const wallet = async () => {
    const made = new SandboxWallet({
      url,
      networkPassphrase,
      closeLedger: () => ledger.closeLedger(),
    });
    await ledger.fund(made.address, '10000');
    return made;
  };
  const root = new SandboxWallet(
    { url, networkPassphrase, closeLedger: () => ledger.closeLedger() },
    Keypair.fromSecret(ledger.rootSecret),
  );
  const payer = await wallet();
  const old = { id: randomUUID(), account: (await wallet()).address, memo: 'old' };
  const shops: string[] = [];
  for (let i = 0; i < accounts; i += 1) shops.push((await wallet()).address);
  const pay: LedgerStage['pay'] = async ({ account, memo }, withMemo = true) => {
    const options = withMemo ? { memo: Memo.text(memo) } : {};
    return (await payer.pay(account, '10', 'native', options)).hash;
  };
  for (let i = 0; i < LEDGERS_BEHIND; i += 1) {
    pass(5);
    // Half an hour ago.
    if (i === LEDGERS_BEHIND - 360) await pay(old);
  }
  let sessions = 0;
  return {
    deps,
    asked,
    shops,
    pay,
    pass,
    open: async (account, seconds) => {
      const latest = ledger.chain.history.latest().closedAt * 1000;
      const opened = { id: randomUUID(), account, memo: `s${(sessions += 1)}` };
      await openSession(deps, {
        sessionId: opened.id,
        now: new Date(latest).toISOString(),
        request: {
          merchantId,
          amount: '10',
          asset: { code: 'XLM', issuer: null },
          receivingAccount: account,
          expiresAt: new Date(latest + seconds * 1000).toISOString(),
          memo: opened.memo,
        },
      });
      return opened;
    },
    adopt: async () => {
      await pool.query(
        `INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo, created_at, expires_at)
         VALUES ($1, $2, 10, 'XLM', $3, $4, now() - interval '1 hour', now() + interval '1 day')`,
        [old.id, merchantId, old.account, old.memo],
      );
      return old;
    },
    fund: async (names) => {
      for (let i = 0; i < names.length; i += 100) {
        const some = names.slice(i, i + 100);
        await root.run(
          some.map((destination) => Operation.createAccount({ destination, startingBalance: '1' })),
        );
      }
    },
    report: async ({ id }, txHash) => {
      const input = { sessionId: id, txHash, wait: false };
      const environment = new MockActivityEnvironment();
      const answer = (await environment.run(() => proveReport(deps, input))) as ReportAnswer;
      return answer.kind;
    },
    status: async ({ id }) => {
      const { rows } = await pool.query<{ status: string }>(
        'SELECT status::text FROM checkout_sessions WHERE id = $1',
        [id],
      );
      return rows[0]?.status ?? 'gone';
    },
    turn: async (thorough = false) => {
      await takeTurn(deps, { isFirst: true, thorough, signal: deps.draining });
    },
    ledgers: () => ledger.chain.history.latest().sequence,
    close: async () => {
      await Promise.all([source.close(), deps.sender.close(), ledger.stop()]);
      await database.close();
    },
  };
}
