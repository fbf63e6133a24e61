import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { errorCode } from '../db/sqlstate.ts';
import { isStatement, reasonOf } from '../domain/failure.ts';
import { readable } from '../doors/unreadable.ts';

/**
 * Keeps statements and their parameters out of workflow histories: an activity that fails in the database fails with
 * what PostgreSQL said, its SQLSTATE as the type, and is retried as before. An input that cannot be read here is none.
 */
export function plainErrors(): ActivityInboundCallsInterceptor {
  return {
    async execute(input, next) {
      try {
        return await next({ ...input, args: input.args.map(readable) });
      } catch (error) {
        if (!isStatement(error)) throw error;
        throw ApplicationFailure.create({
          message: reasonOf(error),
          type: errorCode(error) ?? 'DatabaseError',
        });
      }
    },
  };
}
