/** Who takes part: accounts with money and trust, merchants with one endpoint or two. */
import { randomUUID } from 'node:crypto';
import { Keypair, Operation, type Memo } from '@stellar/stellar-sdk';
import { merchantEndpointId } from '../../src/db/ids.ts';
import type { SandboxLedger } from '../../src/sandbox/ledger/start.ts';
import { assetOf, SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import type { Merchant } from './merchant.ts';

/** An endpoint as the receiver knows it: the name in its path, its secret, and the events it asked for. */
export type Endpoint = {
  readonly id: string;
  readonly name: string;
  /** The current one first; the receiver knows the older ones, too. */
  readonly secrets: string[];
  readonly wantsExceptions: boolean;
};

/** A merchant, and the account it is paid on. */
export type Shop = {
  readonly wallet: SandboxWallet;
  readonly merchantId: string;
  readonly endpoints: readonly Endpoint[];
};

/** Everybody of a stack. */
export type Cast = {
  readonly shops: readonly Shop[];
  readonly customer: SandboxWallet;
  /** USDC, and the same code of somebody else. */
  readonly usdc: string;
  readonly fake: string;
};

/** Runs a statement. */
type Rows = (statement: string, values?: unknown[]) => Promise<unknown>;

const SHOPS = 6;

/** Accounts with money and trust, merchants with one endpoint or two. */
export async function prepare(
  ledger: SandboxLedger,
  merchant: Merchant,
  rows: Rows,
): Promise<Cast> {
  const wallet = () => new SandboxWallet(ledger);
  const [customer, issuer, faker] = [wallet(), wallet(), wallet()];
  const wallets = Array.from({ length: SHOPS }, wallet);
  const [usdc, fake] = [`USDC:${issuer.address}`, `USDC:${faker.address}`];
  const root = new SandboxWallet(ledger, Keypair.fromSecret(ledger.rootSecret));
  const create = (to: SandboxWallet, lumens: string) =>
    Operation.createAccount({ destination: to.address, startingBalance: lumens });
  await submit(ledger, root, [
    create(customer, '100000000'),
    ...[issuer, faker, ...wallets].map((one) => create(one, '1000')),
  ]);
  ledger.closeLedger();
  for (const one of [customer, ...wallets]) {
    const lines = [usdc, fake].map((asset) => Operation.changeTrust({ asset: assetOf(asset) }));
    await submit(ledger, one, lines);
  }
  ledger.closeLedger();
  for (const [by, asset] of [
    [issuer, usdc],
    [faker, fake],
  ] as const) {
    const gift = {
      destination: customer.address,
      asset: assetOf(asset),
      amount: '90000000',
    };
    await submit(ledger, by, [Operation.payment(gift)]);
  }
  ledger.closeLedger();
  const shops: Shop[] = [];
  for (const [index, one] of wallets.entries()) {
    shops.push(await addShop(one, index, merchant, rows));
  }
  return { shops, customer, usdc, fake };
}

/** A merchant whose endpoints are at `merchant`: one where `index` is even, two where it is odd. */
export async function addShop(
  wallet: SandboxWallet,
  index: number,
  merchant: Pick<Merchant, 'url'>,
  rows: Rows,
): Promise<Shop> {
  const merchantId = randomUUID();
  const secret = (digit: number) => `${index}${digit}`.repeat(32);
  const name = (which: number) => `shop-${index}-${which}`;
  await rows(
    `INSERT INTO merchants (id, wallet_address, business_name, email, webhook_url, webhook_secret)
     VALUES ($1, $2, 'A shop', $3, $4, $5)`,
    [merchantId, merchantId, `${merchantId}@example.com`, `${merchant.url}/${name(0)}`, secret(0)],
  );
  const first = {
    id: merchantEndpointId(merchantId),
    name: name(0),
    secrets: [secret(0)],
    wantsExceptions: false,
  };
  if (index % 2 === 0) return { wallet, merchantId, endpoints: [first] };
  const id = randomUUID();
  const all = ['payment.confirmed', 'session.expired', 'session.cancelled', 'payment.exception'];
  await rows(
    `INSERT INTO webhook_endpoints (id, merchant_id, url, secret, events, is_active)
     VALUES ($1, $2, $3, $4, $5, true)`,
    [id, merchantId, `${merchant.url}/${name(1)}`, secret(1), JSON.stringify(all)],
  );
  const second = { id, name: name(1), secrets: [secret(1)], wantsExceptions: true };
  return { wallet, merchantId, endpoints: [first, second] };
}

type Builder = Parameters<SandboxWallet['run']>[0][number];

/** One transaction of an account is signed after the other: each needs the number of the one before. */
const turns = new WeakMap<SandboxWallet, Promise<unknown>>();

/** Hands signed operations over for the next ledger, whatever Horizon's API is suffering from. Returns the hash. */
export async function submit(
  ledger: SandboxLedger,
  by: SandboxWallet,
  operations: readonly Builder[],
  { memo, bumped = false }: { memo?: Memo | undefined; bumped?: boolean } = {},
): Promise<string> {
  const mine = (turns.get(by) ?? Promise.resolve()).then(async () => {
    const sequence = ledger.chain.lastSequence(by.address);
    if (sequence === null) throw new Error(`${by.address} does not exist.`);
    const inner = await by.build(operations, {
      sequence: sequence + 1n,
      ...(memo === undefined ? {} : { memo }),
    });
    const envelope = bumped ? by.bump(inner, '2000') : inner;
    const { done } = ledger.chain.submit(envelope.toXdr());
    const refused = await Promise.race([done, Promise.resolve(null)]);
    if (refused?.kind === 'refused') throw new Error('The ledger refused a transaction.');
    return Buffer.from(envelope.hash()).toString('hex');
  });
  turns.set(
    by,
    mine.catch(() => undefined),
  );
  return mine;
}
