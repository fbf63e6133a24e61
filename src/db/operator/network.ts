/** A test network that began anew: everything is read again from its first ledger. */
import { sql } from 'drizzle-orm';
import { Refusal } from '../../domain/failure.ts';
import type { LedgerSource } from '../../domain/ledger-source.ts';
import { remembered } from '../checkpoint.ts';
import type { Database, Db } from '../connection.ts';
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
  /** Sessions that wait for an ending no reading can prove: Horizon does not have the new ledger from its beginning. */
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
 * What was paid on the old ledger stays as it was judged; its coverage is gone. Coverage of the new one starts at its
 * beginning. `from_time` stays where it was, before the opening of every session in our care: before its first ledger
 * a network has seen no payment, so whatever closed after `from_time` will be in the inbox. Without that, sessions that
 * were open at the reset could never end, though the money they were waiting for is worthless or must come on the new
 * ledger. Where Horizon has forgotten the beginning, coverage starts at its oldest ledger, and proves nothing before.
 *
 * The source must be a fresh one: an older one may remember close times of the old ledgers.
 * @throws Refusal, and nothing is written, on the public network, when no reset was noticed, or when Horizon still
 * shows the ledger that was read
 */
export async function acceptReset(
  { pool, db }: Pick<Database, 'pool' | 'db'>,
  source: Pick<LedgerSource, 'head' | 'ledger' | 'ledgerHash'>,
  publicPassphrase: string,
  by: By,
): Promise<AcceptedReset> {
  const passphrase = await refuseUnnoticed(db, publicPassphrase);
  const { oldest, whole } = await newBeginning(db, source);
  const throughTime = new Date(oldest.closedAt.getTime() - 1000).toISOString();
  const closedAt = oldest.closedAt.toISOString();
  const { value } = await serializable(pool, async (tx) => {
    await refuseUnnoticed(tx, publicPassphrase);
    const before = await state(tx);
    await tx.execute(sql`
      UPDATE settlement.network SET reset_at = now(), checkpoint_ledger = NULL, checkpoint_hash = NULL`);
    await tx.execute(sql`DELETE FROM settlement.network_reading`);
    await tx.execute(sql`DELETE FROM settlement.asset_coverage`);
    // The oldest ledger itself is still to be read: its close time, whole seconds, is not covered yet.
    const { rowCount } = await tx.execute(sql`
      UPDATE settlement.watched_accounts SET cursor = ${(BigInt(oldest.sequence) << 32n).toString()},
        from_ledger = ${oldest.sequence - 1}, through_ledger = ${oldest.sequence - 1},
        through_time = ${throughTime}::timestamptz,
        from_time = CASE WHEN ${whole} THEN from_time ELSE greatest(from_time, ${closedAt}::timestamptz) END,
        read_at = NULL, problem = NULL, network_from = NULL, recheck_cursor = NULL, rechecked_at = NULL`);
    await tx.execute(sql`
      UPDATE settlement.attention SET resolved_at = now(), resolved_by = ${by.actor}, reason = ${by.reason}
      WHERE kind = 'network_reset' AND resolved_at IS NULL`);
    const result: AcceptedReset = {
      network: passphrase,
      fromLedger: oldest.sequence,
      fromTime: closedAt,
      accounts: rowCount ?? 0,
      unprovable: await unprovable(tx),
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
async function newBeginning(db: Db, source: Pick<LedgerSource, 'head' | 'ledger' | 'ledgerHash'>) {
  const head = await headOfNetwork(db, source);
  const { checkpoint } = await remembered(db);
  const hash = checkpoint === null ? null : await source.ledgerHash(checkpoint.ledger);
  if (checkpoint !== null && hash === checkpoint.hash) {
    throw no(
      `Horizon shows ledger ${checkpoint.ledger} with the hash it had: this is the ledger that was read, and was not reset. ` +
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
    SELECT json_build_object('checkpointLedger', n.checkpoint_ledger, 'checkpointHash', n.checkpoint_hash,
      'resetAt', n.reset_at,
      'throughLedger', (SELECT max(through_ledger) FROM settlement.watched_accounts),
      'noticed', (SELECT a.detail FROM settlement.attention a
        WHERE a.kind = 'network_reset' AND a.resolved_at IS NULL LIMIT 1)) AS before
    FROM settlement.network n`);
  return rows[0]?.before ?? {};
}

/** Sessions that are not over, opened before what their account's coverage will ever reach back to. */
async function unprovable(tx: Db): Promise<number> {
  const { rows } = await tx.execute<{ sessions: number }>(sql`
    SELECT count(*)::int AS sessions FROM settlement.active_sessions a
    JOIN settlement.watched_accounts w ON w.account = a.account
    JOIN checkout_sessions s ON s.id = a.session_id
    WHERE a.deadline IS NOT NULL AND s.created_at < w.from_time`);
  return rows[0]?.sessions ?? 0;
}
