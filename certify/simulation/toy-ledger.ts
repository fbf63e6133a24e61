/** A ledger small enough to draw thousands of: payments to one account, nodes of several kinds, no HTTP. */
import { createHash } from 'node:crypto';
import type { Asset } from '../../src/domain/asset.ts';
import type { LedgerHeader } from '../../src/domain/evidence.ts';
import type { LedgerPayment } from '../../src/domain/ledger-payment.ts';

/** A payment to be put into the next ledger. */
export type ToyPayment = {
  readonly reference: string | null;
  readonly asset: Asset;
  readonly amount: bigint;
  /** As the operation after the one before, in the same transaction. */
  readonly sameTransaction: boolean;
};

/** A ledger that has closed, and what it moved into the account. */
export type ToyBlock = {
  readonly header: LedgerHeader;
  readonly payments: readonly LedgerPayment[];
};

/** How the node that answers one question differs from one that has everything. */
export type NodeView = {
  /** So many ledgers are not there yet. */
  readonly behind: number;
  /** It has not ingested the ledger so far before its newest one; 0 for none. */
  readonly lacks: number;
  /** The operations of its newest ledgers come from a replica that is so many ledgers further behind. */
  readonly torn: number;
};

/** A node that has everything. */
export const WHOLE: NodeView = { behind: 0, lacks: 0, torn: 0 };

/** When an asset was last modified, as the entries of an account say. */
export type ToyEntries = {
  readonly asOf: number;
  readonly modified: Readonly<Record<string, number>>;
};

/** What one node answers. */
export class ToyNode {
  readonly head: ToyBlock;
  private readonly blocks: readonly ToyBlock[];
  private readonly all: readonly ToyBlock[];
  private readonly operationsThrough: number;

  constructor(blocks: readonly ToyBlock[], { behind, lacks, torn }: NodeView) {
    this.all = blocks.slice(0, Math.max(1, blocks.length - behind));
    this.head = this.all.at(-1) as ToyBlock;
    this.blocks = this.all.filter(
      (_, i) => lacks === 0 || i === 0 || i !== this.all.length - 1 - lacks,
    );
    this.operationsThrough = this.head.header.sequence - torn;
  }

  /** Headers from this ledger on; none when it does not have that one. */
  headersFrom(sequence: number): LedgerHeader[] {
    const from = this.blocks.findIndex(({ header }) => header.sequence === sequence);
    return from === -1 ? [] : this.blocks.slice(from).map(({ header }) => header);
  }

  /** Everything that it shows of a ledger: nothing, where it lacks it or its replica lags. */
  operationsOf(sequence: number): readonly LedgerPayment[] {
    if (sequence > this.operationsThrough) return [];
    return this.blocks.find(({ header }) => header.sequence === sequence)?.payments ?? [];
  }

  /** Payments of the account, in order. */
  payments(): LedgerPayment[] {
    return this.blocks.flatMap(({ payments }) => payments);
  }

  /** State, which does not depend on what it has of the history. */
  entries(keyOf: (asset: Asset) => string): ToyEntries {
    const modified: Record<string, number> = {};
    for (const { asset, amount, ledger } of this.all.flatMap(({ payments }) => payments)) {
      if (amount > 0n) modified[keyOf(asset)] = ledger;
    }
    return { asOf: this.head.header.sequence, modified };
  }
}

/** Where a ledger begins: behind another one, or from nothing. */
export type ToyBegin = Pick<LedgerHeader, 'sequence' | 'hash' | 'closedAt'>;

/** The books of one account. */
export class ToyLedger {
  readonly account: string;
  readonly blocks: ToyBlock[];
  private readonly seed: string;

  constructor(account: string, seed: string, begin: ToyBegin) {
    this.account = account;
    this.seed = seed;
    const header = { ...begin, previousHash: '', operationCount: 1 };
    this.blocks = [{ header, payments: [] }];
  }

  /** The ledger in which the account was created, and behind which its sessions are opened. */
  get begin(): ToyBlock {
    return this.blocks[0] as ToyBlock;
  }

  get head(): ToyBlock {
    return this.blocks.at(-1) as ToyBlock;
  }

  /** The paging token of the record that created the account. */
  get creation(): string {
    return String((BigInt(this.begin.header.sequence) << 32n) + 1n);
  }

  /** Closes a ledger so many seconds after the last; 0 for one in the same second. */
  close(payments: readonly ToyPayment[], seconds: number): void {
    const { sequence: before, hash: previousHash, closedAt: last } = this.head.header;
    const sequence = before + 1;
    const closedAt = new Date(last.getTime() + seconds * 1000);
    const hashOf = (what: string) =>
      createHash('sha256').update(`${this.seed} ${sequence} ${what}`).digest('hex');
    let transaction = 0;
    let opIndex = -1;
    const records = payments.map(({ reference, asset, amount, sameTransaction }) => {
      if (sameTransaction && opIndex >= 0) opIndex += 1;
      else [transaction, opIndex] = [transaction + 1, 0];
      return {
        txHash: hashOf(String(transaction)),
        innerTxHash: null,
        opIndex,
        subIndex: 0,
        operationId: String((BigInt(sequence) << 32n) + BigInt((transaction << 12) + opIndex + 1)),
        ledger: sequence,
        closedAt,
        type: 'payment' as const,
        account: this.account,
        sender: this.account,
        asset,
        amount,
        reference,
        referenceSource: reference === null ? null : ('memo_id' as const),
      };
    });
    const header = {
      sequence,
      hash: hashOf('header'),
      previousHash,
      closedAt,
      operationCount: records.length,
    };
    this.blocks.push({ header, payments: records });
  }

  /** A node as it is now. */
  node(view: NodeView): ToyNode {
    return new ToyNode([...this.blocks], view);
  }
}
