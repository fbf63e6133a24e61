import type { LedgerHeader, LedgerName } from './evidence.ts';

/**
 * Ledgers that were asked for and not shown, by one answer alone. This proves nothing about the ledger: it says how wide a
 * hole may be at most (docs/decisions/0013-settlement-is-a-function-of-the-ledger.md, Holes). No root document can make one.
 */
export class NotShown {
  readonly #from: number;
  readonly #through: number;

  private constructor(from: number, through: number) {
    this.#from = from;
    this.#through = through;
  }

  /** One ledger, which was asked for by itself. */
  static alone(ledger: number): NotShown {
    return new NotShown(ledger, ledger);
  }

  /**
   * `shown` is the first header of one page, asked for from `asked` on; `known` is what the chain has under its number.
   * The node that answered is on the chain and has nothing in front of that header. Null when the page shows no such thing:
   * it is empty (the node lags), it has the ledger that was asked for, or its header is of no ledger of the chain.
   */
  static before(
    shown: LedgerHeader | null,
    { asked, known }: { asked: number; known: LedgerName | undefined },
  ): NotShown | null {
    if (shown === null || known === undefined) return null;
    const isOfChain = shown.sequence === known.sequence && shown.hash === known.hash;
    return isOfChain && shown.sequence > asked ? new NotShown(asked, shown.sequence - 1) : null;
  }

  get from(): number {
    return this.#from;
  }
  /** At least `from`. */
  get through(): number {
    return this.#through;
  }

  has(ledger: number): boolean {
    return ledger >= this.#from && ledger <= this.#through;
  }

  /** What of it lies before a ledger; the first ledger at least, which was asked for. */
  endingBefore(ledger: number): NotShown {
    return new NotShown(this.#from, Math.max(this.#from, Math.min(this.#through, ledger - 1)));
  }
}
