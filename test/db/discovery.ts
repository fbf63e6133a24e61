/** How the ledger of one session comes to be known: in any order, by any evidence, and forgotten in between. */
import { expect } from '@jest/globals';
import * as fc from 'fast-check';
import { storeUnmoved } from '../../src/db/coverage.ts';
import { storePage, storeWhole } from '../../src/db/inbox.ts';
import { newestLedger } from '../../src/db/ledgers.ts';
import { movePageStart, watchedAccount } from '../../src/db/watching.ts';
import { assetKey } from '../../src/domain/asset.ts';
import { WholeLedger } from '../../src/domain/evidence.ts';
import { AccountPage } from '../../src/domain/account-page.ts';
import type { LedgerPayment } from '../../src/domain/ledger-payment.ts';
import type { TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { minute, USDC } from '../domain/build.ts';
import { chain, ledgerAt, type StoredSession } from './build.ts';
import { restore, takeSnapshot, type Snapshot } from './snapshot.ts';

/** The last minute of the ledger. */
const END = 35;
const ASSET = assetKey(USDC);

/** One thing that happens between the opening of a session and the end of the ledger. */
export const STEP = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('pass' as const),
      minutes: fc.constantFrom(1, 4, 12, END),
      /** Whether the watcher learns of the ledgers. */
      chain: fc.constantFrom(true, true, false),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ does: fc.constant('page' as const), limit: fc.constantFrom(2, 3, 200) }),
  },
  { weight: 5, arbitrary: fc.record({ does: fc.constant('report' as const), which: fc.nat(4) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('unmoved' as const),
      which: fc.nat(5),
      all: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('move pages' as const) }) },
  { weight: 8, arbitrary: fc.record({ does: fc.constant('settle' as const) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('back up' as const) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('restore' as const), which: fc.nat(9) }) },
);
type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

/** The ledger, and what a node that is at `minutes` shows of it. */
export class Life {
  readonly told = new Map<string, string>();
  readonly #snapshots: Snapshot[] = [];
  #minutes = 1;
  readonly session: StoredSession;
  readonly payments: readonly LedgerPayment[];
  readonly #database: TestDatabase;
  constructor(database: TestDatabase, session: StoredSession, payments: readonly LedgerPayment[]) {
    this.#database = database;
    this.session = session;
    this.payments = payments;
  }

  get #head(): number {
    return ledgerAt(this.#minutes) + 1;
  }

  async take(step: Step): Promise<void> {
    const { session, payments } = this;
    if (step.does === 'pass') {
      this.#minutes = Math.min(this.#minutes + step.minutes, END);
      if (step.chain) await chain(this.#database, this.#minutes);
    } else if (step.does === 'page') await this.#page(step.limit);
    else if (step.does === 'report')
      await this.#whole(payments[step.which % payments.length]?.ledger ?? 0);
    else if (step.does === 'unmoved')
      await this.#unmovedOnes(step.all ? 0 : step.which, step.which);
    else if (step.does === 'settle') await this.#settle();
    else if (step.does === 'back up') this.#snapshots.push(await takeSnapshot(this.#database));
    else if (step.does === 'restore') {
      const snapshot = this.#snapshots[step.which % this.#snapshots.length];
      if (snapshot) await restore(this.#database, snapshot);
    } else {
      const watched = await watchedAccount(this.#database.db, session.account);
      if (watched) await movePageStart(this.#database.db, session.account, watched.start);
    }
  }

  /** Everything there is comes to be known. */
  async end(): Promise<void> {
    this.#minutes = END;
    await chain(this.#database, END);
    for (const { ledger } of this.payments) await this.#whole(ledger);
    await this.#unmovedOnes(0, this.payments.length);
    for (let i = 0; i < 3; i += 1) await this.#settle();
  }

  async #settle(): Promise<void> {
    await settleTogether(this.#database.pool, [this.session.id]);
    for (const { id, body } of await events(this.#database, this.session)) {
      expect(this.told.get(id) ?? body).toBe(body);
      this.told.set(id, body);
    }
  }

  async #page(limit: number): Promise<void> {
    const { account } = this.session;
    const watched = await watchedAccount(this.#database.db, account);
    if (!watched) throw new Error('The account is watched.');
    const { start } = watched;
    const shown = this.payments
      .filter((p) => p.ledger <= this.#head && BigInt(p.operationId) > BigInt(start.known ?? 0))
      .slice(0, limit - 1);
    const records = [
      {
        token: start.known ?? '0',
        ledger: Math.min(start.afterLedger, ledgerAt(0)),
        createsAccount: false,
      },
      ...shown.map((p) => ({ token: p.operationId, ledger: p.ledger, createsAccount: false })),
    ];
    const page = AccountPage.of(account, start, records, { payments: shown, undecoded: [] }, limit);
    if (page) await storePage(this.#database.pool, page);
  }

  /** A ledger of the chain, read whole. */
  async #whole(sequence: number): Promise<void> {
    const newest = await newestLedger(this.#database.db);
    if (sequence > Math.min(this.#head, newest?.sequence ?? 0)) return;
    const payments = this.payments.filter(({ ledger }) => ledger === sequence);
    const closedAt = minute((sequence - ledgerAt(0)) / 12);
    const header = {
      sequence,
      hash: '',
      previousHash: '',
      closedAt,
      operationCount: payments.length,
    };
    const operations = payments.map(({ operationId }) => ({ id: BigInt(operationId), closedAt }));
    const accounts = new Set([this.session.account]);
    const whole = WholeLedger.of(header, accounts, operations, { payments, undecoded: [] });
    if (!whole) throw new Error('The ledger is whole.');
    await storeWhole(this.#database.pool, whole);
  }

  async #unmovedOnes(first: number, last: number): Promise<void> {
    for (let which = first; which <= last; which += 1) await this.#unmoved(which);
  }

  /** The entry as it was between two payments of the asset. */
  async #unmoved(which: number): Promise<void> {
    const newest = await newestLedger(this.#database.db);
    const moved = [
      ...new Set(this.payments.filter(({ asset }) => asset === USDC).map((p) => p.ledger)),
    ];
    const bounds = [ledgerAt(-1), ...moved.toSorted((a, b) => a - b), this.#head + 1];
    const since = bounds[which % (bounds.length - 1)] ?? 0;
    const next = bounds[(which % (bounds.length - 1)) + 1] ?? 0;
    const found = { asset: ASSET, since, through: Math.min(next - 1, this.#head) };
    await storeUnmoved(this.#database.db, this.session.account, found, newest?.sequence ?? 0);
  }
}

/** What was told of a session. */
export const events = (database: TestDatabase, { id }: StoredSession) =>
  database.rows<{ id: string; type: string; body: string }>(
    'SELECT id, type, body FROM settlement.events WHERE session_id = $1 ORDER BY id',
    [id],
  );
