/**
 * A stretch of history with everything that payments can be. Keys, times and signatures are the same each time, so
 * that what Horizon makes of it is, too, and can be recorded.
 */
import {
  Account,
  Asset,
  BASE_FEE,
  Memo,
  MuxedAccount,
  Operation,
  TransactionBuilder,
  type Transaction,
} from '@stellar/stellar-sdk';
import type { BalanceChange } from '../../src/sandbox/ledger/contract-call.ts';
import { startSandboxLedger, type SandboxLedger } from '../../src/sandbox/ledger/start.ts';
import { SandboxWallet, assetOf, paymentTo } from '../../src/sandbox/ledger/wallet.ts';
import { addressOf, digest, keyOf, muxed, SPLITTER } from './cast.ts';

/** Who took part, the hashes by what they are of, and where history stands. */
export type Scenario = {
  readonly ledger: SandboxLedger;
  readonly shop: string;
  readonly customer: string;
  readonly issuer: string;
  /** Was merged into the shop. */
  readonly newcomer: string;
  readonly hashes: ReadonlyMap<string, string>;
  readonly dictated: ReadonlyMap<string, readonly BalanceChange[]>;
  readonly latest: number;
};

const LEDGER_EVERY_S = 5;
const START = Date.UTC(2026, 8, 1);

type Stage = {
  readonly ledger: SandboxLedger;
  readonly shop: SandboxWallet;
  readonly customer: SandboxWallet;
  readonly issuer: SandboxWallet;
  readonly newcomer: SandboxWallet;
  readonly usdc: string;
  readonly note: (name: string, submitted: Promise<{ hash: string }>) => Promise<void>;
  readonly close: () => void;
};

/** Plays it all on a sandbox ledger. `stop()` the ledger afterwards. */
export async function play(): Promise<Scenario> {
  let now = START;
  const ledger = await startSandboxLedger({ closeEveryMs: null, clock: () => new Date(now) });
  const close = () => {
    now += LEDGER_EVERY_S * 1000;
    ledger.closeLedger();
  };
  const network = {
    url: ledger.url,
    networkPassphrase: ledger.networkPassphrase,
    closeLedger: close,
  };
  const [shop, customer, issuer, newcomer] = ['shop', 'customer', 'issuer', 'newcomer'].map(
    (name) => new SandboxWallet(network, keyOf(name)),
  ) as [SandboxWallet, SandboxWallet, SandboxWallet, SandboxWallet];
  const hashes = new Map<string, string>();
  const dictated = new Map<string, readonly BalanceChange[]>();
  const note: Stage['note'] = async (name, submitted) => {
    hashes.set(name, (await submitted).hash);
  };
  const usdc = `USDC:${issuer.address}`;
  const stage = { ledger, shop, customer, issuer, newcomer, usdc, note, close };
  await setUp(stage);
  await payWithMemos(stage);
  await payMuxed(stage);
  await payAlongPaths(stage);
  await openAndMerge(stage);
  await bumpFees(stage);
  await payInBatches(stage);
  await payByContract(stage, dictated);
  await changeAccounts(stage);
  close(); // an empty ledger
  return {
    ledger,
    shop: shop.address,
    customer: customer.address,
    issuer: issuer.address,
    newcomer: newcomer.address,
    hashes,
    dictated,
    latest: ledger.chain.history.latest().sequence,
  };
}

async function setUp({ ledger, shop, customer, issuer, usdc, note }: Stage): Promise<void> {
  for (const { address } of [shop, customer, issuer]) await ledger.fund(address, '1000');
  await note('trust', shop.trust(usdc));
  await shop.trust(`ALPHABET:${issuer.address}`, '5000');
  await shop.trust(`BRIDGECOIN:${issuer.address}`);
  await customer.trust(usdc);
  await note('issue', issuer.pay(customer.address, '500', usdc));
}

async function payWithMemos({ shop, customer, usdc, note }: Stage): Promise<void> {
  const pay = (name: string, memo: Memo, asset = 'native') =>
    note(name, customer.pay(shop.address, '1.0000001', asset, { memo }));
  await pay('no memo', Memo.none());
  await pay('id memo', Memo.id('18446744073709551615'));
  await pay('text memo', Memo.text('order 7 – für <dich> & mich'.slice(0, 24)), usdc);
  await pay('empty text memo', Memo.text(''));
  await pay('hash memo', Memo.hash(digest('hash').toString('hex')), usdc);
  await pay('return memo', Memo.return(digest('return').toString('hex')));
  await pay('NUL memo', Memo.text(Buffer.from('12\0 34\0')));
  await pay('not UTF-8 memo', Memo.text(Buffer.from([0x61, 0xff, 0xc3, 0x28, 0x5c, 0x0a])));
  // The first two of a euro sign's three bytes, a surrogate, an overlong slash.
  const broken = [0x31, 0xe2, 0x82, 0x32, 0xed, 0xa0, 0x80, 0x33, 0xc0, 0xaf, 0xf0, 0x9f, 0x98];
  await pay('cut short memo', Memo.text(Buffer.from(broken)));
  await pay('id memo 0', Memo.id('0'));
  await pay('digits memo', Memo.text('0042'));
  await pay('byte order mark memo', Memo.text(Buffer.from([0xef, 0xbb, 0xbf, 0x34])));
}

