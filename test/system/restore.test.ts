/** Restore drills, as docs/operations.md describes them. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { auditDatabase } from '../../src/db/audit.ts';
import { startTemporalServer } from '../../src/sandbox/temporal-server.ts';
import { SA_NAMES } from '../../src/temporal.ts';
import { SEARCH_ATTRIBUTES } from '../../src/workflows/search-attributes.ts';
import { startSystem, tenLumens, until, type System } from '../support/system.ts';
import { given } from '../support/given.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.close());

/** Asks the database: a run that ended before a restore tells what it saw then. */
const atRest = (id: string) =>
  until(
    () => system.client.sessionState(id, { fresh: true }).catch(() => null),
    (view) => view?.atRest === true && view.status === 'paid',
    90_000,
  );
const eventsOf = (id: string) =>
  system.database.rows('SELECT id, type, body FROM settlement.events WHERE session_id = $1', [id]);
const paymentsOf = (id: string) =>
  system.database.rows('SELECT tx_hash FROM payments WHERE session_id = $1', [id]);
const postsOf = (id: string) => system.receiver.received.filter((p) => p.sessionId === id);

/** Statements on the server that the databases are on, while nobody is connected to ours. */
async function onServer(...statements: ((name: string) => string)[]): Promise<void> {
  const name = new URL(system.database.url).pathname.slice(1);
  const server = new Client({ connectionString: given('postgres') });
  await server.connect();
  await server.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [
    name,
  ]);
  for (const statement of statements) await server.query(statement(name));
  await server.end();
}

test('PostgreSQL restored to an earlier moment: read again, the same events, no second credit', async () => {
  const first = await system.worker();
  const before = await system.open();
  await system.pay(before.memo);
  await atRest(before.id);
  const meanwhile = await system.open();
  await first.drain();
  await onServer((name) => `CREATE DATABASE ${name}_backup TEMPLATE ${name}`);

  const second = await system.worker();
  await system.pay(meanwhile.memo);
  await atRest(meanwhile.id);
  const after = await system.open();
  await system.pay(after.memo);
  await atRest(after.id);
  const told = {
    meanwhile: [await eventsOf(meanwhile.id), await paymentsOf(meanwhile.id)],
    after: [await eventsOf(after.id), await paymentsOf(after.id)],
  };
  await second.kill();
  await onServer(
    (name) => `DROP DATABASE ${name}`,
    (name) => `CREATE DATABASE ${name} TEMPLATE ${name}_backup`,
  );

  const third = await system.worker();
  await atRest(meanwhile.id);
  expect([await eventsOf(meanwhile.id), await paymentsOf(meanwhile.id)]).toEqual(told.meanwhile);
  // What was opened since is gone: its backend asks again, with the same id.
  expect(await paymentsOf(after.id)).toEqual([]);
  await system.client.openSession(after.id, tenLumens(system.merchantId, system.shop.address));
  await atRest(after.id);
  expect([await eventsOf(after.id), await paymentsOf(after.id)]).toEqual(told.after);
  // The receiver sees again what it has seen, under the same ids; what was told before the backup is not told again.
  for (const { id } of [meanwhile, after]) {
    const posts = postsOf(id);
    expect(posts.length).toBeGreaterThan(1);
    expect(new Set(posts.map((p) => `${p.eventId} ${p.deliveryId} ${p.body}`)).size).toBe(1);
  }
  expect(postsOf(before.id)).toHaveLength(1);
  expect((await auditDatabase(system.database.url)).findings).toEqual([]);
  await third.drain();
}, 180_000);

test("Temporal's store lost: everything starts again from PostgreSQL and the ledger", async () => {
  const worker = await system.worker();
  const open = await system.open();
  const paidMeanwhile = await system.open();
  const { address } = system.temporal;
  await system.temporal.stop();
  await system.pay(paidMeanwhile.memo);
  const again = await startTemporalServer({
    progress: () => undefined,
    port: Number(address.split(':')[1]),
    searchAttributes: SEARCH_ATTRIBUTES.map(({ name, type }) => [name, SA_NAMES[type]] as const),
  });
  // The workers were not told. They bring the watcher back within a minute, and it wakes whatever is due.
  expect(await atRest(paidMeanwhile.id)).toMatchObject({ status: 'paid' });
  await system.pay(open.memo);
  expect(await atRest(open.id)).toMatchObject({ status: 'paid' });
  for (const { id } of [open, paidMeanwhile]) {
    expect(new Set(postsOf(id).map((p) => p.eventId)).size).toBe(1);
    expect(await paymentsOf(id)).toHaveLength(1);
  }
  expect((await auditDatabase(system.database.url)).findings).toEqual([]);
  await worker.drain();
  await again.stop();
}, 240_000);
