/** A test network that began anew: everything is read again from its first ledger. */
import { sql } from 'drizzle-orm';
import { Refusal } from '../../domain/failure.ts';
import type { LedgerSource } from '../../domain/ledger-source.ts';
import type { Database, Db } from '../connection.ts';
import { newestLedger } from '../ledgers.ts';
import { serializable } from '../serializable.ts';
import { writeDown, type By } from './decision.ts';
import { headOfNetwork, networkOf } from './evidence.ts';

/** Where everything begins again. Times are ISO 8601. */
export type AcceptedReset = {
  readonly network: string;
  readonly fromLedger: number;
  readonly fromTime: string;
  /** Accounts that are read again from there. */
  readonly accounts: number;
  /** Sessions that may wait for an ending no reading can prove: Horizon does not have the new ledger from its beginning. */
  readonly unprovable: number;
};

/**
 * A Horizon that has everything since a network's first checkpoint has the network from its beginning: nodes join at
 * checkpoints, which are 64 ledgers apart, and nobody of ours has an account on the network's first five minutes.
 */
const FIRST_CHECKPOINT = 64;

/**
 * Begins the reading anew, in one transaction.
 *
 * What was paid on the old ledger stays as it was judged, and counts before everything on the new one; what was known of
 * the old ledger is gone. Sessions in care count as opened before the first ledger of the new one: the money that they
 * were waiting for is worthless or must come there. Where Horizon has forgotten the beginning, the ledgers before its
 * oldest one are missing, and a person decides about sessions whose account moved in them.
 * @throws Refusal, and nothing is written, on the public network, when no reset was noticed, or when Horizon still
 * shows the ledger that was read
 */
export async function acceptReset(
  { pool, db }: Pick<Database, 'pool' | 'db'>,
  source: Pick<LedgerSource, 'head' | 'ledger'>,
  publicPassphrase: string,
  by: By,
): Promise<AcceptedReset> {
  const passphrase = await refuseUnnoticed(db, publicPassphrase);
  const { oldest, whole } = await newBeginning(db, source);
  const after = whole ? oldest.sequence - 1 : 0;
  const { value } = await serializable(pool, async (tx) => {
    await refuseUnnoticed(tx, publicPassphrase);
    const before = await state(tx);
    await tx.execute(sql`UPDATE settlement.network SET reset_at = now(), discovered_after = NULL`);
    await tx.execute(sql`DELETE FROM settlement.network_reading`);
    await tx.execute(sql`DELETE FROM settlement.coverage`);
    await tx.execute(sql`DELETE FROM settlement.history_holes`);
    await tx.execute(sql`DELETE FROM settlement.recounted_ledgers`);
    await tx.execute(sql`DELETE FROM settlement.ledgers`);
    const { rowCount } = await tx.execute(sql`
      UPDATE settlement.watched_accounts SET known_record = NULL, read_ledgers = '{}', through_ledger = ${after},
        read_at = NULL, problem = NULL, network_from = NULL, recheck_cursor = NULL, rechecked_at = NULL`);
    await tx.execute(sql`
      WITH waiting AS (
        UPDATE checkout_sessions s SET opened_after = ${after} FROM settlement.active_sessions a
        WHERE a.session_id = s.id AND a.deadline IS NOT NULL AND s.opened_after IS NOT NULL RETURNING s.id)
      UPDATE settlement.ledger_payments lp SET placed_after = 0 FROM waiting
      WHERE lp.session_id = waiting.id AND lp.verdict IS NOT NULL`);
    await tx.execute(sql`
      UPDATE settlement.attention SET resolved_at = now(), resolved_by = ${by.actor}, reason = ${by.reason}
      WHERE kind = 'network_reset' AND resolved_at IS NULL`);
    const result: AcceptedReset = {
      network: passphrase,
      fromLedger: oldest.sequence,
      fromTime: oldest.closedAt.toISOString(),
      accounts: rowCount ?? 0,
      unprovable: whole ? 0 : await waiting(tx),
    };
    const detail = { ...result, before };
    await writeDown(tx, by, { action: 'network reset accepted', subject: 'network', detail });
    return result;
  });
  return value;
}

async function refuseUnnoticed(db: Db, publicPassphrase: string): Promise<string> {
  const passphrase = await networkOf(db);
  if (passphrase === publicPassphrase) {
    throw no(
      'The public network is never reset: HORIZON_URL leads to another one. Correct it, and resolve the attention.',
    );
  }
  const { rows } = await db.execute(sql`
    SELECT FROM settlement.attention WHERE kind = 'network_reset' AND resolved_at IS NULL`);
  if (rows.length > 0) return passphrase;
  throw no(
    `Nothing says that "${passphrase}" was reset: no attention network_reset is open. The watcher opens it when it sees a reset.`,
  );
}

/** What Horizon has of the new ledger. It must be this network's, and not the one that was read. */
async function newBeginning(db: Db, source: Pick<LedgerSource, 'head' | 'ledger'>) {
  const head = await headOfNetwork(db, source);
  const newest = await newestLedger(db);
  const shown = newest === null ? null : await source.ledger(newest.sequence);
  if (newest !== null && shown?.hash === newest.hash) {
    throw no(
      `Horizon shows ledger ${newest.sequence} with the hash it had: this is the ledger that was read, and was not reset. ` +
        'Give the workers this HORIZON_URL and resolve the attention (`settle attention resolve network network_reset`).',
    );
  }
  const oldest = await source.ledger(head.oldestLedger);
  if (oldest === null) {
    throw no(`Horizon does not show ledger ${head.oldestLedger}, which it said it has. Ask again.`);
  }
  return { oldest, whole: oldest.sequence <= FIRST_CHECKPOINT };
}

function no(problem: string): Refusal {
  return new Refusal('InvalidInput', problem);
}

/** What is overwritten, for the journal. */
async function state(tx: Db): Promise<Record<string, unknown>> {
  const { rows } = await tx.execute<{ before: Record<string, unknown> }>(sql`
    SELECT json_build_object('resetAt', n.reset_at,
      'newestLedger', (SELECT json_build_object('sequence', le.sequence, 'hash', le.hash)
        FROM settlement.ledgers le ORDER BY le.sequence DESC LIMIT 1),
      'throughLedger', (SELECT max(through_ledger) FROM settlement.watched_accounts),
      'noticed', (SELECT a.detail FROM settlement.attention a
        WHERE a.kind = 'network_reset' AND a.resolved_at IS NULL LIMIT 1)) AS before
    FROM settlement.network n`);
  return rows[0]?.before ?? {};
}

/** Sessions in care that are not over. */
async function waiting(tx: Db): Promise<number> {
  const { rows } = await tx.execute<{ sessions: number }>(sql`
    SELECT count(*)::int AS sessions FROM settlement.active_sessions WHERE deadline IS NOT NULL`);
  return rows[0]?.sessions ?? 0;
}
