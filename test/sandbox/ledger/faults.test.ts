import { describe, expect, test } from '@jest/globals';
import type { FaultKind } from '../../../src/sandbox/ledger/faults.ts';
import { SandboxWallet, paymentTo } from '../../../src/sandbox/ledger/wallet.ts';
import { onNetwork, recordsOf } from './network.ts';

describe('the node answers an error', () => {
  test.each<[FaultKind, number, string, Record<string, string>]>([
    [
      { kind: 'rate_limited', retryAfterSeconds: 7 },
      429,
      'rate_limit_exceeded',
      { 'retry-after': '7', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '7' },
    ],
    [
      { kind: 'still_ingesting', retryAfterSeconds: 2 },
      503,
      'still_ingesting',
      { 'retry-after': '2' },
    ],
    [{ kind: 'stale_history' }, 503, 'stale_history', {}],
    [{ kind: 'over_capacity' }, 503, 'server_over_capacity', {}],
    [{ kind: 'timeout' }, 504, 'timeout', {}],
    [{ kind: 'server_error' }, 500, 'server_error', {}],
  ])('%j', async (fault, status, type, headers) => {
    await onNetwork(async ({ ledger, get }) => {
      ledger.faults.set({ ...fault, times: 1 });
      const got = await get('/');
      expect(got.status).toBe(status);
      expect(got.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(got.body).toMatchObject({
        type: `https://stellar.org/horizon-errors/${type}`,
        status,
      });
      expect(Object.fromEntries(got.headers)).toMatchObject(headers);
      if (!('retry-after' in headers)) expect(got.headers.has('retry-after')).toBe(false);
      expect((await get('/')).status).toBe(200);
    })();
  });

  test(
    'and with stale history, how far it is behind',
    onNetwork(
      async ({ ledger, get }) => {
        ledger.faults.set({ kind: 'stale_history' });
        const extras = (await get('/')).body['extras'] as Record<string, number>;
        expect(extras['core_latest_ledger']).toBe(900);
        expect(extras['history_latest_ledger']).toBeLessThan(900);
      },
      { firstLedger: 900 },
    ),
  );
});

test(
  'a fault strikes where and as often as it says, until it is cleared',
  onNetwork(async ({ ledger, get }) => {
    const { faults } = ledger;
    const everywhere = faults.set({ kind: 'timeout', path: '^/ledgers\\?.*order=desc', times: 2 });
    const root = faults.set({ kind: 'server_error', path: '^/$' });
    const statuses = async (...paths: string[]) => {
      const found = [];
      for (const path of paths) found.push((await get(path)).status);
      return found;
    };
    const desc = '/ledgers?order=desc';
    expect(await statuses('/', '/ledgers', desc, desc, desc)).toEqual([500, 200, 504, 504, 200]);
    expect(faults.list().map(({ id, left }) => ({ id, left }))).toEqual([{ id: root, left: null }]);
    faults.clear(root);
    expect(await statuses('/')).toEqual([200]);
    expect(everywhere).not.toBe(root);
    faults.set({ kind: 'timeout' });
    faults.clear();
    expect(await statuses('/')).toEqual([200]);
    expect(() => faults.set({ kind: 'timeout', path: '(' })).toThrow(RangeError);
    expect(() => faults.set({ kind: 'timeout', times: 0 })).toThrow(RangeError);
  }),
);

describe('the answer does not arrive', () => {
  test(
    'lost_answer: 504, though the transaction was taken and enters the next ledger',
    onNetwork(async ({ ledger, get, wallet }) => {
      const payer = await wallet();
      const transaction = await payer.build([paymentTo(payer.address, '1')]);
      const hash = Buffer.from(transaction.hash()).toString('hex');
      ledger.faults.set({ kind: 'lost_answer', path: '^/transactions', times: 1 });
      await expect(payer.submit(transaction)).rejects.toThrow(/answered 504/);
      expect((await get(`/transactions/${hash}`)).status).toBe(404);
      ledger.closeLedger();
      expect((await get(`/transactions/${hash}`)).body).toMatchObject({ successful: true });
    }),
  );

  test(
    'hang: nothing comes until the client gives up',
    onNetwork(async ({ ledger, get }) => {
      ledger.faults.set({ kind: 'hang', times: 1 });
      const giveUp = new AbortController();
      const hanging = fetch(ledger.url, { signal: giveUp.signal });
      const answered = await Promise.race([
        hanging.then(() => 'hung'),
        get('/').then(() => 'next'),
      ]);
      expect(answered).toBe('next');
      giveUp.abort();
      await expect(hanging).rejects.toThrow(/abort/);
    }),
  );

  test(
    'disconnect: the connection breaks before the answer, or in the middle of it',
    onNetwork(async ({ ledger, get }) => {
      ledger.faults.set({ kind: 'disconnect', times: 1 });
      await expect(get('/')).rejects.toThrow('fetch failed');
      ledger.faults.set({ kind: 'disconnect', half: true, times: 1 });
      const response = await fetch(ledger.url).catch(() => null);
      if (response) await expect(response.text()).rejects.toThrow();
      expect((await get('/')).status).toBe(200);
    }),
  );

  test(
    'truncated: 200, but the JSON ends in the middle',
    onNetwork(async ({ ledger }) => {
      ledger.faults.set({ kind: 'truncated', times: 1 });
      const response = await fetch(ledger.url);
      expect(response.status).toBe(200);
      const text = await response.text();
      expect(() => JSON.parse(text)).toThrow(SyntaxError);
      expect(text).toContain('_links');
    }),
  );

  test(
    'slow: later requests overtake it',
    onNetwork(async ({ ledger, get }) => {
      ledger.faults.set({ kind: 'slow', delayMs: 1000, path: 'order=desc' });
      const slow = get('/ledgers?order=desc').then(({ status }) => `slow ${status}`);
      const quick = get('/ledgers').then(() => 'quick');
      expect(await Promise.race([slow, quick])).toBe('quick');
      expect(await slow).toBe('slow 200');
    }),
  );
});

describe('the node is not where it was', () => {
  test(
    'repeat_page: the cursor is not heeded',
    onNetwork(async ({ ledger, wallet, records }) => {
      const { address } = await wallet();
      const list = `/accounts/${address}/payments`;
      const [first] = await records(list);
      const after = `${list}?cursor=${String(first?.['paging_token'])}`;
      ledger.faults.set({ kind: 'repeat_page', times: 1 });
      expect(await records(after)).toEqual([first]);
      expect(await records(after)).toEqual([]);
    }),
  );

  test(
    'lag: everything is as it was some ledgers ago, in one snapshot',
    onNetwork(async ({ ledger, get, wallet }) => {
      const [payer, merchant] = [await wallet(), await wallet('10')];
      const { hash } = await payer.pay(merchant.address, '1');
      const head = ledger.chain.history.latest().sequence;
      const look = async () => {
        const account = await get(`/accounts/${merchant.address}`);
        const payments = await get(`/accounts/${merchant.address}/payments`);
        return {
          root: (await get('/')).body['history_latest_ledger'],
          header: account.headers.get('latest-ledger'),
          balances: account.body['balances'] ?? account.status,
          payments: payments.status === 200 ? recordsOf(payments.body).length : payments.status,
          transaction: (await get(`/transactions/${hash}`)).status,
          ledger: (await get(`/ledgers/${head}/payments`)).status,
        };
      };
      const now = { root: head, header: String(head), payments: 2, transaction: 200, ledger: 200 };
      expect(await look()).toMatchObject({ ...now, balances: [{ balance: '11.0000000' }] });
      const id = ledger.faults.set({ kind: 'lag', ledgers: 1 });
      const before = {
        root: head - 1,
        header: String(head - 1),
        payments: 1,
        transaction: 404,
        ledger: 404,
      };
      expect(await look()).toMatchObject({ ...before, balances: [{ balance: '10.0000000' }] });
      ledger.faults.clear(id);
      ledger.faults.set({ kind: 'lag', ledgers: 2 });
      expect(await look()).toMatchObject({
        header: String(head - 2),
        balances: 404,
        payments: 404,
      });
    }),
  );

  test.each<[FaultKind, number[]]>([
    [{ kind: 'go_back', ledgers: 2 }, [8, 10, 10, 10]],
    [{ kind: 'two_nodes', ledgers: 3 }, [10, 7, 10, 7]],
    [{ kind: 'lag', ledgers: 99 }, [5, 5, 5, 5]],
  ])('%j', async (fault, expected) => {
    await onNetwork(
      async ({ ledger, get }) => {
        for (let i = 5; i < 10; i++) ledger.closeLedger();
        ledger.faults.set(fault);
        const heads = [];
        for (let i = 0; i < 4; i++) heads.push((await get('/')).body['history_latest_ledger']);
        expect(heads).toEqual(expected);
      },
      { firstLedger: 5 },
    )();
  });
});

test(
  'a wallet whose transaction was not even taken says that its outcome is unknown',
  onNetwork(async ({ ledger, wallet }) => {
    const payer = await wallet();
    const transaction = await payer.build([paymentTo(payer.address, '1')]);
    ledger.faults.set({ kind: 'over_capacity', times: 1 });
    await expect(payer.submit(transaction)).rejects.toThrow(/answered 503/);
    expect(ledger.chain.waiting).toBe(0);
    expect((await payer.submit(transaction)).successful).toBe(true);
    expect(await new SandboxWallet(ledger, payer.keypair).sequence()).toBe(
      BigInt(transaction.sequence),
    );
  }),
);
