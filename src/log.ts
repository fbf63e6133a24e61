/** The log: JSON lines on standard output, in which a session's id or a transaction's hash can be followed. */
import { pino, stdSerializers, type Logger } from 'pino';
import { errorCode } from './db/sqlstate.ts';
import { logLine } from './log-line.ts';
import { isStatement, reasonOf } from './domain/failure.ts';

/**
 * Makes the log of a process. Errors of the database are told without their statement and its parameters. `fields` are
 * asked for at every line.
 */
export function createLog(level: string, fields?: () => Record<string, string>): Logger {
  const mixin = fields === undefined ? {} : { mixin: fields };
  const hooks = { streamWrite: logLine };
  return pino({ level, serializers: { err: tellError }, hooks, ...mixin });
}

function tellError(error: unknown): unknown {
  if (!isStatement(error)) return stdSerializers.err(error as Error);
  let innermost = error as Error;
  while (innermost.cause instanceof Error) innermost = innermost.cause;
  return {
    type: innermost.name,
    message: reasonOf(error),
    code: errorCode(error),
    stack: innermost.stack,
  };
}
