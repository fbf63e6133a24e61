import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool, PoolClient } from 'pg';
import { onClient, type Db } from './connection.ts';
import { classify, lostToRival } from './sqlstate.ts';

/** Retries inside one call; past it Temporal's own retry takes over, with its longer pauses. */
export const MAX_TRIES = 8;
/** First pause before a retry; it doubles, with full jitter, so that rivals do not meet again. */
const FIRST_PAUSE_MS = 5;
/** A connection that was lost is worth more patience than a conflict: the server may be restarting. */
const LOST_CONNECTION_PAUSE_MS = 100;

/** Tries of a short write that met a rival: four waits for a lock (2 s each) fit into every activity's time. */
const TRIES_UNDER_CONTENTION = 4;

/**
 * Runs `work` again when it lost a lock to a rival: a deadlock, a lock timeout, a serialization failure. PostgreSQL has
 * undone it then, so `work` must be one statement or one transaction, or right when it is repeated from the start.
 * @throws the last error of PostgreSQL after four tries, and every other error at once
 */
export async function underContention<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!lostToRival(error) || attempt >= TRIES_UNDER_CONTENTION) throw error;
      await sleep(Math.random() * FIRST_PAUSE_MS * 2 ** attempt);
    }
  }
}

/** The commit did not say COMMIT: an error inside the transaction was swallowed and PostgreSQL rolled it back. */
export class CommitRefused extends Error {
  override readonly name = 'CommitRefused';
  constructor(tag: string) {
    super(`The transaction ended with ${tag} instead of COMMIT: a statement in it had failed.`);
  }
}

/** What one call cost: how often the transaction was run again, for the metrics and for bench. */
export type Committed<T> = { readonly value: T; readonly retries: number };

/**
 * Runs `work` in one SERIALIZABLE transaction, on one connection, and commits.
 *
 * `work` must compute everything from what it reads in the transaction: it is run again from the start after
 * a serialization failure, after a unique key turned out to be there already, and when the outcome of COMMIT is
 * unknown (a lost connection). The re-run waits for the row lock of the transaction in doubt, so it sees whether that
 * one happened. Drizzle's own `transaction()` is not used on a pool: it masks a connection lost in COMMIT and
 * leaks the client when BEGIN fails (drizzle-orm #6023, #6114). A statement above its time limit is not tried again
 * here: with the same work it takes as long again. `statementMs` is that limit in milliseconds; null: the connection's own.
 */
export async function serializable<T>(
  pool: Pool,
  work: (tx: Db) => Promise<T>,
  statementMs: number | null = null,
): Promise<Committed<T>> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return { value: await runOnce(pool, work, statementMs), retries: attempt - 1 };
    } catch (error) {
      const fault = classify(error);
      if (fault === 'permanent' || fault === 'too_slow' || attempt >= MAX_TRIES) throw error;
      const first = fault === 'unknown' ? LOST_CONNECTION_PAUSE_MS : FIRST_PAUSE_MS;
      await sleep(Math.random() * first * 2 ** attempt);
    }
  }
}

async function runOnce<T>(
  pool: Pool,
  work: (tx: Db) => Promise<T>,
  statementMs: number | null,
): Promise<T> {
  const limit = statementMs === null ? '' : `; SET LOCAL statement_timeout = ${statementMs}`;
  const client = await pool.connect();
  let unusable: Error | undefined;
  try {
    // One round trip. Sequential scans of still small tables would take predicate locks on whole tables.
    await client.query(
      `BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL enable_seqscan = off${limit}`,
    );
    const value = await work(onClient(client));
    const { command } = await client.query('COMMIT');
    if (command !== 'COMMIT') throw new CommitRefused(command);
    return value;
  } catch (error) {
    unusable = await rollBack(client, error);
    throw error;
  } finally {
    client.release(unusable);
  }
}

/** Returns the error when the connection cannot be trusted any more and must not go back into the pool. */
async function rollBack(client: PoolClient, cause: unknown): Promise<Error | undefined> {
  if (classify(cause) === 'unknown') {
    return cause instanceof Error ? cause : new Error(String(cause), { cause });
  }
  try {
    await client.query('ROLLBACK');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error), { cause: error });
  }
}
