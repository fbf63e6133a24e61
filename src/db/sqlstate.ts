/** What a database error means for the transaction in which it happened. */
export type Fault =
  /** The transaction did not happen; the same one may succeed when run again. */
  | 'retry'
  /** A statement took longer than it may: with the same work it takes as long again. */
  | 'too_slow'
  /** A unique key was already there: run again and find it. */
  | 'already_there'
  /** The connection was lost: it may have happened or not. Only running it again, under its lock, tells. */
  | 'unknown'
  /** Running it again will not help. */
  | 'permanent';

/** Another transaction had the lock, or the row, first. */
const RIVAL = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '55P03', // lock_not_available: lock_timeout
]);

const RETRY = new Set([
  ...RIVAL,
  '53300', // too_many_connections
  '57P03', // cannot_connect_now: starting up
  '53100', // disk_full
  '25006', // read_only_sql_transaction: a failover under way
]);

/** Connection exceptions, and the server's shutdown, crash and terminate codes. */
const CONNECTION = /^(08...|57P0[12]|25P03)$/;

const SOCKET = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** The SQLSTATE or socket code of an error, looked for through the causes that Drizzle wraps around it. */
export function errorCode(error: unknown): string | null {
  for (const { code } of causes(error)) {
    if (typeof code === 'string') return code;
  }
  return null;
}

/** Whether an error of PostgreSQL says that a rival was faster: the same work may succeed at once. */
export function lostToRival(error: unknown): boolean {
  return RIVAL.has(errorCode(error) ?? '');
}

type ErrorLike = {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
};

/**
 * An error and its causes, by their shape: in a VM context (a test, a Temporal bundle) the errors of Node's own sockets
 * are no `instanceof Error`, and a lost connection must not pass for a permanent fault there.
 */
function* causes(error: unknown): Generator<ErrorLike> {
  for (let e = error; typeof e === 'object' && e !== null; e = (e as ErrorLike).cause) {
    yield e;
  }
}

const LOST =
  /connection terminated|connection ended|timeout exceeded|query read timeout|client has encountered/i;

/** Sorts an error of PostgreSQL or of the connection to it. Errors of our own code are `permanent`. */
export function classify(error: unknown): Fault {
  const code = errorCode(error);
  if (code === '23505') return 'already_there';
  if (code === '57014') return 'too_slow'; // query_canceled: statement_timeout
  if (code !== null && RETRY.has(code)) return 'retry';
  if (code !== null && (CONNECTION.test(code) || SOCKET.has(code))) return 'unknown';
  for (const { message } of causes(error)) {
    if (typeof message === 'string' && LOST.test(message)) return 'unknown';
  }
  return 'permanent';
}

/**
 * What the same statement with the same values will meet again, whatever the state of the database: data that PostgreSQL
 * cannot hold (class 22), a NOT NULL or a CHECK that it breaks, and what is too deep or too large for it (class 54). A key
 * that is missing or taken (23503, 23505) can be another state a moment later.
 */
const CANNOT_PASS = /^(22...|23502|23514|54...)$/;

/** Errors of our own code by which a value was refused before PostgreSQL saw it. */
const OF_CODE = new Set(['RangeError', 'TypeError', 'SyntaxError']);

/**
 * Whether running the same work on the same input again can only fail again. Errors of code count only without a code
 * anywhere in their causes: undici's `fetch failed` is a TypeError, and its cause is a socket.
 */
export function cannotPass(error: unknown): boolean {
  const code = errorCode(error);
  if (code !== null) return CANNOT_PASS.test(code);
  if (classify(error) !== 'permanent') return false;
  for (const { name } of causes(error)) {
    if (typeof name === 'string' && OF_CODE.has(name)) return true;
  }
  return false;
}
