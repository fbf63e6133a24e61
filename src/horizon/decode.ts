/** From Horizon's records to ledger payments. Decoding a record never throws: what cannot be read is kept as it is. */
import { z } from 'zod';
import { isAssetCode, NATIVE, type Asset } from '../domain/asset.ts';
import type { Decoded } from '../domain/evidence.ts';
import type { UndecodedRecord } from '../domain/ledger-payment.ts';
import { isOtherOperation, movementsOf } from './movements.ts';
import { joinedSchema, operationSchema } from './records.ts';

/**
 * Reads one record: the movements into the watched accounts, or the record itself where it cannot be read. Failed
 * transactions, outgoing movements and movements from an account to itself bring nothing in. `owner` is the account
 * among whose payments the record was found, if it was: an unreadable one concerns it, whatever it says.
 */
export function decodeRecord(
  raw: unknown,
  watched: ReadonlySet<string>,
  owner: string | null = null,
): Decoded {
  const failed = operationSchema.pick({ transaction_successful: true }).safeParse(raw);
  if (failed.success && !failed.data.transaction_successful) return { payments: [], undecoded: [] };
  try {
    const operation = joinedSchema.parse(raw);
    const movements = movementsOf(operation, raw, watched).filter(
      ({ to, from }) => watched.has(to) && to !== from,
    );
    const id = BigInt(operation.id);
    const payments = movements.map(({ to, asset, ...movement }) => ({
      txHash: operation.transaction.fee_bump_transaction?.hash ?? operation.transaction_hash,
      innerTxHash: operation.transaction.inner_transaction?.hash ?? null,
      opIndex: Number(id & 0xfffn) - 1,
      operationId: operation.id,
      ledger: Number(id >> 32n),
      closedAt: operation.created_at,
      account: to,
      asset: assetOf(asset),
      subIndex: movement.subIndex,
      type: movement.type,
      sender: movement.sender,
      amount: movement.amount,
      reference: movement.reference,
      referenceSource: movement.referenceSource,
    }));
    return { payments, undecoded: [] };
  } catch (error) {
    return { payments: [], undecoded: park(raw, concerned(raw, watched, owner), problemOf(error)) };
  }
}

/** Reads a list of records; all of one owner's, where there is one. */
export function decodeAll(
  records: readonly unknown[],
  watched: ReadonlySet<string>,
  owner: string | null = null,
): Decoded {
  return together(records.map((record) => decodeRecord(record, watched, owner)));
}

/** What several records or pages hold, as one. */
export function together(decoded: readonly Decoded[]): Decoded {
  return {
    payments: decoded.flatMap(({ payments }) => payments),
    undecoded: decoded.flatMap(({ undecoded }) => undecoded),
  };
}

/** Reads all operations of a ledger, most of which are no payments: those of a known other type are skipped. */
export function decodeOperations(
  records: readonly unknown[],
  watched: ReadonlySet<string>,
): Decoded {
  const mayPay = records.filter((record) => !isOtherOperation(typeSchema.safeParse(record).data));
  return decodeAll(mayPay, watched);
}

const typeSchema = z.object({ type: z.string() }).transform(({ type }) => type);

/** How Horizon writes an asset, everywhere. */
export type HorizonAsset = {
  readonly asset_type: string;
  readonly asset_code?: string | undefined;
  readonly asset_issuer?: string | undefined;
};

/** @throws RangeError when the asset is none that can be paid with */
export function assetOf({
  asset_type: type,
  asset_code: code,
  asset_issuer: issuer,
}: HorizonAsset): Asset {
  if (type === 'native') return NATIVE;
  const issued = type === 'credit_alphanum4' || type === 'credit_alphanum12';
  if (issued && code !== undefined && issuer !== undefined && isAssetCode(code)) {
    return { code, issuer };
  }
  throw new RangeError(`Not an asset: ${JSON.stringify({ type, code, issuer })}.`);
}

/** Whom a record concerns that cannot be read: its owner, or every watched account that it mentions. */
function concerned(raw: unknown, watched: ReadonlySet<string>, owner: string | null): string[] {
  if (owner !== null) return [owner];
  const text = JSON.stringify(raw) ?? '';
  return [...watched].filter((account) => text.includes(account));
}

function park(raw: unknown, accounts: readonly string[], problem: string): UndecodedRecord[] {
  const text = JSON.stringify(raw) ?? 'undefined';
  const id = z.object({ id: z.string().regex(/^\d{1,19}$/) }).safeParse(raw);
  const token = z.object({ paging_token: z.string().max(64) }).safeParse(raw);
  const operationId = id.success ? id.data.id : token.success ? token.data.paging_token : text;
  return accounts.map((account) => ({
    operationId: operationId.slice(0, 200),
    account,
    ledger: id.success ? Number(BigInt(id.data.id) >> 32n) : 0,
    raw: text,
    problem,
  }));
}

function problemOf(error: unknown): string {
  if (error instanceof z.ZodError) {
    return error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
  }
  return error instanceof Error ? error.message : String(error);
}
