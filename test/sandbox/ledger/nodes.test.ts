/** Several nodes behind one address, in each way that Horizon nodes differ. */
import { describe, expect, test } from '@jest/globals';
import type { Node } from '../../../src/sandbox/ledger/nodes.ts';
import { paymentTo } from '../../../src/sandbox/ledger/wallet.ts';
import { onNetwork, recordsOf } from './network.ts';
import type { Network } from './network.ts';

/** A shop that gets 1, 2, 3 and 4 lumens in the last four ledgers; `ledgers` are their numbers, the creation's first. */
async function paidShop({ ledger, wallet }: Network) {
  const [payer, other, shop] = [await wallet(), await wallet(), await wallet('50')];
  const ledgers = [ledger.chain.history.latest().sequence];
  for (const amount of ['1', '2', '3', '4']) {
    await payer.enqueue(await payer.build([paymentTo(shop.address, amount)]));
    await other.enqueue(
      await other.build([paymentTo(other.address, '9'), paymentTo(other.address, '9')]),
    );
    ledgers.push(ledger.closeLedger());
  }
  const [first = 0, one = 0, two = 0, three = 0, four = 0] = ledgers;
  return { shop: shop.address, other: other.address, first, one, two, three, four };
}

/** What a node behind the address says, each in one request of its own. */
async function looked({ get }: Network, shop: string, ledger: number) {
  const statusOr = <T>(got: Awaited<ReturnType<typeof get>>, told: () => T) =>
    got.status === 200 ? told() : got.status;
  const root = await get('/');
  const account = await get(`/accounts/${shop}`);
  const payments = await get(`/accounts/${shop}/payments?limit=200`);
  const listed = await get('/ledgers?order=desc&limit=4');
  const operations = await get(`/ledgers/${ledger}/operations`);
  const transactions = await get(`/ledgers/${ledger}`);
  return {
    range: [root.body['history_elder_ledger'], root.body['history_latest_ledger']],
    asOf: Number(account.headers.get('latest-ledger')),
    modified: account.body['last_modified_ledger'],
    amounts: statusOr(payments, () =>
      recordsOf(payments.body).flatMap((one) => one['amount'] ?? []),
    ),
    ledgers: recordsOf(listed.body).map((one) => one['sequence']),
    operations: statusOr(operations, () => recordsOf(operations.body).length),
    counted: statusOr(transactions, () => transactions.body['operation_count']),
  };
}

const xlm = (...amounts: number[]) => amounts.map((one) => `${one}.0000000`);

