/** The sandbox's order book: fixed rates, with a counterparty that never runs dry. */
import type { Stroops } from '../../domain/money.ts';
import type { AssetKey } from './entries.ts';

type Rate = { readonly numerator: bigint; readonly denominator: bigint };

/** How much of one asset is given for another. */
export class Rates {
  private readonly rates = new Map<string, Rate>();

  /** `rate` units of `buy` for one unit of `sell`; a decimal such as `0.1`. RangeError when it is not one. */
  set(sell: AssetKey, buy: AssetKey, rate: string): void {
    const match = /^(\d+)(?:\.(\d+))?$/.exec(rate);
    const [, whole = '', fraction = ''] = match ?? [];
    const numerator = BigInt(whole + fraction || '0');
    if (numerator <= 0n) throw new RangeError(`A rate is a positive decimal, not ${rate}.`);
    this.rates.set(`${sell} ${buy}`, { numerator, denominator: 10n ** BigInt(fraction.length) });
  }

  /** What `amount` of the first asset of a path becomes at its end; null when a step has no rate. */
  forward(path: readonly AssetKey[], amount: Stroops): Stroops | null {
    return this.walk(path, amount, (a, rate) => (a * rate.numerator) / rate.denominator);
  }

  /** What must go in at the start of a path for `amount` to come out; rounded up. */
  backward(path: readonly AssetKey[], amount: Stroops): Stroops | null {
    const up = (a: bigint, rate: Rate) =>
      (a * rate.denominator + rate.numerator - 1n) / rate.numerator;
    return this.walk(path, amount, up, true);
  }

  private walk(
    path: readonly AssetKey[],
    amount: Stroops,
    step: (amount: bigint, rate: Rate) => bigint,
    reverse = false,
  ): Stroops | null {
    const hops = path.slice(1).map((buy, i) => ({ sell: path[i] ?? '', buy }));
    let result = amount;
    for (const { sell, buy } of reverse ? hops.toReversed() : hops) {
      if (sell === buy) continue;
      const rate = this.rates.get(`${sell} ${buy}`);
      if (!rate) return null;
      result = step(result, rate);
    }
    return result;
  }
}
