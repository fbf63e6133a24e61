/** The network: takes envelopes, closes ledgers, remembers everything. No HTTP here. */
import { createHash } from 'node:crypto';
import { Asset, Keypair, hash } from '@stellar/stellar-sdk';
import { AccountStore, Workspace } from './entries.ts';
import type { AssetKey } from './entries.ts';
import { applySubmission } from './apply.ts';
import type { ContractCall } from './contract-record.ts';
import { recordContractCall } from './contract-record.ts';
import { decodeEnvelope } from './envelope.ts';
import type { Submission } from './envelope.ts';
import { History, toid } from './history.ts';
import type { Json, LedgerRecord, TransactionRecord } from './history.ts';
import { Rates } from './rates.ts';
import { refusal } from './validity.ts';
import type { TransactionOutcome } from './result.ts';

/** How a submission ended: in a ledger (perhaps failed), or refused without a trace. */
export type Ending =
  | { readonly kind: 'included'; readonly record: TransactionRecord }
  | { readonly kind: 'refused'; readonly outcome: TransactionOutcome };

type Pending = { readonly submission: Submission; readonly settle: (ending: Ending) => void };

/** All lumens there are, in stroops: the root account starts with them. */
const TOTAL_COINS = 1_000_000_000_000_000_000n;

/** `sharedSeconds`: a ledger may close in the second of the one before, as since Protocol 30. */
export type ChainOptions = {
  readonly passphrase: string;
  readonly clock: () => Date;
  readonly firstLedger: number;
  readonly sharedSeconds: boolean;
};

/** One Stellar network with one validator. */
export class Chain {
  readonly passphrase: string;
  readonly rootKeypair: Keypair;
  accounts = new AccountStore();
  history: History;
  rates = new Rates();
  contracts = new Map<string, AssetKey>();
  private queue = new Map<string, Pending>();
  private promises = new Map<string, Promise<Ending>>();
  private pendingSequences = new Map<string, bigint>();
  private calls: ContractCall[] = [];
  private injected: { account: string; record: Json }[] = [];
  private closeWaiters: ((sequence: number) => void)[] = [];
  private epoch = 0;
  private readonly clock: () => Date;
  private readonly sharedSeconds: boolean;

  constructor({ passphrase, clock, firstLedger, sharedSeconds }: ChainOptions) {
    this.passphrase = passphrase;
    this.clock = clock;
    this.sharedSeconds = sharedSeconds;
    // As in stellar-core: the key of the account that owns all lumens is the network id itself.
    this.rootKeypair = Keypair.fromRawEd25519Seed(hash(Buffer.from(passphrase)));
    this.history = this.genesis(firstLedger);
  }

  /** Forgets everything and starts again at a ledger, as test networks do a few times a year. */
  reset(firstLedger: number): void {
    const unfinished = this.queue;
    this.epoch += 1;
    this.accounts = new AccountStore();
    this.rates = new Rates();
    this.forgetQueue();
    this.history = this.genesis(firstLedger);
    const outcome: TransactionOutcome = {
      kind: 'rejected',
      code: 'tx_internal_error',
      by: 'outer',
    };
    for (const one of unfinished.values()) one.settle({ kind: 'refused', outcome });
  }

  /** How many submissions wait for the next ledger. */
  get waiting(): number {
    return this.queue.size + this.calls.length + this.injected.length;
  }

  /** The close time the next ledger would get now: whole seconds, never before the last one's. */
  nextCloseTime(): number {
    const now = Math.floor(this.clock().getTime() / 1000);
    return Math.max(this.history.latest().closedAt + (this.sharedSeconds ? 0 : 1), now);
  }

  /**
   * Takes an envelope. The same envelope again (by its outer hash) gets the answer of the first; a
   * refused one is judged afresh. Throws when the text is no envelope.
   */
  submit(envelopeXdr: string): { submission: Submission; isNew: boolean; done: Promise<Ending> } {
    const submission = decodeEnvelope(envelopeXdr, this.passphrase);
    const known = this.history.transaction(submission.hash);
    if (known) {
      const ending: Ending = { kind: 'included', record: known };
      return { submission, isNew: false, done: Promise.resolve(ending) };
    }
    const queued = this.promises.get(submission.hash);
    if (queued) return { submission, isNew: false, done: queued };
    const sequence = this.lastSequence(submission.source);
    const moment = { closeTime: this.nextCloseTime(), sequence };
    const outcome = refusal(submission, this.accounts, moment);
    if (outcome) {
      return { submission, isNew: true, done: Promise.resolve({ kind: 'refused', outcome }) };
    }
    const done = new Promise<Ending>((settle) => {
      this.queue.set(submission.hash, { submission, settle });
    });
    this.promises.set(submission.hash, done);
    this.pendingSequences.set(submission.source, BigInt(submission.transaction.sequence));
    return { submission, isNew: true, done };
  }

