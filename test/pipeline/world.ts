/** A ledger with shops, payers and sessions, and watchers that read it: real parts, a clock that the test turns. */
import { randomUUID } from 'node:crypto';
import { Asset, Contract, Address, Keypair, Operation, nativeToScVal } from '@stellar/stellar-sdk';
import type { Memo } from '@stellar/stellar-sdk';
import { createDiary, termsOf, type Diary } from '../../certify/parts/diary.ts';
import { openSession } from '../../src/activities/open-session.ts';
import type { ReadStrategy } from '../../src/db/watching.ts';
import { muxedAddress } from '../../src/horizon/address.ts';
import { startSandboxLedger, type SandboxLedger } from '../../src/sandbox/ledger/start.ts';
import { assetOf, SandboxWallet } from '../../src/sandbox/ledger/wallet.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from '../support/database.ts';
import { createWatcher, type Watcher } from './watcher.ts';

type Builder = Parameters<SandboxWallet['run']>[0][number];

/** A session of the world, and what its payer needs. */
export type WorldSession = {
  readonly id: string;
  readonly account: string;
  readonly asset: string;
  readonly reference: string;
};

export type World = {
  readonly ledger: SandboxLedger;
  readonly database: TestDatabase;
  /** What was asked of the system, for the books. */
  readonly diary: Diary;
  readonly merchantId: string;
  /** The last ledger before any of the sessions. */
  readonly begin: number;
  /** Pays; has plenty of lumens and of both USDC. */
  readonly customer: SandboxWallet;
  /** Accounts that exist to be merged into another. */
  readonly disposable: readonly SandboxWallet[];
  /** Receive. `later` does not exist on the ledger yet. */
  readonly shops: {
    readonly first: SandboxWallet;
    readonly second: SandboxWallet;
    readonly later: SandboxWallet;
  };
  /** USDC, and the same code of somebody else, as CODE:ISSUER. */
  readonly usdc: string;
  readonly fake: string;
  /** The ledger's clock. */
  now(): Date;
  /** Closes a ledger so many seconds later. */
  close(seconds: number): void;
  /** Hands operations over for the next ledger; the transaction's hash, or null where they cannot even be signed. */
  submit(
    by: SandboxWallet,
    operations: readonly Builder[],
    options?: Submission,
  ): Promise<string | null>;
  open(session: {
    account: string;
    asset: string;
    price: string;
    seconds: number;
  }): Promise<WorldSession>;
  /** A process of its own: connections, settle queue, request budget. */
  watcher(strategy?: ReadStrategy): Watcher;
  end(): Promise<void>;
};

export type Submission = { memo?: Memo; bumped?: boolean; cosigner?: SandboxWallet };

/** Builds the world. Its ledger's time begins now and goes on only by `close`. */
export async function newWorld(): Promise<World> {
  const database = await createTestDatabase({ max: 4 });
  const merchantId = await insertMerchant(database);
  // Sessions are created at the database's time, and accounts are registered before that.
  let time = Date.now() - 120_000;
  const ledger = await startSandboxLedger({ closeEveryMs: null, clock: () => new Date(time) });
  const { chain } = ledger;
  const wallet = () => new SandboxWallet(ledger);
  const [customer, issuer, faker, first, second, later] = [
    wallet(),
    wallet(),
    wallet(),
    wallet(),
    wallet(),
    wallet(),
  ];
  const disposable = [wallet(), wallet(), wallet()];
  const [usdc, fake] = [`USDC:${issuer.address}`, `USDC:${faker.address}`];
  const ended: (() => Promise<unknown>)[] = [];

  const submit: World['submit'] = async (by, operations, { memo, bumped, cosigner } = {}) => {
    const sequence = chain.lastSequence(by.address);
    if (sequence === null) return null;
    const inner = await by.build(operations, {
      sequence: sequence + 1n,
      ...(memo === undefined ? {} : { memo }),
      ...(cosigner === undefined ? {} : { extraSigners: [cosigner.keypair] }),
    });
    const envelope = bumped === true ? customer.bump(inner, '2000') : inner;
    chain.submit(envelope.toXdr());
    return Buffer.from(envelope.hash()).toString('hex');
  };
  const close = (seconds: number) => {
    time = Math.max(time, ledger.chain.history.latest().closedAt * 1000) + seconds * 1000;
    ledger.closeLedger();
  };

  const root = new SandboxWallet(ledger, Keypair.fromSecret(ledger.rootSecret));
  const create = (to: SandboxWallet, startingBalance: string) =>
    Operation.createAccount({ destination: to.address, startingBalance });
  await submit(root, [
    ...[issuer, faker, first, second].map((one) => create(one, '100')),
    create(customer, '1000000'),
    ...['10', '6', '25'].map((lumens, i) => create(disposable[i] ?? customer, lumens)),
  ]);
  close(1);
  for (const one of [customer, first, second]) {
    const lines = [usdc, fake].map((asset) => Operation.changeTrust({ asset: assetOf(asset) }));
    await submit(one, lines);
  }
  close(1);
  for (const [one, asset] of [
    [issuer, usdc],
    [faker, fake],
  ] as const) {
    await submit(one, [
      Operation.payment({ destination: customer.address, asset: assetOf(asset), amount: '900000' }),
    ]);
  }
  ledger.setRate('native', usdc, '0.5');
  ledger.setRate(usdc, 'native', '2');
  // Nothing of this is near the ledgers from which anybody begins to read.
  time = Date.now() - 90_000;
  for (let i = 0; i < 12; i += 1) close(5);
  time = Date.now();

  const newWatcher = (strategy: ReadStrategy = 'accounts') => {
    const watcher = createWatcher(ledger, database.url, strategy);
    ended.push(() => watcher.end());
    return watcher;
  };
  const opener = newWatcher();
  const diary = createDiary(ledger);
  return {
    ledger,
    diary,
    database,
    merchantId,
    begin: chain.history.latest().sequence,
    customer,
    disposable,
    usdc,
    fake,
    submit,
    close,
    shops: { first, second, later },
    now: () => new Date(Math.max(time, ledger.chain.history.latest().closedAt * 1000)),
    open: async ({ account, asset, price, seconds }) => {
      const id = randomUUID();
      const [code = '', issuedBy = null] = asset === 'native' ? ['XLM'] : asset.split(':');
      const request = {
        merchantId,
        amount: price,
        asset: { code, issuer: issuedBy },
        receivingAccount: account,
        expiresAt: new Date(time + seconds * 1000).toISOString(),
      };
      const now = new Date().toISOString();
      const opened = await openSession(opener.deps, { sessionId: id, now, request });
      diary.opened(id, termsOf(request, opened.memo));
      return { id, account, asset, reference: opened.memo };
    },
    watcher: newWatcher,
    end: async () => {
      await Promise.all(ended.map((one) => one()));
      await Promise.all([ledger.stop(), database.close()]);
    },
  };
}

/** Where a payer of a session sends to when the reference goes into the address. */
export function muxed({ account, reference }: Pick<WorldSession, 'account' | 'reference'>): string {
  return muxedAddress(account, BigInt(reference));
}

/** A call of `transfer` of an asset's own contract. */
export function contractTransfer(
  { ledger, customer }: World,
  to: string,
  asset: string,
  stroops: bigint,
): Builder {
  const contract = new Contract(
    (asset === 'native' ? Asset.native() : assetOf(asset)).contractId(ledger.networkPassphrase),
  );
  const [from, receiver] = [customer.address, to].map((one) => new Address(one).toScVal());
  const amount = nativeToScVal(stroops, { type: 'i128' });
  return contract.call('transfer', from ?? amount, receiver ?? amount, amount);
}
