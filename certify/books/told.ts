/** What merchants are told of a session: which events there are, their exact bytes, and in which order they may come. */
import { createHash } from 'node:crypto';
import type { Terms } from './asked.ts';
import type { Folded, Held, Reason } from './fold.ts';
import { assetName, type Movement } from './ledger.ts';
import { decimalOf } from './money.ts';

/** An event as docs/events.md describes it. */
export type Told = {
  readonly id: string;
  readonly type: string;
  readonly body: string;
  /** It may be missing: payments beyond the first twenty are told one by one only where they were found first. */
  readonly isOptional: boolean;
  /** The event that must have come before, where there is one. */
  readonly after: string | null;
};

/** What an endpoint gets that asks for nothing in particular. */
export const DEFAULT_TYPES = ['payment.confirmed', 'session.expired', 'session.cancelled'];

/** So many payments of a reason are told one by one. */
const ONE_BY_ONE = 20;
/** The last sum that is told of a reason. */
const LAST_SUM = 20_481;
/** A sum names so many assets. */
const ASSETS_SUMMED = 10;

/** The events of a session that became what it is by one reading. */
export function toldOf(id: string, folded: Folded): Told[] {
  const head = decisive(id, folded);
  return [...(head === null ? [] : [head]), ...exceptions(id, folded, head?.id ?? null)];
}

function decisive(sessionId: string, folded: Folded): Told | null {
  const { status, deadline, endedBy, credited, completing, reading } = folded;
  const { terms } = reading;
  if (status === 'open') return null;
  if (completing !== null) {
    const { movement, sum } = completing;
    const data = {
      sessionId,
      txHash: movement.txHash,
      amount: decimalOf(sum),
      asset: terms.asset.code,
      sender: movement.sender,
      price: decimalOf(terms.price),
      overpaid: decimalOf(sum - terms.price),
      assetIssuer: terms.asset.issuer,
      ...ofSession(terms),
    };
    return event(sessionId, 'payment.confirmed', 'paid', movement.closedAt, data);
  }
  const data = {
    sessionId,
    price: decimalOf(terms.price),
    received: decimalOf(credited),
    asset: terms.asset.code,
    closedThroughLedger: endedBy,
    assetIssuer: terms.asset.issuer,
    ...ofSession(terms),
  };
  return event(sessionId, `session.${status}`, 'ended', deadline, data);
}

function exceptions(sessionId: string, { held, reading }: Folded, decided: string | null): Told[] {
  const told: Told[] = [];
  for (const [reason, all] of Map.groupBy(held, (one) => one.reason)) {
    const line = all.toSorted((a, b) => inOrder(a.movement, b.movement));
    const after = NEEDS_A_DECISION.has(reason) ? decided : null;
    for (const [index, one] of line.entries()) {
      const { movement, amount } = one;
      const data = exceptionData(sessionId, reading.terms, one, amount);
      const fact = `${movement.key}:${reason}`;
      const single = event(sessionId, 'payment.exception', fact, movement.closedAt, data);
      told.push({ ...single, after, isOptional: index >= ONE_BY_ONE });
    }
    for (let rank = ONE_BY_ONE + 1; rank <= Math.min(line.length, LAST_SUM); rank = 2 * rank - 1) {
      const last = line[rank - 1];
      if (last === undefined) break;
      const data = {
        ...exceptionData(sessionId, reading.terms, last, last.movement.amount),
        together: sumsOf(line.slice(0, rank)),
      };
      const fact = `together:${reason}:${rank}`;
      told.push({
        ...event(sessionId, 'payment.exception', fact, last.movement.closedAt, data),
        after,
      });
    }
  }
  return told;
}

/** Nothing is overpaid, short or one too many before the session is decided. */
const NEEDS_A_DECISION: ReadonlySet<Reason> = new Set(['overpaid', 'underpaid', 'duplicate']);

function exceptionData(
  sessionId: string,
  terms: Terms,
  { movement, reason }: Held,
  amount: bigint,
) {
  return {
    sessionId,
    reason,
    amount: decimalOf(amount),
    received: decimalOf(movement.amount),
    asset: movement.asset.code,
    assetIssuer: movement.asset.issuer,
    txHash: movement.txHash,
    operationIndex: movement.operationIndex,
    sender: movement.sender,
    ...ofSession(terms),
  };
}

function sumsOf(line: readonly Held[]) {
  const byAsset = [...Map.groupBy(line, ({ movement }) => assetName(movement.asset)).values()];
  return {
    payments: line.length,
    sums: byAsset.slice(0, ASSETS_SUMMED).map((some) => ({
      asset: some[0]?.movement.asset.code,
      assetIssuer: some[0]?.movement.asset.issuer,
      amount: decimalOf(some.reduce((sum, { movement }) => sum + movement.amount, 0n)),
      payments: some.length,
    })),
    furtherAssets: Math.max(0, byAsset.length - ASSETS_SUMMED),
  };
}

function inOrder(a: Movement, b: Movement): number {
  return a.place < b.place ? -1 : a.place > b.place ? 1 : 0;
}

function ofSession({ reference, metadata }: Terms) {
  return isCarried(metadata)
    ? { memo: reference, metadata: asStored(metadata) }
    : { memo: reference, metadata: null, metadataOmitted: true };
}

/** PostgreSQL keeps the keys of a jsonb object by their length, then their bytes. */
function asStored(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asStored);
  if (typeof value !== 'object' || value === null) return value;
  const bytes = (text: string) => Buffer.from(text);
  const entries = Object.entries(value).sort(
    ([a], [b]) => bytes(a).length - bytes(b).length || Buffer.compare(bytes(a), bytes(b)),
  );
  return Object.fromEntries(entries.map(([key, part]) => [key, asStored(part)]));
}

/** Metadata is carried up to 16,384 bytes as PostgreSQL writes it, 32 levels and 1,000 values. */
function isCarried(metadata: unknown): boolean {
  let values = 0;
  const bytesOf = (value: unknown, depth: number): number => {
    if (typeof value !== 'object' || value === null)
      return Buffer.byteLength(JSON.stringify(value));
    if (depth > 32) return Infinity;
    const parts = Array.isArray(value)
      ? value.map((part) => bytesOf(part, depth + 1))
      : Object.entries(value).map(
          ([key, part]) => Buffer.byteLength(JSON.stringify(key)) + 2 + bytesOf(part, depth + 1),
        );
    values += parts.length;
    return 2 + 2 * Math.max(0, parts.length - 1) + parts.reduce((sum, n) => sum + n, 0);
  };
  return bytesOf(metadata, 1) <= 16_384 && values <= 1_000;
}

function event(sessionId: string, type: string, fact: string, at: number, data: object): Told {
  const id = idOf(`event:${sessionId}:${type}:${fact}`);
  const timestamp = new Date(at).toISOString();
  const body = JSON.stringify({ event: type, data, timestamp, type, id });
  return { id, type, body, isOptional: false, after: null };
}

/** Merchants remember ids: another namespace would tell everything again. docs/events.md shows ids that merchants have got. */
const NAMESPACE = Buffer.from('6f0b4f0e7a535d0c9a3e2f6a1c8f4b11', 'hex');

/** A UUID of version 5 (RFC 9562). */
function idOf(name: string): string {
  const bytes = createHash('sha1').update(NAMESPACE).update(name).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
