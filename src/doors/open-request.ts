/**
 * The one schema of a request to open a session. The client applies it before anything is sent, the update's validator
 * before anything is recorded, and the activity before anything is stored.
 */
import { z } from 'zod';
import { isAccountId } from '../domain/account-id.ts';
import { isAssetCode, isNative, type Asset } from '../domain/asset.ts';
import { Refusal } from '../domain/failure.ts';
import { problemOfMetadata } from '../domain/metadata.ts';
import { parseAmount, type Stroops } from '../domain/money.ts';
import { isReference } from '../domain/payment-request.ts';
import { isUuid } from '../domain/session.ts';
import { httpUrl, isoInstant, quoted, taken, textThat } from './text.ts';

const account = textThat(isAccountId, 'a Stellar account (G…)');

/** The longest decimal string of an amount: 922337203685.4775807. */
const AMOUNT_UNITS = 20;

const amount = z
  .string({ error: 'must be a decimal string, e.g. "12.5"' })
  .superRefine((text, context) => {
    const problem = problemOfAmount(text);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  });

function problemOfAmount(text: string): string | null {
  if (text.length > AMOUNT_UNITS) return `Not a Stellar amount: ${quoted(text)}.`;
  try {
    return parseAmount(text) > 0n ? null : 'must be more than zero';
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

/** Passed on as it is: a schema of records would drop a key `__proto__`, which JSON and PostgreSQL keep. */
const metadata = z.custom<Record<string, unknown>>().superRefine((value: unknown, context) => {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
  const problem = isRecord ? problemOfMetadata(value) : 'must be an object';
  if (problem !== null) context.addIssue({ code: 'custom', message: problem });
});

const schema = z.strictObject({
  merchantId: textThat(isUuid, 'a UUID in lower case'),
  amount,
  asset: z
    .strictObject({
      code: textThat(isAssetCode, '1 to 12 letters and digits'),
      issuer: account.nullable(),
    })
    .superRefine((asset, context) => {
      if (asset.issuer !== null || isNative(asset)) return;
      const message = `is missing: ${asset.code} without an issuer is no asset`;
      context.addIssue({ code: 'custom', path: ['issuer'], message });
    }),
  receivingAccount: account,
  expiresAt: isoInstant,
  memo: textThat(isReference, 'a u64 in decimal or 1 to 28 bytes of text').optional(),
  successUrl: httpUrl.optional(),
  cancelUrl: httpUrl.optional(),
  metadata: metadata.optional(),
});

/** A request of which every field is checked for form. */
export type ReadRequest = {
  readonly merchantId: string;
  readonly price: Stroops;
  readonly asset: Asset;
  readonly receivingAccount: string;
  readonly expiresAt: Date;
  readonly memo: string | undefined;
  readonly successUrl: string | null;
  readonly cancelUrl: string | null;
  readonly metadata: unknown;
};

/** Reads a request to open a session. @throws Refusal InvalidInput, with the field */
export function readOpenRequest(request: unknown): ReadRequest {
  const data = taken(schema, request, null);
  return {
    merchantId: data.merchantId,
    price: parseAmount(data.amount),
    asset: data.asset,
    receivingAccount: data.receivingAccount,
    expiresAt: new Date(data.expiresAt),
    memo: data.memo,
    successUrl: data.successUrl ?? null,
    cancelUrl: data.cancelUrl ?? null,
    metadata: data.metadata ?? null,
  };
}

/**
 * Refuses a deadline that was over when the newest ledger closed, at `closedAt`, for a session that does not exist yet.
 * @throws Refusal InvalidInput
 */
export function requireFuture(expiresAt: Date, closedAt: Date): void {
  if (expiresAt > closedAt) return;
  throw new Refusal(
    'InvalidInput',
    `expiresAt: is in the past: ${expiresAt.toISOString()}; the newest ledger closed at ${closedAt.toISOString()}`,
    'expiresAt',
  );
}
