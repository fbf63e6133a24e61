import { shownText } from '../domain/shown.ts';
import { isStatement, NotAnswered, reasonOf, Refusal } from '../domain/failure.ts';
import { ConfigError } from '../config-error.ts';
import { WrongNetwork } from '../db/wrong-network.ts';
import { UnfitRole } from '../db/roles.ts';
import { errorCode } from '../db/sqlstate.ts';

/** Exit codes: whose fault it was decides what a script does next. */
export const EXIT = { done: 0, failed: 1, input: 2, unavailable: 3 } as const;

/** Connection trouble, of PostgreSQL, Temporal or the network between. */
const UNREACHABLE = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT', 'EAI_AGAIN']);
const TEMPORAL_AWAY = /failed to connect before the deadline|connection refused|unavailable/i;

/** An error as one sentence for a person, and the exit code that goes with it. Set DEBUG for the whole story. */
export function explain(error: unknown): { message: string; exitCode: number } {
  const debug = process.env['DEBUG'] ? `\n${stackOf(error)}` : '';
  // One line: what it quotes may hold line breaks that are not ours. A ConfigError has a line for each problem.
  const message = error instanceof ConfigError ? error.message : shownText(reasonOf(error));
  const say = (text: string, exitCode: number) => ({ message: text + debug, exitCode });
  if (error instanceof Refusal || error instanceof ConfigError || error instanceof WrongNetwork) {
    return say(message, EXIT.input);
  }
  if (error instanceof UnfitRole) return say(message, EXIT.input);
  // By name: the worker's module is not loaded by every command.
  if (error instanceof Error && error.name === 'NotReady') return say(message, EXIT.input);
  if (error instanceof NotAnswered) return say(message, EXIT.unavailable);
  const code = errorCode(error);
  if (code === '3D000' || code === '28P01' || code === '28000') {
    return say(`DATABASE_URL cannot be used: ${message}.`, EXIT.input);
  }
  if (code === '42501') {
    return say(
      `The role of DATABASE_URL may not do that: ${message}. \`settle migrate\` as the owner, with APP_ROLE and READ_ROLE, gives the rights.`,
      EXIT.input,
    );
  }
  if (code === '42P01' || code === '3F000') {
    return say('The database has no settlement tables: run `settle migrate`.', EXIT.input);
  }
  if (code !== null && UNREACHABLE.has(code)) {
    return say(`Something does not answer: ${shownText(rootMessage(error))}`, EXIT.unavailable);
  }
  if (TEMPORAL_AWAY.test(message)) {
    return say(`Temporal does not answer (TEMPORAL_ADDRESS): ${message}`, EXIT.unavailable);
  }
  return say(message, EXIT.failed);
}

/** Not that of a statement: its first line is the statement itself with its parameters, secrets among them. */
function stackOf(error: unknown): string {
  let cause = error;
  while (isStatement(cause) && cause instanceof Error) cause = cause.cause;
  return cause instanceof Error ? (cause.stack ?? cause.message) : '';
}

/** Node's error of several addresses has no message of its own; the last cause says what happened. */
function rootMessage(error: unknown): string {
  let message = '';
  for (let e = error; e instanceof Error; e = e.cause) {
    if (e instanceof AggregateError) message = e.errors.map(String).join('; ');
    else message = e.message || message;
  }
  return message;
}
