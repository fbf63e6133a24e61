/** A wallet for the sandbox, the demo and the tests: builds, really signs and submits transactions over HTTP. */
import {
  Account,
  Asset,
  Contract,
  Keypair,
  Operation,
  TransactionBuilder,
  Address,
  nativeToScVal,
} from '@stellar/stellar-sdk';
import type { FeeBumpTransaction, Memo, Transaction } from '@stellar/stellar-sdk';
import { parseAmount } from '../../domain/money.ts';
import type { Json } from './history.ts';

/** Where a wallet submits. `closeLedger` is called after each submission, for networks that close by hand. */
export type WalletNetwork = {
  readonly url: string;
  readonly networkPassphrase: string;
  readonly closeLedger?: () => unknown;
};

/** What can be said beside the payment itself. `source` of an operation other than the wallet must sign, too. */
export type TransactionOptions = {
  readonly memo?: Memo;
  /** Seconds from now; 0 (the default) for no limit. */
  readonly timeoutSeconds?: number;
  readonly extraSigners?: readonly Keypair[];
  /** Overrides the sequence number that the network would want. */
  readonly sequence?: bigint;
  /** Stroops for each operation, 100 unless given. */
  readonly fee?: string;
};

/** A transaction in a ledger, or why it is not in one. `codes` are Horizon's result codes, empty when it worked. */
export type Submitted = {
  readonly hash: string;
  readonly successful: boolean;
  readonly status: number;
  readonly codes: readonly string[];
  readonly body: Json;
};

/** `native` (or `XLM`), or `CODE:ISSUER`. */
export function assetOf(text: string): Asset {
  const [code = '', issuer] = text.split(':');
  return issuer === undefined ? Asset.native() : new Asset(code, issuer);
}

type Builder = Parameters<TransactionBuilder['addOperation']>[0];

/** An account with its key, and its way to the network. */
export class SandboxWallet {
  readonly keypair: Keypair;
  readonly network: WalletNetwork;

  constructor(network: WalletNetwork, keypair: Keypair = Keypair.random()) {
    this.network = network;
    this.keypair = keypair;
  }

  /** The G address. */
  get address(): string {
    return this.keypair.publicKey();
  }

  /** Pays an amount (a decimal) of an asset (`native` or `CODE:ISSUER`) to a G or M address. */
  async pay(to: string, amount: string, asset = 'native', options?: TransactionOptions) {
    return await this.run([paymentTo(to, amount, asset)], options);
  }

  /** Sends exactly `sendAmount`; what arrives is at least `destMin`. */
  async pathPayStrictSend(
    path: { to: string; send: string; sendAmount: string; receive: string; destMin: string },
    options?: TransactionOptions,
  ) {
    const operation = Operation.pathPaymentStrictSend({
      sendAsset: assetOf(path.send),
      sendAmount: path.sendAmount,
      destination: path.to,
      destAsset: assetOf(path.receive),
      destMin: path.destMin,
    });
    return await this.run([operation], options);
  }

  /** Exactly `destAmount` arrives; at most `sendMax` is sent. */
  async pathPayStrictReceive(
    path: { to: string; send: string; sendMax: string; receive: string; destAmount: string },
    options?: TransactionOptions,
  ) {
    const operation = Operation.pathPaymentStrictReceive({
      sendAsset: assetOf(path.send),
      sendMax: path.sendMax,
      destination: path.to,
      destAsset: assetOf(path.receive),
      destAmount: path.destAmount,
    });
    return await this.run([operation], options);
  }

  /** Trusts an asset up to a limit (everything unless given; `0` ends the trust). */
  async trust(asset: string, limit?: string) {
    const line = { asset: assetOf(asset), ...(limit === undefined ? {} : { limit }) };
    return await this.run([Operation.changeTrust(line)]);
  }

  /** Creates an account with lumens. */
  async createAccount(account: string, startingBalance: string, options?: TransactionOptions) {
    const operation = Operation.createAccount({ destination: account, startingBalance });
    return await this.run([operation], options);
  }

  /** Gives all lumens to another account and ends this one. */
  async merge(into: string, options?: TransactionOptions) {
    return await this.run([Operation.accountMerge({ destination: into })], options);
  }

