import { ApplicationFailure } from '@temporalio/common';
import { reached } from '../metrics/bounds.ts';
import { cannotPass, errorCode } from '../db/sqlstate.ts';
import { reasonOf, Refusal } from '../domain/failure.ts';

/**
 * Runs an activity and turns a refusal into a failure that is not retried: its type is the refusal's code, its only
 * detail the field. An error that the same input meets again every time (`cannotPass`) is a refusal, too: retried, it would
 * hold its caller for ever. Every other error is thrown as it is and retried by Temporal.
 */
export async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Refusal) throw failureOf(error);
    if (!cannotPass(error)) throw error;
    const code = errorCode(error);
    const reason = `${reasonOf(error)}${code === null ? '' : ` (${code})`}`;
    throw failureOf(new Refusal('InvalidInput', `The request cannot be carried out: ${reason}.`));
  }
}

function failureOf({ message, code, field }: Refusal): ApplicationFailure {
  if (code === 'InvalidInput') reached('request');
  return ApplicationFailure.create({
    message,
    type: code,
    nonRetryable: true,
    details: [field],
    category: 'BENIGN',
  });
}
