import { storable } from './text.ts';

/** Refusals: what a caller did wrong, in a closed list of codes that survive Temporal and reach the client typed. */
export type RefusalCode =
  | 'SessionNotFound'
  | 'MerchantNotFound'
  | 'SessionExistsWithOtherBody'
  | 'ReferenceInUse'
  | 'DeliveryNotFound'
  | 'CannotBeSettled'
  | 'InvalidInput';

/** A request that was refused. Nothing was written. `field` names the part of the request that is wrong. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;
  readonly field: string | null;

  constructor(code: RefusalCode, message: string, field: string | null = null) {
    super(message);
    this.code = code;
    this.field = field;
  }
}

/** No answer in time. The request may still be carried out: ask `sessionState`, or ask again. */
export class NotAnswered extends Error {
  override readonly name = 'NotAnswered';
}

/**
 * What happened, in words that may be shown, logged, stored, and kept in a workflow's history. Drizzle's errors are the whole
 * statement with its parameters; what PostgreSQL itself said is their cause.
 */
export function reasonOf(error: unknown): string {
  if (!isMessage(error)) return storable(String(error));
  if (!isStatement(error)) return storable(error.message);
  return isMessage(error.cause)
    ? reasonOf(error.cause)
    : 'A statement failed, and PostgreSQL did not say why.';
}

/** Whether an error is a statement and its parameters, and not what was wrong with it. */
export function isStatement(error: unknown): boolean {
  return isMessage(error) && error.message.startsWith('Failed query:');
}

/** By its shape: in a VM context (a test, a Temporal bundle) Node's own errors are no `instanceof Error`. */
function isMessage(error: unknown): error is { message: string; cause?: unknown } {
  return (
    typeof error === 'object' &&
    error !== null &&
    typeof (error as { message?: unknown }).message === 'string'
  );
}
