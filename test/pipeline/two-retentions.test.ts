/**
 * Two Horizon nodes behind one address: one keeps everything, one keeps only the last 30 minutes. The root document comes from
 * the first, the page of an account from the second, which moves a cursor that is too old to its own oldest ledger (as Horizon
 * does). Nothing tells the reader that the page does not begin where it asked.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { takeTurn } from '../../src/activities/watch/turn.ts';
import { createHorizonSource } from '../../src/horizon/source.ts';
import { startReconciling, type Reconciling } from './reconciling.ts';

let world: Reconciling;
let proxy: Server;
let elder = 1;
beforeEach(async () => {
  world = await startReconciling();
  proxy = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '/', world.ledger.url);
      const cursor = url.searchParams.get('cursor');
      const least = (BigInt(elder) << 32n) - 1n;
      // The node with the short history answers pages of accounts.
      if (
        /^\/accounts\/\w+\/payments$/.test(url.pathname) &&
        cursor !== null &&
        BigInt(cursor) < least
      ) {
        url.searchParams.set('cursor', String(least));
      }
      const answer = await fetch(url);
      const latest = answer.headers.get('latest-ledger');
      response
        .writeHead(answer.status, latest === null ? {} : { 'latest-ledger': latest })
        .end(await answer.text());
    })();
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  proxy.closeAllConnections();
  proxy.close();
  await world.close();
});

test.each([
  ['one node (control)', false],
  ['two nodes, one with a shorter history', true],
])('a session that was paid in time is paid, and not expired: %s', async (_, two) => {
  const source = createHorizonSource({
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    requestsPerHour: 0,
  });
  const deps = { ...world.deps, source };
  const session = await world.insert({ status: 'expired' }); // by the older backend, an hour ago; since history_from
  await world.pay(session); // in time, 59 minutes ago
  world.pass(40 * 60);
  elder = two ? world.ledger.chain.history.latest().sequence : 1; // the second node's history begins here
  world.pass(19 * 60);
  await world.customer.pay(world.shop.address, '1'); // anything: a record after the gap
  for (let i = 0; i < 3; i += 1) {
    world.pass(5);
    await takeTurn(deps, { isFirst: true, thorough: true, signal: deps.draining });
  }
  const [row] = await world.database.rows(
    `SELECT s.status, s.closed_through_ledger, (SELECT json_agg(type) FROM settlement.events e WHERE e.session_id = s.id) AS told,
       (SELECT problem FROM settlement.watched_accounts w WHERE w.account = s.receiving_account) AS problem
     FROM checkout_sessions s WHERE id = $1`,
    [session.id],
  );
  await source.close();
  expect(row).toMatchObject({ status: 'paid', told: ['payment.confirmed'] });
  expect(await world.audited()).toEqual([]);
});
