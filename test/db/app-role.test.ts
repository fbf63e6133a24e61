/** What the watcher and the commands ask for works with the rights of the workers' role. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  deletedSessions,
  forgetSessions,
  placeOpening,
  placeOpenings,
  takeSeen,
  unseenSessions,
} from '../../src/db/care.ts';
import { connect, type Database } from '../../src/db/connection.ts';
import { addCoverage, storeUnmoved } from '../../src/db/coverage.ts';
import { endHoles, noteHole } from '../../src/db/holes.ts';
import { storePage, storeWhole } from '../../src/db/inbox.ts';
import {
  firstLedger,
  lastLedgerBefore,
  ledgerHeaders,
  newestLedger,
  pruneLedgers,
  storeAnchor,
  storeRun,
} from '../../src/db/ledgers.ts';
import { beginNetworkReading, networkReading, storeLedger } from '../../src/db/network-reading.ts';
import { accounts, addAccount, showAccount } from '../../src/db/operator/accounts.ts';
import { completeCancels, requestCancel, waitingCancels } from '../../src/db/sessions.ts';
import {
  isWatchedFrom,
  missingLedgers,
  movePageStart,
  noteRead,
  registerAccount,
  watchedAccounts,
} from '../../src/db/watching.ts';
import { sessionsToClose, sessionsWithUndecided } from '../../src/db/worklists.ts';
import { HeaderRun, WholeLedger } from '../../src/domain/evidence.ts';
import { AccountPage } from '../../src/domain/account-page.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { settleTogether } from '../support/settle.ts';
import { minute, USDC } from '../domain/build.ts';
import { headerOf, notShown } from '../domain/headers.ts';
import { insertSession, ledgerAt, newAccount, paymentFor, stateOf } from './build.ts';

let owner: TestDatabase;
let app: Database;
beforeAll(async () => {
  owner = await createTestDatabase();
  app = connect(owner.appUrl);
});
afterAll(async () => {
  await app.close();
  await owner.close();
});

const header = (minutes: number) => headerOf(ledgerAt(minutes));

test('the chain, what is read of it, sessions of the backend, cancellations and endings', async () => {
  const { db, pool } = app;
  const session = await insertSession(owner, { covered: null, active: false });
  const { account, id } = session;

  await storeAnchor(db, header(-30));
  const ledgers = Array.from({ length: 36 * 12 + 1 }, (_, i) => header(-30 + i / 12));
  const run = HeaderRun.after(header(-30), ledgers);
  if (run === null) throw new Error('This is a run.');
  await storeRun(app, run);
  expect((await newestLedger(db))?.sequence).toBe(ledgerAt(6));
  await Promise.all([firstLedger(db), lastLedgerBefore(db, minute(3)), ledgerHeaders(db, [1])]);
  expect(await pruneLedgers(db)).toBe(0);

  await placeOpenings(db, ledgerAt(6));
  expect(await unseenSessions(db, '00000000-0000-0000-0000-000000000000')).toHaveLength(1);
  await placeOpening(db, id, ledgerAt(0) - 1);
  await takeSeen(db, [id]);
  await registerAccount(db, { account, start: { afterLedger: ledgerAt(0) - 1, known: '1' } });
  expect(await isWatchedFrom(db, account, ledgerAt(0) - 1)).toBe(true);

  const payment = paymentFor(session, '4', { closedAt: minute(3) });
  const records = ['1', payment.operationId].map((token) => {
    return { token, ledger: payment.ledger, createsAccount: false };
  });
  const start = { afterLedger: ledgerAt(0) - 1, known: '1' };
  const found = { payments: [payment], undecoded: [] };
  const page = AccountPage.of(account, start, records, found, 200);
  if (page === null) throw new Error('This is a page.');
  expect(await storePage(pool, page)).toBe(true);
  const empty = { payments: [], undecoded: [] };
  const whole = (minutes: number) => {
    const made = WholeLedger.of(header(minutes), new Set([account]), [], empty);
    if (made === null) throw new Error('This is a whole ledger.');
    return made;
  };
  await storeWhole(pool, whole(0));
  await addCoverage(db, [account], '*', { from: ledgerAt(0), through: ledgerAt(6) });
  const asset = `USDC:${USDC.issuer}`;
  const unmoved = { asset, since: ledgerAt(3), through: ledgerAt(6) };
  await storeUnmoved(db, account, unmoved, ledgerAt(6));
  await movePageStart(db, account, page.next);
  await noteRead(db, account);
  await noteHole(db, [account], notShown(1, 2));
  await endHoles(db, [account], 2);
  await endHoles(db, [account], 1);
  await beginNetworkReading(pool, ledgerAt(4));
  expect(await storeLedger(pool, whole(4 + 1 / 12))).toBe(true);
  await beginNetworkReading(pool, ledgerAt(6));
  expect(await networkReading(db)).toBe(ledgerAt(6));
  expect(await watchedAccounts(db)).toHaveLength(1);
  expect(await sessionsWithUndecided(db)).toEqual([id]);

  await requestCancel(pool, id);
  await completeCancels(db, await waitingCancels(db));
  const next = HeaderRun.after(header(6), [header(6), header(6 + 1 / 12)]);
  if (next !== null) await storeRun(app, next);
  expect(await missingLedgers(db, 'accounts')).toEqual([]);
  expect(await sessionsToClose(db)).toEqual([id]);
  await settleTogether(pool, [id]);
  expect(await stateOf(owner, id)).toMatchObject({ status: 'cancelled', verdicts: ['credited'] });

  const by = { actor: 'ann', reason: 'a test' };
  const other = newAccount();
  await addAccount(pool, { account: other, start: { afterLedger: 1, known: null } }, by);
  expect(await accounts(db)).toHaveLength(2);
  expect((await showAccount(db, account)).assets).toHaveLength(2);

  await owner.rows('DELETE FROM checkout_sessions');
  expect(await deletedSessions(db)).toEqual([id]);
  await forgetSessions(db, [id]);
  expect(await deletedSessions(db)).toEqual([]);
});
