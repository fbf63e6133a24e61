/** Who plays: a shop, two issuers, and a customer for each scene, all with accounts on the ledger. */
import { randomUUID } from 'node:crypto';
import { Asset, Operation, type Keypair } from '@stellar/stellar-sdk';
import { Client as PgClient } from 'pg';
import { assetOf, paymentTo, SandboxWallet } from '../ledger/wallet.ts';
import type { Stage } from './stage.ts';

/** The players. Customers have 1,000 of each USDC. */
export type Cast = {
  readonly shop: SandboxWallet;
  readonly merchantId: string;
  /** The shop's webhook secret. */
  readonly secret: string;
  /** The asset the shop asks for, `USDC:G…`. */
  readonly usdc: string;
  readonly issuer: string;
  /** The same code from an issuer nobody should trust. */
  readonly fakeUsdc: string;
  /** Who issue the two. */
  readonly issuers: readonly SandboxWallet[];
  readonly customers: readonly SandboxWallet[];
};

/** How many units of USDC one lumen buys in the demo's market. */
const PRICE_OF_LUMEN = '0.5';

/** Makes the accounts, gives them money, and registers the merchant in the database, as a backend would have. */
export async function castPlayers(stage: Stage, howMany: number): Promise<Cast> {
  const network = { url: stage.horizonUrl, networkPassphrase: stage.networkPassphrase };
  const wallet = () => new SandboxWallet(network);
  const [shop, issuer, forger] = [wallet(), wallet(), wallet()];
  const customers = Array.from({ length: howMany }, wallet);
  await Promise.all([shop, issuer, forger, ...customers].map((w) => fund(stage, w.address)));
  const [usdc, fakeUsdc] = [`USDC:${issuer.address}`, `USDC:${forger.address}`];
  const trust = [usdc, fakeUsdc].map((text) => Operation.changeTrust({ asset: assetOf(text) }));
  await Promise.all([shop, ...customers].map((w) => done(w.run(trust))));
  const paying = customers.length === 0 ? [] : [issuer, forger];
  await Promise.all(
    paying.map((from) => {
      const asset = `USDC:${from.address}`;
      return done(from.run(customers.map((to) => paymentTo(to.address, '1000', asset))));
    }),
  );
  await openMarket(stage, issuer);
  return {
    shop,
    usdc,
    issuer: issuer.address,
    fakeUsdc,
    issuers: [issuer, forger],
    customers,
    ...(await enrol(stage)),
  };
}

/**
 * One more customer, with 1,000 of what each issuer issues. The customer's own transaction brings the money, signed
 * by the issuers, too: many can be made at once without two of them needing the same sequence number.
 */
export async function makeCustomer(
  network: Pick<Stage, 'horizonUrl' | 'networkPassphrase'>,
  issuers: readonly Keypair[],
): Promise<SandboxWallet> {
  const { horizonUrl: url, networkPassphrase } = network;
  const customer = new SandboxWallet({ url, networkPassphrase });
  await fund(network, customer.address);
  const operations = issuers.flatMap((issuer) => {
    const asset = new Asset('USDC', issuer.publicKey());
    const destination = customer.address;
    return [
      Operation.changeTrust({ asset }),
      Operation.payment({ source: issuer.publicKey(), destination, asset, amount: '1000' }),
    ];
  });
  await done(customer.run(operations, { extraSigners: issuers }));
  return customer;
}

async function fund(
  { horizonUrl, networkPassphrase }: Pick<Stage, 'horizonUrl' | 'networkPassphrase'>,
  address: string,
): Promise<void> {
  const testnet = networkPassphrase.startsWith('Test SDF Network');
  const from = testnet ? 'https://friendbot.stellar.org/' : `${horizonUrl}/friendbot`;
  const response = await fetch(`${from}?addr=${address}`);
  if (!response.ok) throw new Error(`Friendbot (${from}) answered ${response.status}.`);
}

async function done(submitted: ReturnType<SandboxWallet['run']>): Promise<void> {
  const { successful, codes } = await submitted;
  if (!successful) throw new Error(`The accounts could not be prepared: ${codes.join(', ')}.`);
}

/** Path payments need somebody who changes lumens into USDC: the sandbox has a rate, a real network an offer. */
async function openMarket({ sandbox }: Stage, issuer: SandboxWallet): Promise<void> {
  if (sandbox) {
    sandbox.setRate('native', `USDC:${issuer.address}`, PRICE_OF_LUMEN);
    return;
  }
  const offer = {
    selling: new Asset('USDC', issuer.address),
    buying: Asset.native(),
    amount: '10000',
    price: String(1 / Number(PRICE_OF_LUMEN)),
  };
  await done(issuer.run([Operation.manageSellOffer(offer)]));
}

/** The merchant gets everything at its webhook_url, and held money at a second endpoint that asks for it. */
async function enrol(stage: Stage): Promise<{ merchantId: string; secret: string }> {
  const merchantId = randomUUID();
  const secret = randomUUID().replaceAll('-', '').repeat(2);
  const client = new PgClient({ connectionString: stage.databaseUrl });
  await client.connect();
  try {
    await client.query(
      `INSERT INTO merchants (id, wallet_address, business_name, email, webhook_url, webhook_secret)
       VALUES ($1, $2, 'The demo shop', $3, $4, $5)`,
      [merchantId, merchantId, `${merchantId}@example.com`, `${stage.receiver.url}/shop`, secret],
    );
    await client.query(
      `INSERT INTO webhook_endpoints (merchant_id, url, events, secret)
       VALUES ($1, $2, '["payment.exception"]', $3)`,
      [merchantId, `${stage.receiver.url}/exceptions`, secret],
    );
  } finally {
    await client.end();
  }
  return { merchantId, secret };
}