async function payMuxed({ ledger, shop, customer, usdc, note }: Stage): Promise<void> {
  await note('to muxed', customer.pay(muxed(shop.address, '9007199254740993'), '2', usdc));
  const memo = Memo.id('5');
  await note('to muxed 0', customer.pay(muxed(shop.address, '0'), '2', 'native', { memo }));
  const source = muxed(customer.address, '0');
  const payment = { destination: shop.address, asset: Asset.native(), amount: '3' };
  await note(
    'operation from muxed 0',
    customer.run([Operation.payment({ ...payment, source })], { memo: Memo.id('9') }),
  );
  const from = new MuxedAccount(
    new Account(customer.address, String(await customer.sequence())),
    '18446744073709551615',
  );
  const transaction = new TransactionBuilder(from, {
    fee: BASE_FEE,
    networkPassphrase: ledger.networkPassphrase,
    timebounds: { minTime: START / 1000, maxTime: START / 1000 + 86_400 },
  })
    .addOperation(Operation.payment({ ...payment, destination: muxed(shop.address, '7') }))
    .build();
  transaction.sign(customer.keypair);
  await note('transaction from muxed', customer.submit(transaction));
}

async function payAlongPaths({ ledger, shop, customer, issuer, usdc, note }: Stage): Promise<void> {
  ledger.setRate('native', usdc, '0.25');
  ledger.setRate('native', `ALPHABET:${issuer.address}`, '2');
  ledger.setRate(`ALPHABET:${issuer.address}`, usdc, '0.125');
  const legs = { to: shop.address, send: 'native', receive: usdc };
  const memo = { memo: Memo.id('77') };
  await note(
    'strict send',
    customer.pathPayStrictSend({ ...legs, sendAmount: '8', destMin: '1.5' }, memo),
  );
  await note(
    'strict receive',
    customer.pathPayStrictReceive({ ...legs, sendMax: '50', destAmount: '3.0000003' }, memo),
  );
  const between = [assetOf(`ALPHABET:${issuer.address}`)];
  const ends = { sendAsset: Asset.native(), destAsset: assetOf(usdc), path: between };
  const destination = muxed(shop.address, '12');
  await note(
    'strict send over a path',
    customer.run([
      Operation.pathPaymentStrictSend({ ...ends, destination, sendAmount: '16', destMin: '1' }),
    ]),
  );
  await note(
    'strict receive without conversion',
    customer.pathPayStrictReceive({ ...legs, send: usdc, sendMax: '9', destAmount: '4' }),
  );
  ledger.setRate('native', `BRIDGECOIN:${issuer.address}`, '3');
  const bridge = { ...legs, receive: `BRIDGECOIN:${issuer.address}` };
  await note(
    'strict receive of a long code',
    customer.pathPayStrictReceive({ ...bridge, sendMax: '9', destAmount: '10' }),
  );
  await note(
    'failed strict send',
    customer.pathPayStrictSend({ ...legs, sendAmount: '8', destMin: '100' }),
  );
  await note(
    'failed strict receive',
    customer.pathPayStrictReceive({ ...legs, sendMax: '1', destAmount: '100' }),
  );
}

async function openAndMerge({ shop, customer, newcomer, note }: Stage): Promise<void> {
  await note('create account', customer.createAccount(newcomer.address, '20'));
  const source = muxed(customer.address, '31');
  const other = { destination: addressOf('other'), startingBalance: '1.5' };
  await note(
    'create account from muxed',
    customer.run([Operation.createAccount({ ...other, source })]),
  );
  const typed = { memo: Memo.text('42') };
  await note('id typed as text', newcomer.pay(shop.address, '1', 'native', typed));
  await note('merge', newcomer.merge(shop.address, { memo: Memo.id('42') }));
  await customer.createAccount(newcomer.address, '5');
  await note('merge into muxed', newcomer.merge(muxed(shop.address, '43')));
  await customer.createAccount(newcomer.address, '5');
  const merge = Operation.accountMerge({ destination: muxed(shop.address, '44') });
  await note('merge after a payment', newcomer.run([paymentTo(customer.address, '1'), merge]));
}

