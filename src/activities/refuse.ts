import { ApplicationFailure } from '@temporalio/common';
import { Refusal } from '../domain/failure.ts';

/**
 * Runs an activity and turns a refusal into a failure that is not retried: its type is the refusal's code, its only
 * detail the field. Every other error is thrown as it is and retried by Temporal.
 */
export async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw ApplicationFailure.create({
      message: error.message,
      type: error.code,
      nonRetryable: true,
      details: [error.field],
      category: 'BENIGN',
    });
  }
}
