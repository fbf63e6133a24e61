import { describe, expect, test } from '@jest/globals';
import { StrKey } from '@stellar/stellar-sdk';
import { SandboxWallet, paymentTo } from '../../../src/sandbox/ledger/wallet.ts';
import { onNetwork } from './network.ts';
import type { Json } from './network.ts';

const amounts = (records: Json[]) => records.map((one) => one['amount']);

test(
  'a reset forgets everything, and starts again with new hashes',
  onNetwork(
    async ({ ledger, get, wallet, command }) => {
      const payer = await wallet();
      const { hash } = await payer.pay(payer.address, '1');
      const genesis = (await get('/ledgers/50')).body['hash'];
      expect((await command('reset', { firstLedger: 50 })).status).toBe(200);
      const root = (await get('/')).body;
      expect(root).toMatchObject({ history_latest_ledger: 50, history_elder_ledger: 50 });
      expect((await get('/ledgers/50')).body['hash']).not.toBe(genesis);
      for (const path of [`/accounts/${payer.address}`, `/transactions/${hash}`]) {
        expect((await get(path)).status).toBe(404);
      }
      await ledger.fund(payer.address, '10');
      expect((await payer.pay(payer.address, '1')).successful).toBe(true);
      ledger.resetNetwork();
      expect((await get('/')).body).toMatchObject({ history_latest_ledger: 1 });
    },
    { firstLedger: 50 },
  ),
);

test(
  'a submission that waits when the network is reset is refused, and not carried over',
  onNetwork(async ({ ledger, wallet, records }) => {
    const payer = await wallet();
    const transaction = await payer.build([paymentTo(payer.address, '1')]);
    const { done } = ledger.chain.submit(transaction.toXdr());
    expect(ledger.chain.waiting).toBe(1);
    ledger.resetNetwork();
    expect(await done).toMatchObject({ kind: 'refused' });
    expect(ledger.chain.waiting).toBe(0);
    ledger.closeLedger();
    expect(await records('/payments')).toEqual([]);
  }),
);

describe('after a reap', () => {
  test(
    'an old ascending cursor is silently moved; old ledgers, transactions and operations are gone',
    onNetwork(async ({ ledger, get, wallet, records }) => {
      const [payer, merchant] = [await wallet(), await wallet()];
      const first = await payer.pay(merchant.address, '1');
      const [, old] = await records(`/accounts/${merchant.address}/payments`);
      await payer.pay(merchant.address, '2');
      const elder = ledger.chain.history.latest().sequence;
      await payer.pay(merchant.address, '3');
      ledger.reapBelow(elder);
      const list = `/accounts/${merchant.address}/payments`;
      for (const cursor of ['', '0', '1', String(old?.['paging_token'])]) {
        const { status } = await get(`${list}?cursor=${cursor}`);
        expect(status).toBe(200);
        expect(amounts(await records(`${list}?cursor=${cursor}`))).toEqual([
          '2.0000000',
          '3.0000000',
        ]);
      }
      expect(amounts(await records(`${list}?order=desc`))).toEqual(['3.0000000', '2.0000000']);
      const statuses = async (...paths: string[]) =>
        await Promise.all(paths.map(async (path) => (await get(path)).status));
      const token = String(old?.['paging_token']);
      expect(
        await statuses(
          `${list}?order=desc&cursor=${token}`,
          `/operations/${token}`,
          `/ledgers/${elder - 1}`,
          `/ledgers/${elder - 1}/payments`,
          `/transactions/${first.hash}`,
          `/ledgers/${elder}/payments`,
        ),
      ).toEqual([410, 410, 410, 404, 404, 200]);
      expect((await get(`/operations/${token}`)).body['type']).toMatch(/before_history$/);
      expect((await get('/')).body).toMatchObject({ history_elder_ledger: elder });
      const { balances } = (await get(`/accounts/${merchant.address}`)).body;
      expect(balances).toMatchObject([{ balance: '106.0000000' }]);
    }),
  );

  test(
    'nothing brings history back, and the newest ledger stays',
    onNetwork(async ({ ledger, get, command }) => {
      for (let i = 0; i < 4; i++) ledger.closeLedger();
      const elder = async () => (await get('/')).body['history_elder_ledger'];
      await command('reap', { ledger: 3 });
      ledger.reapBelow(2);
      expect(await elder()).toBe(3);
      ledger.reapBelow(1000);
      expect(await elder()).toBe(5);
    }),
  );
});

test(
  'a hidden transaction is missing from history, though its money is there, until the gap is filled',
  onNetwork(async ({ ledger, get, wallet, records, command }) => {
    const payer = await wallet();
    const { address } = new SandboxWallet(ledger);
    const { hash } = await payer.createAccount(address, '5');
    const ledgerOfIt = ledger.chain.history.latest().sequence;
    expect((await command('hide', { hash })).status).toBe(200);
    const list = `/accounts/${address}/payments`;
    expect((await get(list)).status).toBe(404);
    const { hash: second } = await payer.pay(address, '1');
    expect(amounts(await records(list))).toEqual(['1.0000000']);
    expect((await get(`/transactions/${hash}`)).status).toBe(404);
    expect(await records(`/ledgers/${ledgerOfIt}/payments`)).toEqual([]);
    expect((await get(`/accounts/${address}`)).body['balances']).toMatchObject([
      { balance: '6.0000000' },
    ]);
    await command('fill-gap');
    const shown = await records(list);
    expect(shown.map((one) => one['transaction_hash'])).toEqual([hash, second]);
    expect((await get(`/transactions/${hash}`)).status).toBe(200);
    expect((await command('hide', { hash: 'unknown' })).status).toBe(400);
  }),
);