  /** Whether this envelope waits for the next ledger. */
  isPending(outerHash: string): boolean {
    return this.queue.has(outerHash);
  }

  /** Puts a contract call with any balance changes into the next ledger. Test only: no one signed it. */
  addContractCall(call: ContractCall): void {
    this.calls.push(call);
  }

  /** Puts a record as it is into an account's payments, in the next ledger. */
  inject(account: string, record: Json): void {
    this.injected.push({ account, record });
  }

  /** Closes a ledger over everything that waits, and answers its number. `sameSecond`: as the one before, whatever the clock. */
  closeLedger({ sameSecond = false }: { readonly sameSecond?: boolean } = {}): number {
    const previous = this.history.latest();
    const closedAt = sameSecond ? previous.closedAt : this.nextCloseTime();
    const ledger = this.newLedger(previous.sequence + 1, closedAt, previous.hash);
    const ws = new Workspace(this.accounts, ledger.sequence);
    const { rates, contracts, passphrase } = this;
    const world = { rates, contracts, passphrase };
    const endings: (() => void)[] = [];
    for (const { submission, settle } of this.queue.values()) {
      const outcome = applySubmission(submission, ws, ledger, world);
      const record = outcome === null ? ledger.transactions.at(-1) : undefined;
      if (record) endings.push(() => settle({ kind: 'included', record }));
      else if (outcome) endings.push(() => settle({ kind: 'refused', outcome }));
    }
    for (const call of this.calls) recordContractCall(call, ws, ledger, this.passphrase);
    this.injected.forEach((one, i) => this.recordInjected(one, i, ws, ledger));
    ledger.hash = this.hashOf(ledger);
    this.forgetQueue();
    this.accounts.commit(ws);
    this.history.append(ledger);
    for (const end of endings) end();
    for (const wake of this.closeWaiters.splice(0)) wake(ledger.sequence);
    return ledger.sequence;
  }

  /** The number of the next ledger, when it has closed. */
  async nextLedger(): Promise<number> {
    return await new Promise((resolve) => this.closeWaiters.push(resolve));
  }

  private recordInjected(
    { account, record }: { account: string; record: Json },
    index: number,
    ws: Workspace,
    ledger: LedgerRecord,
  ): void {
    const id = toid(ledger.sequence, ledger.transactions.length + 1 + index, 1);
    const entry = ws.touchAccount(account);
    for (const asset of entry?.trustlines.keys() ?? []) ws.touchTrustline(account, asset);
    ledger.operations.push({
      id,
      transaction: null,
      ledger,
      source: account,
      type: 'injected',
      details: {},
      isPayment: true,
      participants: [account],
      effects: [],
      raw: { id: String(id), paging_token: String(id), ...record },
    });
  }

  /** The last sequence number used by an account, counting what waits; null when there is no such account. */
  lastSequence(source: string): bigint | null {
    const entry = this.accounts.account(source);
    if (!entry) return null;
    return this.pendingSequences.get(source) ?? entry.sequence;
  }

  private forgetQueue(): void {
    [this.queue, this.promises, this.pendingSequences] = [new Map(), new Map(), new Map()];
    [this.calls, this.injected] = [[], []];
  }

  private genesis(sequence: number): History {
    const closedAt = Math.floor(this.clock().getTime() / 1000) - 1;
    const first = this.newLedger(sequence, closedAt, '0'.repeat(64));
    const ws = new Workspace(this.accounts, sequence);
    ws.put({
      id: this.rootKeypair.publicKey(),
      balance: TOTAL_COINS,
      sequence: 0n,
      sequenceLedger: 0,
      sequenceTime: 0,
      lastModified: sequence,
      homeDomain: '',
      data: new Map(),
      trustlines: new Map(),
    });
    this.accounts.commit(ws);
    this.contracts = new Map([[Asset.native().contractId(this.passphrase), 'native']]);
    return new History(first);
  }

  private newLedger(sequence: number, closedAt: number, previousHash: string): LedgerRecord {
    const lists = { transactions: [], operations: [] };
    const ledger: LedgerRecord = { sequence, closedAt, hash: '', previousHash, ...lists };
    ledger.hash = this.hashOf(ledger);
    return ledger;
  }

  /** Names the ledger with its contents, so that no two ledgers have one hash. */
  private hashOf({ sequence, closedAt, previousHash, ...ledger }: LedgerRecord): string {
    const hashes = ledger.transactions.map((one) => one.hash);
    const injected = ledger.operations.flatMap(({ raw }) => (raw ? [JSON.stringify(raw)] : []));
    const header = [this.passphrase, this.epoch, sequence, closedAt, previousHash];
    const text = [...header, ...hashes, ...injected].join(' ');
    return createHash('sha256').update(text).digest('hex');
  }
}
