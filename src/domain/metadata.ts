/**
 * Metadata: what a backend stores with a session and gets back in every event. It is copied into each of them, so its
 * size, depth and number of values are bounded. Pure.
 */
import { isStorable, utf8Length } from './text.ts';

/**
 * The largest metadata, in bytes of the text that PostgreSQL writes of a jsonb value (`, ` and `: ` between the parts).
 * One session of a batch of 200 with a handful of events then costs a worker about 20 MB at most. db/facts.ts leaves larger
 * ones in the database.
 */
export const METADATA_BYTES = 16_384;

/** Objects and arrays within each other, the outermost included. PostgreSQL's parser fails at some thousands. */
export const METADATA_DEPTH = 32;

/** Keys of objects and members of arrays, in all: each costs more in memory than its bytes. */
export const METADATA_VALUES = 1_000;

/** What events carry of a row's metadata: all of it, or nothing and the word that there is more. */
export function carriedMetadata(
  stored: unknown,
  isTooLong: boolean,
): { metadata: unknown; metadataOmitted: boolean } {
  const metadataOmitted = isTooLong || problemOfMetadata(stored) !== null;
  return { metadata: metadataOmitted ? null : stored, metadataOmitted };
}

type Count = { bytes: number; values: number };

const TOO_LARGE = `is larger than ${METADATA_BYTES} bytes`;
const TOO_MANY = `has more than ${METADATA_VALUES} values`;
const TOO_DEEP = `is nested deeper than ${METADATA_DEPTH} levels`;
const NOT_TEXT = 'holds a text with NUL or with half of a surrogate pair';

/**
 * Why a value cannot be metadata, as the rest of a sentence; null when it can: PostgreSQL stores it, and gives the same
 * back. Ends at the first bound that is passed, so a huge or cyclic value costs no more than an allowed one.
 */
export function problemOfMetadata(value: unknown): string | null {
  return measure(value, 0, { bytes: 0, values: 0 });
}

function measure(value: unknown, depth: number, count: Count): string | null {
  switch (typeof value) {
    case 'string':
      return measureText(value, count);
    case 'number':
      if (!Number.isFinite(value)) return `holds ${value}, which JSON cannot write`;
      return add(count, writtenLength(value));
    case 'boolean':
      return add(count, value ? 4 : 5);
    case 'object':
      return value === null ? add(count, 4) : measureParts(value, depth + 1, count);
    case 'bigint':
    case 'function':
    case 'symbol':
    case 'undefined':
      return `holds ${typeof value}, which JSON cannot write`;
  }
}

function measureParts(value: object, depth: number, count: Count): string | null {
  if (depth > METADATA_DEPTH) return TOO_DEEP;
  const isList = Array.isArray(value);
  if (!isList && !isPlain(value)) return 'holds an object that is no plain JSON (write it as text)';
  if (isList && value.length > METADATA_VALUES) return TOO_MANY;
  let problem = add(count, 2);
  let isFirst = true;
  // Not Object.entries: an object of a million keys is left at the first that is too many.
  for (const key in value) {
    if (problem !== null) return problem;
    if (!Object.hasOwn(value, key)) continue;
    const part = (value as Record<string, unknown>)[key];
    if (part === undefined && !isList) continue; // as JSON does
    count.values += 1;
    if (count.values > METADATA_VALUES) return TOO_MANY;
    if (!isFirst) count.bytes += 2;
    isFirst = false;
    problem = (isList ? null : measureKey(key, count)) ?? measure(part, depth, count);
  }
  return problem;
}

/** By its shape: a value from another VM context (a test, a Temporal bundle) is no `instanceof Object` of this one. */
function isPlain(value: object): boolean {
  const { toJSON } = value as { toJSON?: unknown };
  return Object.prototype.toString.call(value) === '[object Object]' && toJSON === undefined;
}

function measureKey(key: string, count: Count): string | null {
  count.bytes += 2;
  return measureText(key, count);
}

/** JSON escapes these with two bytes, other control characters with six. */
const ESCAPED = /["\\\b\f\n\r\t]/g;
// oxlint-disable-next-line no-control-regex -- these are the characters that JSON escapes
const CONTROL = /[\x01-\x07\x0b\x0e-\x1f]/g;

function measureText(text: string, count: Count): string | null {
  if (text.length > METADATA_BYTES) return TOO_LARGE;
  if (!isStorable(text)) return NOT_TEXT;
  const escapes = (text.match(ESCAPED)?.length ?? 0) + 5 * (text.match(CONTROL)?.length ?? 0);
  return add(count, 2 + utf8Length(text) + escapes);
}

function add(count: Count, bytes: number): string | null {
  count.bytes += bytes;
  return count.bytes > METADATA_BYTES ? TOO_LARGE : null;
}

/** Characters of a number as PostgreSQL writes it: without an exponent, so 1e308 has 309 digits. */
function writtenLength(value: number): number {
  const [digits = '', exponent] = String(value).split('e');
  if (exponent === undefined) return digits.length;
  const sign = value < 0 ? 1 : 0;
  const significant = digits.replace(/[-.]/g, '').length;
  const power = Number(exponent);
  return sign + (power > 0 ? power + 1 : 1 - power + significant);
}
