/** What the commands have in common by which an operator decides something: who, why, and with what in hand. */
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { NotAnswered, Refusal } from '../domain/failure.ts';
import { line, REASON_BYTES } from './input.ts';
import { loadConfig, loadDatabaseConfig } from '../config.ts';
import { connect, type Database } from '../db/connection.ts';
import { decidedBy, type By } from '../db/operator/decision.ts';
import type { LedgerSource } from '../domain/ledger-source.ts';
import { HorizonRateLimited, HorizonRefused, HorizonUnavailable } from '../horizon/errors.ts';

/** The options of a decision, as they are typed. */
export type Reasoned = { readonly reason: string; readonly by?: string };

/** Adds them to a command: a decision without a reason is not taken. */
export function reasoned(command: Command): Command {
  return command
    .requiredOption('--reason <text>', 'why; it is written into the journal')
    .option('--by <name>', 'who decides; the user of this shell unless given');
}

/** Who decides, and why. @throws Refusal where that is left empty, or is too long */
export function by({ reason, by: name }: Reasoned): By {
  const by = decidedBy(name ?? shellUser(), reason);
  return { actor: line(by.actor, 'by'), reason: line(by.reason, 'reason', REASON_BYTES) };
}

/** A container may run under a number that has no name. */
function shellUser(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env['USER'] ?? `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** Works on the database of DATABASE_URL, and lets it go. */
export async function withDatabase<T>(ask: (database: Database) => Promise<T>): Promise<T> {
  const { DATABASE_URL } = loadDatabaseConfig(process.env);
  const database = connect(DATABASE_URL, { max: 2, applicationName: 'settle' });
  try {
    return await ask(database);
  } finally {
    await database.close();
  }
}

/**
 * The same with the ledger of HORIZON_URL in `env`, for what needs its evidence. @throws NotAnswered when Horizon gives no
 * answer: that says nothing about the ledger, and nothing is decided
 */
export async function withLedger<T>(
  ask: (database: Database, source: LedgerSource) => Promise<T>,
  env: NodeJS.ProcessEnv = process.env,
): Promise<T> {
  const config = loadConfig(env);
  const { createHorizonSource } = await import('../horizon/source.ts');
  const source = createHorizonSource({
    url: config.HORIZON_URL,
    requestsPerHour: config.HORIZON_REQUESTS_PER_HOUR,
  });
  try {
    return await withDatabase((database) => ask(database, source));
  } catch (error) {
    if (error instanceof HorizonUnavailable || error instanceof HorizonRateLimited) {
      throw new NotAnswered(`${error.message} Nothing was decided.`, { cause: error });
    }
    if (error instanceof HorizonRefused) throw new Refusal('InvalidInput', error.message);
    throw error;
  } finally {
    await source.close();
  }
}
