/** Ledgers as a reader that proves what it has read needs them: chained, counted, and perhaps two in a second. */
import { describe, expect, test } from '@jest/globals';
import { startSandboxLedger } from '../../../src/sandbox/ledger/start.ts';
import { paymentTo } from '../../../src/sandbox/ledger/wallet.ts';
import { onNetwork } from './network.ts';
import type { Json } from './network.ts';

const timesOf = (ledgers: Json[]) =>
  ledgers.map((one) => Date.parse(String(one['closed_at'])) / 1000);

describe('ledgers', () => {
  test(
    'are chained by their hashes, from the one that a cursor stands before',
    onNetwork(async ({ ledger, wallet, records }) => {
      await wallet();
      const tip = ledger.chain.history.latest().sequence;
      await wallet();
      ledger.closeLedger();
      const run = await records(`/ledgers?cursor=${(BigInt(tip) << 32n) - 1n}&order=asc&limit=200`);
      expect(run.map((one) => one['sequence'])).toEqual([tip, tip + 1, tip + 2]);
      expect(run.map((one) => one['paging_token'])).toEqual(
        [tip, tip + 1, tip + 2].map((one) => String(BigInt(one) << 32n)),
      );
      expect(run.map((one) => one['prev_hash'])).toEqual([
        ledger.chain.history.ledger(tip - 1)?.hash,
        run[0]?.['hash'],
        run[1]?.['hash'],
      ]);
      const back = await records(`/ledgers?cursor=${(BigInt(tip + 2) << 32n) + 1n}&order=desc`);
      expect(back.slice(0, 3)).toEqual(run.toReversed());
    }),
  );

  test('are named by their contents', async () => {
    const clock = () => new Date(1_800_000_000_000);
    const hashes = await Promise.all(
      ['1', '2', '2'].map(async (xlm) => {
        const ledger = await startSandboxLedger({ closeEveryMs: null, clock });
        const first = ledger.chain.history.latest().hash;
        await ledger.fund(ledger.chain.rootKeypair.publicKey(), xlm);
        const second = ledger.chain.history.latest().hash;
        await ledger.stop();
        return { first, second };
      }),
    );
    expect(new Set(hashes.map(({ first }) => first)).size).toBe(1);
    expect(hashes[1]).toEqual(hashes[2]);
    expect(hashes[0]?.second).not.toBe(hashes[1]?.second);
  });

  test(
    'have as many operations as they count, ids ascending, with the time of the ledger',
    onNetwork(async ({ ledger, wallet, get, records }) => {
      const [payer, shop] = [await wallet(), await wallet()];
      const many = Array.from({ length: 100 }, () => paymentTo(shop.address, '0.1'));
      await payer.enqueue(await payer.build(many));
      await shop.enqueue(
        await shop.build([paymentTo(payer.address, '1'), paymentTo(payer.address, '9999')]),
      );
      const another = await wallet();
      const closed = ledger.chain.history.latest().sequence;
      await another.enqueue(await another.build(many));
      await ledger.injectRecord(shop.address, { type: 'teleport' });
      for (const [number, failed, count] of [
        [closed, 1, 101],
        [closed + 1, 0, 101],
      ] as const) {
        const header = (await get(`/ledgers/${number}`)).body;
        expect(header).toMatchObject({
          operation_count: count,
          successful_transaction_count: 2,
          failed_transaction_count: failed,
          tx_set_operation_count: count + 2 * failed,
        });
        const found: Json[] = [];
        for (let cursor = ''; ;) {
          const page = await records(
            `/ledgers/${number}/operations?limit=40&join=transactions&cursor=${cursor}`,
          );
          if (page.length === 0) break;
          found.push(...page);
          cursor = String(page.at(-1)?.['paging_token']);
        }
        expect(found).toHaveLength(count);
        const ids = found.map((one) => BigInt(String(one['id'])));
        expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => (a < b ? -1 : 1)));
        expect(new Set(ids.map((id) => Number(id >> 32n)))).toEqual(new Set([number]));
        const decoded = found.filter((one) => one['type'] !== 'teleport');
        expect(new Set(decoded.map((one) => one['created_at']))).toEqual(
          new Set([header['closed_at']]),
        );
      }
    }),
  );
});

describe('the time at which a ledger closes', () => {
  const now = 1_800_000_000;

  test('grows by a second when the clock stands still, unless the second is to be the same', async () => {
    await onNetwork(
      async ({ ledger, command, records }) => {
        ledger.closeLedger();
        ledger.closeLedger({ sameSecond: true });
        await command('close', { sameSecond: true });
        await command('close');
        const ledgers = await records('/ledgers');
        expect(timesOf(ledgers)).toEqual([now - 1, now, now, now, now + 1]);
        expect(new Set(ledgers.map((one) => one['hash'])).size).toBe(5);
      },
      { clock: () => new Date(now * 1000) },
    )();
  });

  test('follows the clock where seconds may be shared, and never goes back', async () => {
    let time = now;
    await onNetwork(
      async ({ ledger, records }) => {
        for (const at of [now, now + 0.9, now + 2, now - 5, now + 3]) {
          time = at;
          ledger.closeLedger();
        }
        const times = timesOf(await records('/ledgers'));
        expect(times).toEqual([now - 1, now, now, now + 2, now + 2, now + 3]);
      },
      { clock: () => new Date(time * 1000), sharedSeconds: true },
    )();
  });
});
