/**
 * Amounts. Inside the system an amount is a whole number of stroops (bigint); across every boundary
 * (JSON, PostgreSQL numeric, Horizon) it is a decimal string with at most seven decimals.
 */

/** A whole number of stroops: 1 stroop = 10⁻⁷ of any Stellar asset. */
export type Stroops = bigint;

/** Stellar amounts are int64 stroops: 922337203685.4775807. */
export const MAX_STROOPS: Stroops = 9_223_372_036_854_775_807n;

const AMOUNT = /^(0|[1-9]\d{0,11})(?:\.(\d{1,7}))?$/;

/**
 * Reads a decimal amount exactly. Throws RangeError naming the value for anything that is not a plain
 * Stellar amount: exponents (`1e3`), leading zeros (`01.5`), signs, eight decimals, or above int64.
 */
export function parseAmount(decimal: string): Stroops {
  const match = AMOUNT.exec(decimal);
  if (!match) throw new RangeError(`Not a Stellar amount: ${JSON.stringify(decimal)}.`);
  const [, whole = '0', fraction = ''] = match;
  const stroops = BigInt(whole) * 10_000_000n + BigInt(fraction.padEnd(7, '0'));
  if (stroops > MAX_STROOPS) {
    throw new RangeError(`More than Stellar can carry: ${JSON.stringify(decimal)}.`);
  }
  return stroops;
}

const SUM = /^(-?)(\d+)(?:\.(\d{1,7}))?$/;

/**
 * Reads a sum of amounts, or a difference of them, exactly. A sum has no upper limit: each part is at most int64, but
 * an account may receive any number of parts. @throws RangeError for anything that is not a plain decimal
 */
export function parseSum(decimal: string): Stroops {
  const [, sign, whole, fraction = ''] = SUM.exec(decimal) ?? [];
  if (whole === undefined)
    throw new RangeError(`Not a sum of amounts: ${JSON.stringify(decimal)}.`);
  const stroops = BigInt(whole + fraction.padEnd(7, '0'));
  return sign === '-' ? -stroops : stroops;
}

/** The decimal string of an amount, always with seven decimals, as Horizon and PostgreSQL write it. */
export function formatAmount(stroops: Stroops): string {
  const sign = stroops < 0n ? '-' : '';
  const digits = (stroops < 0n ? -stroops : stroops).toString().padStart(8, '0');
  return `${sign}${digits.slice(0, -7)}.${digits.slice(-7)}`;
}