describe('a node', () => {
  test(
    'has the whole history unless it was described otherwise',
    onNetwork(async (network) => {
      const { shop, three, four } = await paidShop(network);
      const whole = {
        range: [1, four],
        asOf: four,
        modified: four,
        amounts: xlm(1, 2, 3, 4),
        ledgers: [four, three, three - 1, three - 2],
        operations: 3,
        counted: 3,
      };
      expect(await looked(network, shop, three)).toEqual(whole);
      network.ledger.nodes.set([{ name: 'plain' }]);
      expect(await looked(network, shop, three)).toEqual(whole);
    }),
  );

  test.each<[string, (at: number) => Node['head']]>([
    ['lags', () => ({ behind: 2 })],
    ['stopped at a ledger', (two) => ({ at: two })],
  ])('that %s has nothing newer, state included', async (_, head) => {
    await onNetwork(async (network) => {
      const { shop, two, three } = await paidShop(network);
      const [node] = [{ name: 'late', head: head(two) }] as Node[];
      network.ledger.nodes.set(node ? [node] : []);
      expect(await looked(network, shop, three)).toMatchObject({
        range: [1, two],
        asOf: two,
        modified: two,
        amounts: xlm(1, 2),
        operations: 404,
        counted: 404,
      });
      network.ledger.closeLedger();
      const { body } = await network.get('/');
      expect(body['history_latest_ledger']).toBe('behind' in (head(two) ?? {}) ? three : two);
    })();
  });

  test.each<[string, (at: number) => Node['oldest']]>([
    ['begins at a ledger', (two) => ({ at: two })],
    ['keeps so many ledgers', () => ({ keeps: 3 })],
  ])('that %s moves old cursors and shows nothing older', async (_, oldest) => {
    await onNetwork(async (network) => {
      const { get, records } = network;
      const { shop, first, one, two, four } = await paidShop(network);
      network.ledger.nodes.set([{ name: 'short', oldest: oldest(two) as { at: number } }]);
      expect(await looked(network, shop, one)).toMatchObject({
        range: [two, four],
        modified: four,
        amounts: xlm(2, 3, 4),
        operations: 404,
        counted: 410,
      });
      const cursor = String(BigInt(first) << 32n);
      const moved = await records(`/accounts/${shop}/payments?cursor=${cursor}`);
      expect(moved.map((one) => one['amount'])).toEqual(xlm(2, 3, 4));
      const ledgers = await records(`/ledgers?cursor=${cursor}&limit=1`);
      expect(ledgers).toMatchObject([{ sequence: two }]);
      expect((await get(`/ledgers?cursor=${cursor}&order=desc`)).status).toBe(410);
      network.ledger.closeLedger();
      const { body } = await get('/');
      expect(body['history_elder_ledger']).toBe('keeps' in (oldest(two) ?? {}) ? two + 1 : two);
    })();
  });

  test(
    'may remember more than the node that was reaped',
    onNetwork(async (network) => {
      const { shop, two, four } = await paidShop(network);
      network.ledger.reapBelow(four);
      expect(await looked(network, shop, two)).toMatchObject({ amounts: xlm(4), counted: 410 });
      network.ledger.nodes.set([{ name: 'archive', oldest: { at: 1 } }]);
      expect(await looked(network, shop, two)).toMatchObject({
        range: [1, four],
        amounts: xlm(1, 2, 3, 4),
        counted: 3,
      });
    }),
  );

  test(
    'with a gap in ingestion jumps over it, while state is unaffected',
    onNetwork(async (network) => {
      const { get, records } = network;
      const { shop, first, one, two, three, four } = await paidShop(network);
      const [transaction] = network.ledger.chain.history.ledger(two)?.transactions ?? [];
      network.ledger.nodes.set([{ name: 'torn', gaps: [[two, three]] }]);
      expect(await looked(network, shop, two)).toEqual({
        range: [1, four],
        asOf: four,
        modified: four,
        amounts: xlm(1, 4),
        ledgers: [four, one, first, first - 1],
        operations: 404,
        counted: 404,
      });
      expect((await get(`/transactions/${transaction?.hash}`)).status).toBe(404);
      const after = `cursor=${(BigInt(two) << 32n) - 1n}`;
      expect(await records(`/ledgers?${after}`)).toMatchObject([{ sequence: four }]);
      // With both ends of its history in gaps, it begins behind the one and lags before the other.
      network.ledger.nodes.set([
        {
          name: 'torn',
          gaps: [
            [1, one],
            [four, four + 9],
          ],
        },
      ]);
      expect(await looked(network, shop, one)).toMatchObject({
        range: [two, three],
        asOf: three,
        amounts: xlm(2, 3),
        counted: 410,
      });
      network.ledger.nodes.set([{ name: 'empty', gaps: [[1, 1000]] }]);
      expect((await get('/')).status).toBe(503);
    }),
  );

  test(
    'that knows nothing of an account but its state answers 404 for its payments',
    onNetwork(async (network) => {
      const { shop, first, four } = await paidShop(network);
      network.ledger.closeLedger();
      network.ledger.nodes.set([{ name: 'torn', gaps: [[first, four]] }]);
      expect(await looked(network, shop, four)).toMatchObject({ amounts: 404, modified: four });
      const { body } = await network.get(`/accounts/${shop}`);
      expect(body['last_modified_time']).toBeNull();
    }),
  );

  test(
    'with a filter has only transactions of its accounts, and counts no others',
    onNetwork(async (network) => {
      const { get } = network;
      const { shop, other, three, four } = await paidShop(network);
      const others = network.ledger.chain.history
        .ledger(three)
        ?.transactions.find((one) => one.source === other);
      network.ledger.nodes.set([{ name: 'picky', filter: { accounts: [shop] } }]);
      expect(await looked(network, shop, three)).toMatchObject({
        range: [1, four],
        amounts: xlm(1, 2, 3, 4),
        operations: 1,
        counted: 1,
      });
      expect((await get(`/ledgers/${three}`)).body).toMatchObject({
        successful_transaction_count: 1,
        tx_set_operation_count: 1,
      });
      expect((await get(`/accounts/${other}/payments`)).status).toBe(404);
      expect((await get(`/accounts/${other}`)).status).toBe(200);
      expect((await get(`/transactions/${others?.hash}`)).status).toBe(404);
    }),
  );

  test(
    'whose operations come from another replica answers 200 with what that one has',
    onNetwork(async (network) => {
      const { get, ledger } = network;
      const { shop, one, two, three, four } = await paidShop(network);
      ledger.nodes.set([{ name: 'split', operations: { head: { behind: 1 } } }]);
      expect(await looked(network, shop, four)).toMatchObject({
        range: [1, four],
        asOf: four,
        amounts: xlm(1, 2, 3),
        operations: 0,
        counted: 3,
      });
      ledger.nodes.set([{ name: 'split', operations: { gaps: [[two, three]] } }]);
      expect(await looked(network, shop, two)).toMatchObject({
        amounts: xlm(1, 4),
        operations: 0,
        counted: 3,
      });
      // The time of an operation stands in its ledger's row, which the first replica has to have.
      ledger.nodes.set([{ name: 'split', head: { at: one }, operations: {} }]);
      expect((await get(`/accounts/${shop}/payments`)).status).toBe(500);
      expect((await get(`/ledgers/${one}/operations`)).status).toBe(200);
    }),
  );
});
