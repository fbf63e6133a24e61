/** A ledger small enough to draw thousands of: payments to one account, nodes that lag, no HTTP. */
import { createHash } from 'node:crypto';
import type { Asset } from '../../src/domain/asset.ts';
import type { LedgerPayment } from '../../src/domain/ledger-payment.ts';

/** A payment to be put into the next ledger. */
export type ToyPayment = {
  readonly reference: string | null;
  readonly asset: Asset;
  readonly amount: bigint;
  /** As the operation after the one before, in the same transaction. */
  readonly sameTransaction: boolean;
};

type Ledger = {
  readonly sequence: number;
  readonly closedAt: Date;
  readonly payments: LedgerPayment[];
};

/** What one node answers; every part of an answer is as old as the node. */
export class ToyLedger {
  readonly ledgers: Ledger[];
  readonly account: string;
  private readonly seed: string;

  constructor(account: string, seed: string, begin: Date) {
    this.account = account;
    this.seed = seed;
    this.ledgers = [{ sequence: 1, closedAt: begin, payments: [] }];
  }

  get head(): Ledger {
    return this.ledgers.at(-1) as Ledger;
  }

  /** Closes a ledger so many seconds after the last. */
  close(payments: readonly ToyPayment[], seconds: number): void {
    const sequence = this.head.sequence + 1;
    const closedAt = new Date(this.head.closedAt.getTime() + seconds * 1000);
    let transaction = 0;
    let opIndex = -1;
    const records = payments.map(({ reference, asset, amount, sameTransaction }) => {
      if (sameTransaction && opIndex >= 0) opIndex += 1;
      else [transaction, opIndex] = [transaction + 1, 0];
      const hash = createHash('sha256').update(`${this.seed} ${sequence} ${transaction}`);
      return {
        txHash: hash.digest('hex'),
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
    this.ledgers.push({ sequence, closedAt, payments: records });
  }

  /** As a node sees it that is so many ledgers behind. */
  node(behind: number): { head: Ledger; payments: LedgerPayment[] } {
    const seen = this.ledgers.slice(0, Math.max(1, this.ledgers.length - behind));
    return { head: seen.at(-1) as Ledger, payments: seen.flatMap(({ payments }) => payments) };
  }

  closedAt(sequence: number): Date {
    return (this.ledgers[sequence - 1] ?? this.head).closedAt;
  }
}
