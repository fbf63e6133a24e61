/** Text that is taken in: well-formed, without NUL, and not longer than what it is for. */
import { z } from 'zod';
import { Refusal } from '../domain/failure.ts';
import { isStorable, storable, utf8Length } from '../domain/text.ts';

/** Browsers and servers agree on addresses of up to some 2,000 characters (RFC 9110 §4.1 asks for 8,000 at least). */
export const URL_BYTES = 2_048;

/** The longest instant that has a meaning: nine decimals and an offset have 35 characters. */
export const INSTANT_UNITS = 40;

/** The longest part of a wrong value that a refusal quotes. */
const QUOTED_UNITS = 100;

/** A text of which `check` holds; anything else "must be `wanted`". */
export function textThat(check: (value: string) => boolean, wanted: string): z.ZodString {
  return z
    .string({ error: `must be ${wanted}` })
    .refine((text) => isStorable(text) && check(text), { error: `must be ${wanted}` });
}

/** A text of at least one and at most `maxBytes` bytes in UTF-8. */
export function textUpTo(maxBytes: number): z.ZodString {
  // A character has at least one byte: nothing long is encoded only to be measured.
  const fits = (text: string) =>
    text !== '' && text.length <= maxBytes && utf8Length(text) <= maxBytes;
  return textThat(
    fits,
    `1 to ${maxBytes} bytes of text without NUL and without half of a surrogate pair`,
  );
}

/** Control characters and spaces never stand in a URL; a browser would drop some of them and follow another address. */
// oxlint-disable-next-line no-control-regex -- these are the characters that are refused
const NOT_IN_URL = /[\x00-\x20\x7f-\x9f\u2028\u2029\ufeff]/;

/** An absolute http(s) address. */
export const httpUrl: z.ZodString = textThat(
  isHttpUrl,
  `an http(s) address of at most ${URL_BYTES} bytes`,
);

function isHttpUrl(text: string): boolean {
  if (text.length > URL_BYTES || utf8Length(text) > URL_BYTES || NOT_IN_URL.test(text))
    return false;
  if (!/^https?:\/\/[^/]/i.test(text)) return false;
  try {
    return new URL(text).hostname !== '';
  } catch {
    return false;
  }
}

const FIRST_INSTANT = Date.parse('0001-01-01T00:00:00.000Z');
const LAST_INSTANT = Date.parse('9999-12-31T23:59:59.999Z');
const ISO = z.iso.datetime({ offset: true });

/** An instant in ISO 8601 with its offset: a date that exists, in the years 1 to 9999. */
export const isoInstant: z.ZodString = textThat((text) => {
  if (text.length > INSTANT_UNITS || !ISO.safeParse(text).success) return false;
  const at = Date.parse(text);
  return at >= FIRST_INSTANT && at <= LAST_INSTANT;
}, 'an instant in ISO 8601 that exists, say 2026-03-01T12:00:00Z');

/** A day that exists, in ISO 8601: `2026-01-31`. */
export const isoDay = z.iso.date();

/**
 * The value, as the schema reads it. `field` names it in the refusal, behind it the path within it.
 * @throws Refusal InvalidInput, at the first thing that is wrong
 */
export function taken<T>(schema: z.ZodType<T>, value: unknown, field: string | null): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = [...(field === null ? [] : [field]), ...(issue?.path ?? [])].map(String);
  if (issue?.code === 'unrecognized_keys') path.push(issue.keys[0] ?? '');
  const named = quotable(path.join('.') || 'request');
  const problem = issue?.code === 'unrecognized_keys' ? 'is no part of it' : issue?.message;
  throw new Refusal('InvalidInput', `${named}: ${problem ?? 'is malformed'}`, named);
}

/** A value from outside in a message: its beginning when it is text, its type when it is not. */
export function quoted(value: unknown): string {
  return typeof value === 'string'
    ? JSON.stringify(quotable(value))
    : `a value of type ${typeof value}`;
}

function quotable(text: string): string {
  return text.length > QUOTED_UNITS ? `${storable(text, QUOTED_UNITS)}…` : storable(text);
}
