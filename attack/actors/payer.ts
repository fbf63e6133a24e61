/** Anybody with some lumens. */
import { randomUUID } from 'node:crypto';
import { Account, Asset, Memo, MuxedAccount, Operation } from '@stellar/stellar-sdk';
import { submit } from '../../certify/parts/cast.ts';
import { payQuiet } from '../quiet.ts';
import type { Attack, Scene } from './actor.ts';

/** Operations of one transaction, at most. */
const OPERATIONS = 100;
const STROOP = '0.0000001';

/** The attacks. */
export const payer = { dust, exceptions, giants, memos, accounts } satisfies Record<string, Attack>;

/** The attack of a payer on the account that the quiet merchant itself is paid on. */
export const neighbouringPayer = { rain: rainOnQuiet } satisfies Record<string, Attack>;

const size = ({ quick }: Scene, small: number, large: number) => (quick ? small : large);

/** Thousands of payments of a stroop to one session, which is then paid: what it is told of must not drown. */
async function dust(scene: Scene): Promise<void> {
  const victim = await scene.victim();
  await rain(scene, victim.shop.wallet.address, victim.reference, size(scene, 2_000, 6_000));
  await payQuiet(scene.stage, victim);
}

/**
 * Dust to the quiet merchant's own account, for another session of it. The account is read in the ledger's order, so payments to
 * the quiet sessions lie between the dust.
 */
async function rainOnQuiet(scene: Scene): Promise<void> {
  const victim = await scene.victim({ shop: scene.stage.quiet });
  await rain(scene, victim.shop.wallet.address, victim.reference, size(scene, 4_000, 12_000));
  await payQuiet(scene.stage, victim);
}

/**
 * Payments in the wrong asset to a session whose merchant wants to hear of every exception, and then its price: the payment
 * must be told, however many exceptions stand before it. Then as many again, beyond the price.
 */
async function exceptions(scene: Scene): Promise<void> {
  const { stage } = scene;
  const victim = await scene.victim({ shop: stage.hostile, asset: stage.stack.usdc });
  const account = victim.shop.wallet.address;
  await rain(scene, account, victim.reference, size(scene, 4_000, 12_000));
  await payQuiet(stage, victim);
  await rain(scene, account, victim.reference, size(scene, 1_000, 12_000));
}

/** A hundred payments a transaction, ten transactions a ledger. */
async function rain(scene: Scene, to: string, memo: string, payments: number): Promise<void> {
  const { stack, mallory } = scene.stage;
  const drop = Operation.payment({ destination: to, asset: Asset.native(), amount: STROOP });
  const drops = Array.from({ length: OPERATIONS }, () => drop);
  for (let sent = 0; sent < payments && !scene.over.aborted; sent += OPERATIONS) {
    await submit(stack.ledger, mallory, drops, { memo: Memo.id(memo) });
    scene.did('payments of a stroop', OPERATIONS);
    if (sent % 1_000 === 900) await stack.ledger.chain.nextLedger();
  }
}

/**
 * Transactions of a hundred path payments, each as large as it can be: Horizon shows the whole transaction beside each of
 * its operations, so that a page grows with their square. They go to the account of an attacked merchant, who waits for a session of its own behind them.
 */
async function giants(scene: Scene): Promise<void> {
  const { stack, mallory, attacked } = scene.stage;
  const victim = await scene.victim();
  const hops = Array.from({ length: 5 }, (_, i) => new Asset(`GIANT000000${i}`, mallory.address));
  const path = [Asset.native(), ...hops, Asset.native()].map(String);
  path.slice(1).forEach((buy, i) => stack.ledger.chain.rates.set(path[i] ?? '', buy, '1'));
  const muxed = (address: string) =>
    new MuxedAccount(new Account(address, '0'), '18446744073709551615').accountId();
  const operation = Operation.pathPaymentStrictReceive({
    sendAsset: Asset.native(),
    sendMax: '1',
    destination: muxed(attacked.wallet.address),
    destAsset: Asset.native(),
    destAmount: STROOP,
    path: hops,
    source: muxed(mallory.address),
  });
  const operations = Array.from({ length: OPERATIONS }, () => operation);
  for (let n = 0; n < size(scene, 6, 20) && !scene.over.aborted; n += 1) {
    await submit(stack.ledger, mallory, operations, { memo: Memo.text('x'.repeat(28)) });
    scene.did('transactions of 100 path payments');
  }
  await stack.ledger.chain.nextLedger();
  await payQuiet(scene.stage, victim);
  const page = `/accounts/${attacked.wallet.address}/payments?limit=200&order=desc&join=transactions`;
  // When all is over: the ledger is this process, and making such a page would hold up everybody who reads.
  scene.atTheEnd(async () => {
    const bytes = (await (await fetch(stack.ledger.url + page)).arrayBuffer()).byteLength;
    scene.reached('MB in the last page of the account', Math.round(bytes / 2 ** 20));
  });
}

/** What a terminal obeys, what PostgreSQL refuses, what is no text. */
const MEMOS: readonly (string | Buffer)[] = [
  '\u001b[2J\u001b[H',
  '\u001b]52;c;cm0gLXJm\u0007',
  '\u001b]0;title\u0007\r\n',
  '\u009b31m',
  '\u202e\u2066bidi',
  '\u0000',
  'a\u0000b',
  Buffer.from([0xff, 0xfe, 0x00, 0xc0, 0x80]),
  Buffer.from([0xed, 0xa0, 0xbd]),
  "'; DROP TABLE payments; --",
  '\u{1f600}'.repeat(7),
];

/** Memos with control characters, half characters and NUL. */
async function memos(scene: Scene): Promise<void> {
  const { stack, mallory, attacked } = scene.stage;
  const destination = attacked.wallet.address;
  const payment = Operation.payment({ destination, asset: Asset.native(), amount: STROOP });
  for (let n = 0; n < size(scene, 3, 20) && !scene.over.aborted; n += 1) {
    for (const memo of MEMOS) {
      await submit(stack.ledger, mallory, [payment], { memo: Memo.text(memo) });
      scene.did('memos that are no text');
    }
    await stack.ledger.chain.nextLedger();
  }
}

/** One transaction pays accounts of every merchant, and is reported for a session of each. */
async function accounts(scene: Scene): Promise<void> {
  const { stack, mallory } = scene.stage;
  const victims = [await scene.victim(), await scene.victim()];
  const others = stack.shops.map(({ wallet }) => wallet.address);
  const [first] = victims;
  const memo = first?.reference ?? '1';
  for (let n = 0; n < size(scene, 5, 40) && !scene.over.aborted; n += 1) {
    const operations = Array.from({ length: OPERATIONS }, (_, i) =>
      Operation.payment({
        destination: others[i % others.length] ?? '',
        asset: Asset.native(),
        amount: STROOP,
      }),
    );
    const hash = await submit(stack.ledger, mallory, operations, { memo: Memo.id(memo) });
    scene.did('transactions over many accounts');
    await stack.ledger.chain.nextLedger();
    const reports = [...victims.map(({ id }) => id), randomUUID()].map((id) =>
      stack.client.wake(id, { txHash: hash }).then(() => scene.did('reports of them')),
    );
    await Promise.all(reports);
  }
  for (const victim of victims) await payQuiet(scene.stage, victim);
}
