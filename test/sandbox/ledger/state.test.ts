import { describe, expect, test } from '@jest/globals';
import { Operation } from '@stellar/stellar-sdk';
import { onNetwork, recordsOf } from './network.ts';
import type { Network } from './network.ts';

/** The evidence in one answer: head of the node, last changes of the account and of its trustline. */
async function evidence({ get }: Network, account: string) {
  const { headers, body } = await get(`/accounts/${account}`);
  const balances = body['balances'] as Record<string, unknown>[];
  return {
    head: Number(headers.get('latest-ledger')),
    account: body['last_modified_ledger'],
    trustline: balances.find((one) => one['asset_code'] === 'USDC')?.['last_modified_ledger'],
  };
}

describe('an account', () => {
  test(
    'is shown as Horizon shows it, trustlines before lumens',
    onNetwork(async ({ ledger, get, usdc }) => {
      const { issuer, merchant } = await usdc();
      await merchant.run([
        Operation.manageData({ name: 'config.memo_required', value: '1' }),
        Operation.setOptions({ homeDomain: 'example.org' }),
      ]);
      const { body, headers } = await get(`/accounts/${merchant.address}`);
      expect(headers.get('content-type')).toMatch(/^application\/hal\+json/);
      const modified = await get(`/ledgers/${String(body['last_modified_ledger'])}`);
      expect(body).toMatchObject({
        id: merchant.address,
        account_id: merchant.address,
        sequence: String(await merchant.sequence()),
        sequence_ledger: ledger.chain.history.latest().sequence,
        subentry_count: 2,
        home_domain: 'example.org',
        last_modified_time: modified.body['closed_at'],
        data: { 'config.memo_required': 'MQ==' },
        signers: [{ weight: 1, key: merchant.address, type: 'ed25519_public_key' }],
        paging_token: merchant.address,
      });
      expect(body['balances']).toEqual([
        {
          balance: '0.0000000',
          limit: '922337203685.4775807',
          buying_liabilities: '0.0000000',
          selling_liabilities: '0.0000000',
          last_modified_ledger: expect.any(Number),
          is_authorized: true,
          is_authorized_to_maintain_liabilities: true,
          asset_type: 'credit_alphanum4',
          asset_code: 'USDC',
          asset_issuer: issuer.address,
        },
        {
          balance: '99.9999700',
          buying_liabilities: '0.0000000',
          selling_liabilities: '0.0000000',
          asset_type: 'native',
        },
      ]);
    }),
  );

  test(
    'tells in one answer the head and when account and trustline last changed, each by itself',
    onNetwork(async (network) => {
      const { ledger } = network;
      const { asset, payer, merchant } = await network.usdc();
      const start = await evidence(network, merchant.address);
      const quiet = ledger.closeLedger();
      expect(await evidence(network, merchant.address)).toEqual({ ...start, head: quiet });

      await payer.pay(merchant.address, '1', asset);
      const paid = await evidence(network, merchant.address);
      expect(paid).toEqual({ head: quiet + 1, account: start.account, trustline: quiet + 1 });

      await payer.pay(merchant.address, '1');
      const native = await evidence(network, merchant.address);
      expect(native).toEqual({ head: quiet + 2, account: quiet + 2, trustline: quiet + 1 });

      await payer.pay(merchant.address, '5000', asset);
      expect(await evidence(network, merchant.address)).toEqual({ ...native, head: quiet + 3 });

      await merchant.trust(asset, '77');
      const trusted = await evidence(network, merchant.address);
      expect(trusted).toEqual({ head: quiet + 4, account: quiet + 4, trustline: quiet + 4 });

      await payer.contractTransfer(merchant.address, '1', asset);
      const called = await evidence(network, merchant.address);
      expect(called).toEqual({ ...trusted, head: quiet + 5, trustline: quiet + 5 });
    }),
  );
});

test(
  'a ledger has payments when it has closed, perhaps none, and is 404 until then',
  onNetwork(async ({ ledger, get, wallet }) => {
    const { address } = await wallet();
    const funded = ledger.chain.history.latest().sequence;
    const page = await get(`/ledgers/${funded}/payments`);
    expect(recordsOf(page.body)).toMatchObject([{ type: 'create_account', account: address }]);
    expect((await get(`/ledgers/${funded + 1}/payments`)).status).toBe(404);
    expect((await get(`/ledgers/${funded + 1}`)).status).toBe(404);
    expect(ledger.closeLedger()).toBe(funded + 1);
    const empty = await get(`/ledgers/${funded + 1}/payments`);
    expect(empty.status).toBe(200);
    expect(recordsOf(empty.body)).toEqual([]);
    expect(page.headers.has('latest-ledger')).toBe(false);
  }),
);

test(
  'ledgers follow each other: hash on hash, close times whole growing seconds',
  onNetwork(
    async ({ ledger, get, records, wallet }) => {
      const [payer, merchant] = [await wallet(), await wallet()];
      await payer.pay(merchant.address, '1');
      await payer.pay(merchant.address, '1000');
      const list = await records('/ledgers?order=asc&limit=200');
      expect(list.map((one) => one['sequence'])).toEqual([1000, 1001, 1002, 1003, 1004]);
      expect(list.slice(1).map((one) => one['prev_hash'])).toEqual(
        list.slice(0, -1).map((one) => one['hash']),
      );
      const times = list.map((one) => Date.parse(String(one['closed_at'])));
      expect(times).toEqual(
        [-1, 0, 1, 2, 3].map((s) => Date.parse('2026-05-01T12:00:00Z') + s * 1000),
      );
      expect((await get('/ledgers/1004')).body).toMatchObject({
        sequence: 1004,
        successful_transaction_count: 0,
        failed_transaction_count: 1,
        operation_count: 0,
        tx_set_operation_count: 1,
      });
      expect(ledger.closeLedger()).toBe(1005);
    },
    { firstLedger: 1000, clock: () => new Date('2026-05-01T12:00:00.789Z') },
  ),
);

test(
  'the root document tells network, newest and oldest ledger',
  onNetwork(
    async ({ ledger, get }) => {
      ledger.closeLedger();
      const { body } = await get('/');
      expect(body).toMatchObject({
        network_passphrase: 'A test of the root ; 2026',
        history_latest_ledger: 501,
        history_latest_ledger_closed_at: (await get('/ledgers/501')).body['closed_at'],
        history_elder_ledger: 500,
        ingest_latest_ledger: 501,
        core_latest_ledger: 501,
      });
    },
    { firstLedger: 500, networkPassphrase: 'A test of the root ; 2026' },
  ),
);
