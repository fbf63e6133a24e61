/** What is typed, as values. Each of these says what it wants when it gets something else. */
import { Refusal } from '../domain/failure.ts';
import { DEFAULT_EVENTS, type EventType } from '../domain/event.ts';
import { readUuid } from '../doors/messages.ts';
import { isoInstant, quoted, textUpTo } from '../doors/text.ts';
import { EVENT_SCHEMAS } from '../events.ts';

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `30m`, `24h`, `7d` or `0`, in milliseconds. @throws Refusal InvalidInput */
export function durationMs(text: string, option: string): number {
  if (text === '0') return 0;
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count !== undefined) return Number(count) * UNITS[unit as keyof typeof UNITS];
  throw invalid(option, `a time like 30m, 24h or 7d, not ${quoted(text)}`);
}

/** An instant in ISO 8601. @throws Refusal InvalidInput */
export function instant(text: string, option: string): Date {
  if (isoInstant.safeParse(text).success) return new Date(text);
  const example = 'ISO 8601, say 2026-03-01T12:00:00Z';
  throw new Refusal(
    'InvalidInput',
    `--${option}: not an instant that exists (${example}): ${quoted(text)}.`,
    option,
  );
}

/** An instant, or a time back from now like `24h`. @throws Refusal InvalidInput */
export function instantOrAgo(text: string, option: string): Date {
  if (!/^\d{1,6}[smhd]$/.test(text)) return instant(text, option);
  return new Date(Date.now() - durationMs(text, option));
}

/** The longest name, email address or actor. */
const NAME_BYTES = 256;
/** The longest reason: a paragraph, not a document. It is copied into the journal of every session that is concerned. */
export const REASON_BYTES = 2_000;

/** A text of 1 to `maxBytes` bytes in UTF-8, without the blanks around it. @throws Refusal InvalidInput */
export function line(text: string, option: string, maxBytes: number = NAME_BYTES): string {
  const trimmed = text.trim();
  if (textUpTo(maxBytes).safeParse(trimmed).success) return trimmed;
  throw invalid(option, `1 to ${maxBytes} bytes of text`);
}

/** An id. @throws Refusal InvalidInput */
export function uuid(text: string, field: string): string {
  return readUuid(text, field);
}

/** Names of events, separated by commas; `all` means every one, nothing those that are sent by default. @throws Refusal InvalidInput */
export function eventTypes(text: string): EventType[] {
  const known = Object.keys(EVENT_SCHEMAS) as EventType[];
  if (text === 'all') return known;
  const names = listOf(text);
  const wrong = names.find((name) => !known.includes(name as EventType));
  if (wrong === undefined) return names as EventType[];
  throw invalid(
    'events',
    `one or more of ${known.join(', ')}, or all (by default: ${DEFAULT_EVENTS.join(', ')}), not ${quoted(wrong)}`,
  );
}

/** Members of a closed list, separated by commas. @throws Refusal InvalidInput */
export function membersOf<T extends string>(
  text: string,
  known: readonly T[],
  option: string,
): T[] {
  const names = listOf(text);
  const wrong = names.find((name) => !known.includes(name as T));
  if (wrong === undefined && names.length > 0) return names as T[];
  throw invalid(option, `one or more of ${known.join(', ')}, not ${quoted(wrong ?? text)}`);
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function invalid(option: string, wanted: string): Refusal {
  return new Refusal('InvalidInput', `--${option}: must be ${wanted}.`, option);
}
