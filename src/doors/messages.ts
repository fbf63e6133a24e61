/** What can be said to a session's run beside `open`: ids, hashes, and the argument by which it is started. */
import { Refusal } from '../domain/failure.ts';
import { isTxHash } from '../domain/ledger-payment.ts';
import { isUuid } from '../domain/session.ts';
import { quoted } from './text.ts';

/** The id of a session, a merchant or a delivery. @throws Refusal InvalidInput, with `field` */
export function readUuid(value: unknown, field: string): string {
  if (typeof value === 'string' && isUuid(value)) return value;
  throw wrong(field, 'a UUID in lower case', value);
}

/** The hash of a transaction. @throws Refusal InvalidInput */
export function readTxHash(value: unknown, field = 'txHash'): string {
  if (typeof value === 'string' && isTxHash(value)) return value;
  throw wrong(field, '64 lower-case hex digits', value);
}

/** A part of a message that should be an object; undefined where it is none, or has no such part of its own. */
export function partOf(message: unknown, name: string): unknown {
  if (typeof message !== 'object' || message === null || !Object.hasOwn(message, name))
    return undefined;
  return (message as Readonly<Record<string, unknown>>)[name];
}

/** The hash in a `wake`; null when it has none that can be read. A wake without one still means "look again". */
export function hashOfWake(wake: unknown): string | null {
  const hash = partOf(wake, 'txHash');
  return typeof hash === 'string' && isTxHash(hash) ? hash : null;
}

function wrong(field: string, wanted: string, value: unknown): Refusal {
  return new Refusal('InvalidInput', `${field}: must be ${wanted}, not ${quoted(value)}.`, field);
}