test(
  'an injected record is shown as it is, in its place, and counts as a change of the account',
  onNetwork(async ({ ledger, get, usdc, payments, records, command }) => {
    const { asset, payer, merchant } = await usdc();
    await payer.pay(merchant.address, '1', asset);
    const strange = { type: 'teleport', type_i: 99, to: merchant.address, amount: 'much' };
    const { body } = await command('inject', { account: merchant.address, record: strange });
    const number = ledger.chain.history.latest().sequence;
    expect(body).toEqual({ ledger: number });
    await payer.pay(merchant.address, '2', asset);
    const shown = (await payments(merchant.address)).slice(-3);
    expect(amounts(shown)).toEqual(['1.0000000', 'much', '2.0000000']);
    const { id, paging_token, ...record } = shown[1] ?? {};
    expect(record).toEqual(strange);
    expect(id).toBe(paging_token);
    expect(BigInt(String(id)) >> 32n).toBe(BigInt(number));
    const after = await records(`/accounts/${merchant.address}/payments?cursor=${String(id)}`);
    expect(amounts(after)).toEqual(['2.0000000']);
    await ledger.injectRecord(merchant.address, { id: 'no number', paging_token: '9' });
    expect((await payments(merchant.address)).at(-1)).toEqual({
      id: 'no number',
      paging_token: '9',
    });
    const account = (await get(`/accounts/${merchant.address}`)).body;
    const head = ledger.chain.history.latest().sequence;
    expect(account['last_modified_ledger']).toBe(head);
    expect(account['balances']).toMatchObject([{ last_modified_ledger: head }, {}]);
  }),
);

describe('a dictated contract call', () => {
  test(
    'is one operation with all its balance changes, under the hash it answers',
    onNetwork(async ({ get, usdc, payments, command }) => {
      const { asset, payer, merchant } = await usdc();
      const contract = StrKey.encodeContract(Buffer.alloc(32, 5));
      const { body } = await command('contract-call', {
        source: payer.address,
        changes: [
          { asset, type: 'transfer', from: contract, to: merchant.address, amount: '15000000' },
          {
            asset: 'native',
            type: 'transfer',
            from: payer.address,
            to: merchant.address,
            amount: '1',
          },
        ],
      });
      const call = (await payments(merchant.address)).at(-1);
      expect(call).toMatchObject({
        type: 'invoke_host_function',
        transaction_hash: body['hash'],
        transaction: { hash: body['hash'], ledger: body['ledger'], memo_type: 'none' },
        asset_balance_changes: [
          { asset_code: 'USDC', from: contract, to: merchant.address, amount: '1.5000000' },
          { asset_type: 'native', from: payer.address, amount: '0.0000001' },
        ],
      });
      expect((await get(`/accounts/${merchant.address}`)).body['balances']).toMatchObject([
        { balance: '1.5000000', last_modified_ledger: body['ledger'] },
        { balance: '99.9999901' },
      ]);
      expect((await get(`/transactions/${String(body['hash'])}`)).status).toBe(200);
    }),
  );

  test(
    'that no ledger could record is refused, and the network goes on',
    onNetwork(async ({ wallet, command }) => {
      const payer = await wallet();
      const change = { asset: 'native', type: 'mint', to: payer.address, amount: '1' };
      for (const wrong of [
        { source: 'nobody', changes: [change] },
        { source: payer.address, changes: [{ ...change, to: 'somewhere' }] },
        { source: payer.address, changes: [{ ...change, asset: 'USDC' }] },
        { source: payer.address, changes: [{ ...change, amount: '-1' }] },
        { source: payer.address, changes: [{ ...change, amount: 'much' }] },
      ]) {
        expect((await command('contract-call', wrong)).status).toBe(400);
      }
      expect((await payer.pay(payer.address, '1')).successful).toBe(true);
    }),
  );
});

test(
  'every control is there for another process, and says what was wrong',
  onNetwork(async ({ ledger, get, command, usdc }) => {
    const { asset, payer, merchant } = await usdc();
    const head = ledger.chain.history.latest().sequence;
    expect((await command('close')).body).toEqual({ ledger: head + 1 });
    const fund = await command('fund', { account: merchant.address, xlm: '1' });
    expect(fund.body).toEqual({ ledger: head + 2 });
    await command('rate', { sell: 'native', buy: asset, rate: '2' });
    const path = { to: merchant.address, send: 'native', sendAmount: '1', receive: asset };
    expect((await payer.pathPayStrictSend({ ...path, destMin: '2' })).successful).toBe(true);
    const fault = { kind: 'slow', delayMs: 0, times: 5 };
    const { id } = (await command('faults', fault)).body;
    expect((await get('/sandbox/faults')).body).toEqual({ faults: [{ id, fault, left: 5 }] });
    expect((await command('faults/clear', { id })).body).toEqual({ faults: [] });
    for (const [name, input] of [
      ['fund', { account: 'nobody', xlm: '1' }],
      ['fund', { account: merchant.address, xlm: '1e3' }],
      ['rate', { sell: 'native', buy: asset, rate: '-1' }],
      ['faults', { kind: 'bad_weather' }],
      ['faults', { kind: 'lag' }],
      ['faults', { kind: 'timeout', path: '(' }],
      ['reap', {}],
    ] as const) {
      const { status, body } = await command(name, input);
      expect(status).toBe(400);
      expect(body['extras']).toMatchObject({ invalid_field: name });
    }
    expect((await command('nonsense')).status).toBe(404);
  }),
);
