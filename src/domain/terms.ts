/**
 * The words of this system that SQL needs, too: each is defined once here and once in db/predicates.ts, and
 * test/db/predicates.test.ts demands that both say the same. Pure.
 */
import { parseAmount, type Stroops } from './money.ts';
import { isOpen, type SessionStatus } from './session.ts';

/** What decides whether a session is over. `legacy`: settle stands by an ending of before its time. */
export type Ending = {
  readonly status: SessionStatus;
  readonly closedThroughLedger: number | null;
  readonly legacy: boolean;
};

/**
 * OVER: the session is paid, we have ended it, or an older backend had ended it and settle stands by that. A session
 * that was reopened has no legacy ending any more.
 */
export function isOver({ status, closedThroughLedger, legacy }: Ending): boolean {
  return status === 'paid' || closedThroughLedger !== null || (legacy && !isOpen(status));
}

/** PRICE: a decimal above zero that fits into int64 stroops. Null for anything else (0, -5, NaN, 10¹²). */
export function readPrice(decimal: string): Stroops | null {
  try {
    const price = parseAmount(decimal);
    return price > 0n ? price : null;
  } catch {
    return null;
  }
}

/** The first and the last instant that ISO 8601 writes with four digits, in milliseconds. */
const FIRST = Date.parse('0001-01-01T00:00:00.000Z');
const LAST = Date.parse('9999-12-31T23:59:59.999Z');

/**
 * An instant as PostgreSQL writes it in JSON. `exists` is false for `infinity`, and outside of the years 1 to 9999, which
 * neither ISO 8601 nor every consumer of it can write; `at` is then the nearest instant that exists.
 */
export function readInstant(text: string): { readonly at: Date; readonly exists: boolean } {
  const time = parseInstant(text);
  const clamped = Math.min(Math.max(time, FIRST), LAST);
  return { at: new Date(clamped), exists: clamped === time };
}

const INSTANT =
  /^(\d{4,6})(-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d(?::?\d\d)?|Z)?( BC)?$/;

/** Milliseconds since 1970, ±Infinity beyond what JavaScript can count. @throws RangeError when it is no instant at all */
function parseInstant(text: string): number {
  if (text === 'infinity') return Number.POSITIVE_INFINITY;
  if (text === '-infinity') return Number.NEGATIVE_INFINITY;
  const match = INSTANT.exec(text);
  if (!match) throw new RangeError(`Not an instant: ${JSON.stringify(text)}.`);
  const [, digits = '', date = '', time = '', zone = 'Z', bc] = match;
  const year = bc === undefined ? Number(digits) : 1 - Number(digits);
  const sign = year < 0 ? '-' : '+';
  const offset = /^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone;
  const written = `${sign}${String(Math.abs(year)).padStart(6, '0')}${date}T${time}${offset}`;
  const parsed = Date.parse(year === 0 ? written.replace(/^./, '+') : written);
  if (!Number.isNaN(parsed)) return parsed;
  return bc === undefined ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
}
