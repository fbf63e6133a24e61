/** A system at work: sessions are opened, paid, cancelled and ended while it is audited, over and over. Nothing is broken. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Memo } from '@stellar/stellar-sdk';
import { finishAttempt, startAttempt } from '../../src/db/attempts.ts';
import { audit, auditDatabase, type AuditReport } from '../../src/db/audit.ts';
import { auditHorizon } from '../../src/db/audit-horizon.ts';
import { connect, type Database } from '../../src/db/connection.ts';
import { nextDeliveries } from '../../src/db/deliveries.ts';
import { requestCancel } from '../../src/db/sessions.ts';
import { paymentTo } from '../../src/sandbox/ledger/wallet.ts';
import { newWorld, type World, type WorldSession } from './world.ts';

/** Sessions opened at once, and how often. */
const AT_ONCE = 25;
const ROUNDS = 8;

let world: World;
let auditor: Database;
beforeAll(async () => {
  world = await newWorld();
  auditor = connect(world.database.url, { max: 2 });
});
afterAll(async () => {
  await auditor.close();
  await world.end();
});

test('an audit of a busy system is green, and sees it at work', async () => {
  const watchers = [world.watcher(), world.watcher('ledgers')];
  const over = new AbortController();
  const isBusy = () => !over.signal.aborted;
  const reports: AuditReport[] = [];
  const auditing = (async () => {
    while (isBusy()) {
      reports.push(await audit(auditor.db, { patienceMs: 20_000 }));
    }
  })();
  const reading = Promise.all(
    watchers.map(async (watcher) => {
      while (isBusy()) {
        await watcher.turn({ thorough: true });
        await sleep(20);
      }
    }),
  );
  const delivering = (async () => {
    while (isBusy()) {
      await deliverAll();
      await sleep(20);
    }
  })();
  for (let round = 0; round < ROUNDS; round += 1) await play();
  over.abort();
  await Promise.all([auditing, reading, delivering]);

  expect(reports.flatMap(({ findings }) => findings)).toEqual([]);
  const seen = reports.map(({ sessions, events }) => sessions + events);
  expect(new Set(seen).size).toBeGreaterThan(2);

  // At rest everything is told, and the inbox is what the ledger shows.
  for (let i = 0; i < 4; i += 1) {
    world.close(60);
    await watchers[0]?.turn({ thorough: true });
  }
  const { findings, sessions } = await auditDatabase(world.database.url);
  expect({ findings, sessions }).toEqual({ findings: [], sessions: AT_ONCE * ROUNDS });
  const [source] = watchers.map(({ deps }) => deps.source);
  if (source === undefined) throw new Error('There is no watcher.');
  const range = { fromLedger: null, toLedger: null, account: null };
  expect(await auditHorizon(auditor.db, source, range)).toMatchObject({
    findings: [],
    accounts: 2,
  });
}, 180_000);

/** Sessions of half a minute: some are paid, some in parts, some twice, some are cancelled, the rest ends. */
async function play(): Promise<void> {
  const sessions: WorldSession[] = [];
  for (let i = 0; i < AT_ONCE; i += 1) {
    const shop = i % 2 === 0 ? world.shops.first : world.shops.second;
    sessions.push(
      await world.open({ account: shop.address, asset: 'native', price: '10', seconds: 30 }),
    );
  }
  for (const [i, session] of sessions.entries()) {
    if (i % 5 === 4) await requestCancel(world.database.pool, session.id);
    else if (i % 5 !== 3) await pay(session, i % 5 === 2 ? '4' : '10');
    if (i % 5 === 1) await pay(session, '10');
  }
  for (const seconds of [5, 5, 30, 5]) {
    world.close(seconds);
    await sleep(150);
  }
}

async function pay({ account, reference }: WorldSession, amount: string): Promise<void> {
  const operation = paymentTo(account, amount);
  await world.submit(world.customer, [operation], { memo: Memo.id(reference) });
  world.close(1);
}

/** What the sessions' workflows do: everything that is due is sent, and accepted. */
async function deliverAll(): Promise<void> {
  const { db } = world.database;
  const open = await world.database.rows<{ id: string }>(
    `SELECT DISTINCT session_id AS id FROM webhook_deliveries WHERE status = 'pending' LIMIT 20`,
  );
  for (const { id } of open) {
    for (const head of await nextDeliveries(db, id)) {
      const started = await startAttempt(db, head, new Date());
      if (started === null) continue;
      await finishAttempt(db, head, {
        attempt: started.attempt,
        outcome: { kind: 'answered', status: 200, retryAfterMs: null, detail: '' },
        next: { kind: 'delivered' },
        now: new Date(),
        durationMs: 1,
      });
    }
  }
}
