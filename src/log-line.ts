/** The length of a line of the log, whatever a stranger has written into its fields. */
import { reached } from './metrics/bounds.ts';
import { shownLines } from './domain/shown.ts';

/**
 * Bytes of one line, its escapes included. What collects logs cuts or drops longer ones (Docker at 16 KiB), and a cut line is
 * no JSON. A line of ours has some 500 bytes, one with a stack 4 KiB.
 */
export const LOG_LINE_BYTES = 16 * 1024;

/** Tried one after the other: UTF-16 units of each text, entries of each list and object. */
const CUTS = [
  { text: 2_000, entries: 50 },
  { text: 200, entries: 20 },
  { text: 50, entries: 5 },
] as const;
/** Levels of objects in a line that is cut. */
const DEPTH = 6;
/** These fields stay in any line, and of one that is too long all the same, nothing else. */
const KEPT = ['level', 'time', 'pid', 'hostname', 'event', 'sessionId', 'txHash', 'account', 'msg'];

/**
 * A line as it may be written: without anything that a terminal obeys, and of at most `LOG_LINE_BYTES`. A longer one stays
 * JSON: its texts and lists are cut, and `cutFrom` says how many bytes it had.
 */
export function logLine(line: string): string {
  const shown = shownLines(line);
  const bytes = Buffer.byteLength(shown);
  if (bytes <= LOG_LINE_BYTES) return shown;
  reached('log_line');
  const given = JSON.parse(line) as Record<string, unknown>;
  const kept = Object.fromEntries(KEPT.flatMap((key) => (key in given ? [[key, given[key]]] : [])));
  // First, so that no number of other fields pushes them out.
  const fields = { ...kept, ...given };
  for (const cut of CUTS) {
    const shorter = written({ ...(shortened(fields, cut, DEPTH) as object), cutFrom: bytes });
    if (Buffer.byteLength(shorter) <= LOG_LINE_BYTES) return shorter;
  }
  return written({ ...(shortened(kept, CUTS[1], 1) as object), cutFrom: bytes });
}

const written = (fields: object): string => shownLines(`${JSON.stringify(fields)}\n`);

type Cut = (typeof CUTS)[number];

function shortened(value: unknown, cut: Cut, depth: number): unknown {
  if (typeof value === 'string') {
    return value.length <= cut.text ? value : `${value.slice(0, cut.text).toWellFormed()}…`;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) return '…';
  if (Array.isArray(value)) {
    const few = value.slice(0, cut.entries).map((one) => shortened(one, cut, depth - 1));
    return few.length < value.length ? [...few, `… of ${value.length}`] : few;
  }
  const entries = Object.entries(value)
    .slice(0, cut.entries)
    .map(([key, held]) => [key.slice(0, cut.text), shortened(held, cut, depth - 1)] as const);
  return Object.fromEntries(entries);
}
