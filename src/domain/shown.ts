/**
 * Text from outside, made fit for a terminal and a log. A terminal obeys control characters (ESC erases lines, sets the
 * title and the clipboard), and format characters reorder or hide what a person reads; so each is shown as its escape.
 */

/** Controls (C0, DEL, C1), format characters (bidi among them), line and paragraph separators, half surrogate pairs. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** One value on one line: each hidden character as `\n`, `\r`, `\t`, or `\uXXXX` for each of its UTF-16 units. */
export function shownText(text: string): string {
  return text.replaceAll(HIDDEN, (hidden) => SHORT[hidden] ?? escaped(hidden));
}

/**
 * The same for text that we have laid out in lines: its line feeds stay. JSON that goes through it is still JSON of the
 * same value, since outside of its strings such characters are line feeds only.
 */
export function shownLines(text: string): string {
  return text.replaceAll(HIDDEN, (hidden) => (hidden === '\n' ? hidden : escaped(hidden)));
}

/** A value with every string in it, keys too, as `shownText` shows it; what is no plain object or array stays. */
export function shownDeep<T>(value: T): T {
  return deep(value) as T;
}

function deep(value: unknown): unknown {
  if (typeof value === 'string') return shownText(value);
  if (Array.isArray(value)) return value.map(deep);
  if (typeof value !== 'object' || value === null) return value;
  // By its tag: an object may come from another realm (a worker, a test's sandbox).
  if (Object.prototype.toString.call(value) !== '[object Object]') return value;
  const entries = Object.entries(value).map(([key, held]) => [shownText(key), deep(held)] as const);
  return Object.fromEntries(entries);
}

function escaped(hidden: string): string {
  const units = Array.from({ length: hidden.length }, (_, i) => hidden.charCodeAt(i));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
