/** Amounts as the ledger counts them: stroops, 10⁻⁷ of a unit. */

/** @throws RangeError when the text is no decimal with up to seven places */
export function stroopsOf(decimal: string): bigint {
  const [, whole, fraction = ''] = /^(\d+)(?:\.(\d{1,7}))?$/.exec(decimal) ?? [];
  if (whole === undefined) throw new RangeError(`Not an amount: ${JSON.stringify(decimal)}.`);
  return BigInt(whole + fraction.padEnd(7, '0'));
}

/** A decimal with seven places, as events write it. */
export function decimalOf(stroops: bigint): string {
  const digits = String(stroops).padStart(8, '0');
  return `${digits.slice(0, -7)}.${digits.slice(-7)}`;
}