  /** Calls `transfer` of the asset's contract (SAC); the receiver may be muxed, the amount zero. */
  async contractTransfer(to: string, amount: string, asset = 'native') {
    const contract = new Contract(assetOf(asset).contractId(this.network.networkPassphrase));
    const stroops = nativeToScVal(parseAmount(amount), { type: 'i128' });
    const [from, receiver] = [new Address(this.address).toScVal(), new Address(to).toScVal()];
    return await this.run([contract.call('transfer', from, receiver, stroops)]);
  }

  /** Builds, signs and submits any operations in one transaction. */
  async run(operations: readonly Builder[], options?: TransactionOptions): Promise<Submitted> {
    return await this.submit(await this.build(operations, options));
  }

  /** Builds and signs a transaction with the next sequence number. */
  async build(
    operations: readonly Builder[],
    options: TransactionOptions = {},
  ): Promise<Transaction> {
    const sequence = options.sequence ?? (await this.sequence()) + 1n;
    const builder = new TransactionBuilder(new Account(this.address, String(sequence - 1n)), {
      fee: options.fee ?? '100',
      networkPassphrase: this.network.networkPassphrase,
      ...(options.memo === undefined ? {} : { memo: options.memo }),
    });
    for (const operation of operations) builder.addOperation(operation);
    const transaction = builder.setTimeout(options.timeoutSeconds ?? 0).build();
    transaction.sign(this.keypair, ...(options.extraSigners ?? []));
    return transaction;
  }

  /** Wraps a signed transaction into a fee bump that this wallet pays for. */
  bump(inner: Transaction, fee = '200'): FeeBumpTransaction {
    const bumped = TransactionBuilder.buildFeeBumpTransaction(
      this.keypair,
      fee,
      inner,
      this.network.networkPassphrase,
    );
    bumped.sign(this.keypair);
    return bumped;
  }

  /** Submits and waits for the ledger. An answer that is no verdict (503, 504) throws: the outcome is unknown. */
  async submit(transaction: Transaction | FeeBumpTransaction): Promise<Submitted> {
    if (this.network.closeLedger) {
      await this.enqueue(transaction);
      await this.network.closeLedger();
    }
    const { status, body } = await this.post('/transactions', transaction);
    const hash = Buffer.from(transaction.hash()).toString('hex');
    if (status === 200) return { hash, successful: true, status, codes: [], body };
    const extras = body['extras'] as
      { result_codes?: Record<string, string | string[]> } | undefined;
    if (!extras?.result_codes) {
      throw unknownOutcome(transaction, status);
    }
    const codes = Object.values(extras.result_codes).flat();
    return { hash, successful: false, status, codes, body };
  }

  /**
   * Hands a transaction over without waiting for its ledger; answers `PENDING`, `DUPLICATE` or `ERROR`.
   * Any other answer throws: the outcome is unknown.
   */
  async enqueue(transaction: Transaction | FeeBumpTransaction): Promise<string> {
    const { status, body } = await this.post('/transactions_async', transaction);
    if (typeof body['tx_status'] !== 'string') throw unknownOutcome(transaction, status);
    return body['tx_status'];
  }

  /** The last sequence number used. */
  async sequence(): Promise<bigint> {
    const response = await fetch(`${this.network.url}/accounts/${this.address}`);
    if (!response.ok)
      throw new Error(`Account ${this.address}: Horizon answered ${response.status}.`);
    const { sequence } = (await response.json()) as { sequence: string };
    return BigInt(sequence);
  }

  private async post(path: string, transaction: Transaction | FeeBumpTransaction) {
    const response = await fetch(this.network.url + path, {
      method: 'POST',
      body: new URLSearchParams({ tx: transaction.toXdr() }),
    });
    return { status: response.status, body: (await response.json()) as Json };
  }
}

function unknownOutcome(transaction: Transaction | FeeBumpTransaction, status: number): Error {
  const hash = Buffer.from(transaction.hash()).toString('hex');
  return new Error(`Nobody knows what became of transaction ${hash}: Horizon answered ${status}.`);
}

/** A payment operation for `SandboxWallet.run`, so that one transaction can carry several. */
export function paymentTo(to: string, amount: string, asset = 'native'): Builder {
  return Operation.payment({ destination: to, asset: assetOf(asset), amount });
}