async function bumpFees(stage: Stage): Promise<void> {
  const { ledger, shop, customer, issuer, newcomer, usdc, note } = stage;
  const bump = async (name: string, inner: Transaction, payer: string) => {
    const outer = TransactionBuilder.buildFeeBumpTransaction(
      payer,
      '250',
      inner,
      ledger.networkPassphrase,
    );
    outer.sign(issuer.keypair);
    await note(`inner of ${name}`, Promise.resolve({ hash: hex(inner.hash()) }));
    await note(name, issuer.submit(outer));
  };
  const pay = (amount: string) =>
    customer.build([paymentTo(shop.address, amount, usdc)], { memo: Memo.id('99') });
  await bump('fee bump', await pay('6'), issuer.address);
  await bump('fee bump from muxed', await pay('7'), muxed(issuer.address, '3'));
  await bump('failed fee bump', await pay('100000'), issuer.address);
  await customer.createAccount(newcomer.address, '5');
  const merge = Operation.accountMerge({ destination: shop.address });
  const inner = await newcomer.build([merge], { memo: Memo.id('45') });
  await bump('merge in a fee bump', inner, issuer.address);
}

async function payInBatches(stage: Stage): Promise<void> {
  const { shop, customer, issuer, usdc, note, close } = stage;
  await note(
    'several operations',
    customer.run(
      [
        paymentTo(shop.address, '1'),
        Operation.manageData({ name: 'note', value: 'between payments' }),
        paymentTo(muxed(shop.address, '1'), '2', usdc),
        paymentTo(issuer.address, '3', usdc),
        paymentTo(shop.address, '4', usdc),
      ],
      { memo: Memo.id('1') },
    ),
  );
  await note(
    'failed',
    customer.run([paymentTo(shop.address, '1'), paymentTo(shop.address, '1000000')]),
  );
  const together = [
    await customer.build([paymentTo(shop.address, '11')]),
    await issuer.build([paymentTo(shop.address, '12', usdc)]),
    await shop.build([paymentTo(customer.address, '13')], { memo: Memo.text('refund') }),
  ];
  for (const transaction of together) await customer.enqueue(transaction);
  close();
  await note('to oneself', shop.pay(shop.address, '5'));
  const [source, destination] = [muxed(shop.address, '1'), muxed(shop.address, '2')];
  const within = Operation.payment({ source, destination, asset: Asset.native(), amount: '6' });
  await note('between muxed addresses of oneself', shop.run([within]));
}

async function payByContract(
  { ledger, shop, customer, issuer, usdc, note }: Stage,
  dictated: Map<string, readonly BalanceChange[]>,
): Promise<void> {
  await note('contract transfer', customer.contractTransfer(shop.address, '2.5'));
  await note(
    'contract transfer to muxed',
    customer.contractTransfer(muxed(shop.address, '0'), '1', usdc),
  );
  await note('contract mint', issuer.contractTransfer(muxed(shop.address, '8'), '3', usdc));
  await note('contract burn', customer.contractTransfer(issuer.address, '4', usdc));
  await note('failed contract transfer', customer.contractTransfer(shop.address, '99999', usdc));
  const change = { type: 'transfer' as const, amount: 10_000_000n };
  const changes: BalanceChange[] = [
    { ...change, asset: usdc, from: customer.address, to: SPLITTER },
    { ...change, asset: usdc, from: SPLITTER, to: muxed(shop.address, '18446744073709551615') },
    { ...change, asset: 'native', from: SPLITTER, to: shop.address },
    { type: 'burn', asset: usdc, from: customer.address, amount: 1n },
    { type: 'clawback', asset: usdc, from: customer.address, amount: 2n },
    { type: 'mint', asset: usdc, to: SPLITTER, amount: 9_223_372_036_854_775_807n },
    // What a contract holds may be more than an account can: the largest i128.
    { type: 'mint', asset: usdc, to: SPLITTER, amount: 2n ** 127n - 1n },
    { ...change, asset: usdc, from: customer.address, to: addressOf('other') },
    { ...change, asset: 'native', from: SPLITTER, to: shop.address, amount: 0n },
    { type: 'mint', asset: usdc, to: muxed(shop.address, '0'), amount: 25_000_000n },
    { type: 'burn', asset: usdc, from: shop.address, amount: 30_000_000n },
    { type: 'clawback', asset: usdc, from: shop.address, amount: 40_000_000n },
  ];
  const call = await ledger.addContractCall(customer.address, changes);
  dictated.set(call.hash, changes);
  await note('contract call', Promise.resolve(call));
}

async function changeAccounts({ shop, customer, issuer, note }: Stage): Promise<void> {
  await note('set options', shop.run([Operation.setOptions({ homeDomain: 'shop.example' })]));
  await note(
    'require a memo',
    shop.run([Operation.manageData({ name: 'config.memo_required', value: '1' })]),
  );
  await customer.trust(`EUROPE:${issuer.address}`);
  await customer.trust(`A:${issuer.address}`);
  await note('end of trust', shop.trust(`ALPHABET:${issuer.address}`, '0'));
  await note('forget', customer.run([Operation.manageData({ name: 'note', value: null })]));
  const bumpTo = String((await customer.sequence()) + 10n);
  await note('bump sequence', customer.run([Operation.bumpSequence({ bumpTo })]));
  await note('last', customer.pay(shop.address, '0.0000001'));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
