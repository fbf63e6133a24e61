/** Records that could not be read: the list, another attempt after an upgrade, and a person's answer. */
import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { Refusal } from '../../domain/failure.ts';
import { ledgerPaymentKey } from '../../domain/ledger-payment.ts';
import type { Decoded } from '../../domain/evidence.ts';
import type { Database, Db } from '../connection.ts';
import { missingPayments, storeRecords } from '../inbox.ts';
import { serializable } from '../serializable.ts';
import { classify } from '../sqlstate.ts';
import { wakeOpenSessions, writeDown, type By } from './decision.ts';

/** A record as it was kept. `since` is ISO 8601, `raw` the record as Horizon sent it. */
export type ParkedRecord = {
  readonly account: string;
  readonly operationId: string;
  readonly ledger: number;
  readonly problem: string;
  readonly since: string;
  readonly raw: string;
};

/** Records looked at in one statement. */
const PAGE = 200;

/** Every record that nobody has answered, by account and operation; of one account, if given. */
export async function parkedRecords(
  db: Db,
  account: string | null = null,
): Promise<ParkedRecord[]> {
  const records: ParkedRecord[] = [];
  for await (const page of pages(db, account)) records.push(...page);
  return records;
}

async function* pages(db: Db, account: string | null): AsyncGenerator<ParkedRecord[]> {
  let after = { account: '', operationId: '' };
  for (;;) {
    const { rows } = await db.execute<{
      account: string;
      operation_id: string;
      ledger: string;
      problem: string;
      parked_at: string;
      raw: string;
    }>(sql`
      SELECT account, operation_id, ledger, problem, parked_at::text, raw
      FROM settlement.parked_records
      WHERE resolved_at IS NULL AND (${account}::text IS NULL OR account = ${account})
        AND (account, operation_id) > (${after.account}, ${after.operationId})
      ORDER BY account, operation_id LIMIT ${PAGE}`);
    const page = rows.map(({ operation_id, parked_at, ledger, ...row }) => ({
      ...row,
      operationId: operation_id,
      ledger: Number(ledger),
      since: new Date(parked_at).toISOString(),
    }));
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    after = last;
  }
}

/** What decoding a record anew came to. */
export type Redecoded = {
  readonly account: string;
  readonly operationId: string;
  /** `stored`: these ledger payments are in the inbox; `nothing`: it moves nothing into the account. */
  readonly outcome: 'stored' | 'nothing' | 'unreadable';
  readonly payments: readonly string[];
  /** Why it still cannot be read; null where it can. */
  readonly problem: string | null;
};

/** Today's decoder: what a record of Horizon holds for one account. */
export type Decode = (record: unknown, account: string) => Decoded;

/**
 * Decodes what was parked once more, and stores what can be read now as the reader would have: the watcher's next turn
 * judges it. Each record is a transaction of its own; running it again tries only what is left.
 */
export async function redecode(
  { pool, db }: Pick<Database, 'pool' | 'db'>,
  decode: Decode,
  account: string | null,
  by: By,
): Promise<Redecoded[]> {
  const results: Redecoded[] = [];
  for await (const page of pages(db, account)) {
    for (const record of page) {
      const { value } = await serializable(pool, (tx) => redecodeOne(tx, record, decode, by));
      if (value !== null) results.push(value);
    }
  }
  return results;
}

/** Null when somebody else has answered the record meanwhile. */
async function redecodeOne(
  tx: Db,
  record: ParkedRecord,
  decode: Decode,
  by: By,
): Promise<Redecoded | null> {
  const { account, operationId } = record;
  await lockParked(tx);
  const left = (problem: string): Redecoded => ({
    account,
    operationId,
    outcome: 'unreadable',
    payments: [],
    problem,
  });
  const { payments, undecoded } = decodeRaw(record, decode);
  const [unreadable] = undecoded;
  if (unreadable) return left(unreadable.problem);
  const refused = await store(tx, payments);
  if (refused !== null) return left(refused);
  const keys = payments.map(ledgerPaymentKey);
  const resolution =
    keys.length > 0 ? `decoded: ${keys.join(', ')}` : 'decoded: it moves nothing into the account';
  if (!(await answer(tx, record, resolution, by))) return null;
  await writeDown(tx, by, {
    action: 'parked record decoded',
    subject: `account ${account}`,
    detail: { operationId, payments: keys, before: { problem: record.problem } },
  });
  await closeAttention(tx, account, by);
  const outcome = keys.length > 0 ? 'stored' : 'nothing';
  return { account, operationId, outcome, payments: keys, problem: null };
}

function decodeRaw(
  { account, operationId, ledger, raw, problem }: ParkedRecord,
  decode: Decode,
): Decoded {
  const still = (why: string): Decoded => ({
    payments: [],
    undecoded: [{ account, operationId, ledger, raw, problem: why }],
  });
  let record: unknown;
  try {
    record = JSON.parse(raw);
  } catch {
    return still(problem);
  }
  // What the database once refused was parked as the row it would have become, not as Horizon's record.
  if (typeof record === 'object' && record !== null && 'tx_hash' in record) {
    return still(
      `${problem} (have it fetched again: \`settle session report <session> ${String(record.tx_hash)}\`)`,
    );
  }
  return decode(record, account);
}

/** Stores what was decoded. Why the database refuses it, in words, and nothing is stored; null when all is there. */
async function store(tx: Db, payments: Decoded['payments']): Promise<string | null> {
  await tx.execute(sql`SAVEPOINT decoded`);
  try {
    await storeRecords(tx, { payments, undecoded: [] });
    const [missing] = await missingPayments(tx, payments);
    if (missing === undefined) return null;
    await tx.execute(sql`ROLLBACK TO SAVEPOINT decoded`);
    return `It can be read, but the database refuses ${ledgerPaymentKey(missing)}.`;
  } catch (error) {
    if (classify(error) !== 'permanent') throw error;
    await tx.execute(sql`ROLLBACK TO SAVEPOINT decoded`);
    return `It can be read, but the database refuses it: ${String(error)}`;
  }
}

/**
 * A person says that a record needs no reading: it is no payment, or was dealt with otherwise.
 * @throws Refusal InvalidInput when there is no such record, or it was answered already
 */
export async function dismissParked(
  pool: Pool,
  { account, operationId }: Pick<ParkedRecord, 'account' | 'operationId'>,
  by: By,
): Promise<{ account: string; operationId: string; left: number }> {
  const { value } = await serializable(pool, async (tx) => {
    await lockParked(tx);
    const { rows } = await tx.execute<{ problem: string; resolved_by: string | null }>(sql`
      SELECT problem, resolved_by FROM settlement.parked_records
      WHERE account = ${account} AND operation_id = ${operationId}`);
    const [row] = rows;
    const name = `record ${operationId} of ${account}`;
    if (!row) {
      throw new Refusal(
        'InvalidInput',
        `There is no parked ${name}. \`settle payments parked\` lists them.`,
        'operation id',
      );
    }
    if (!(await answer(tx, { account, operationId }, by.reason, by))) {
      throw new Refusal(
        'InvalidInput',
        `The ${name} was already dealt with, by ${row.resolved_by ?? 'nobody named'}.`,
        'operation id',
      );
    }
    await writeDown(tx, by, {
      action: 'parked record dismissed',
      subject: `account ${account}`,
      detail: { operationId, before: { problem: row.problem } },
    });
    return { account, operationId, left: await closeAttention(tx, account, by) };
  });
  return value;
}

/**
 * Nobody parks anything meanwhile: a reader that did, beside a person who answers the last record, would leave a record
 * without its attention. Readers park hardly ever, and wait for one commit then.
 */
async function lockParked(tx: Db): Promise<void> {
  await tx.execute(sql`LOCK TABLE settlement.parked_records IN SHARE ROW EXCLUSIVE MODE`);
}

/** False when it was answered before. */
async function answer(
  tx: Db,
  { account, operationId }: Pick<ParkedRecord, 'account' | 'operationId'>,
  resolution: string,
  { actor }: By,
): Promise<boolean> {
  const { rowCount } = await tx.execute(sql`
    UPDATE settlement.parked_records SET resolved_at = now(), resolved_by = ${actor}, resolution = ${resolution}
    WHERE account = ${account} AND operation_id = ${operationId} AND resolved_at IS NULL`);
  return (rowCount ?? 0) > 0;
}

/** The account's attention goes with its last record, and its sessions can end. Returns how many records are left. */
async function closeAttention(tx: Db, account: string, { actor, reason }: By): Promise<number> {
  const { rows } = await tx.execute<{ parked: number }>(sql`
    SELECT count(*)::int AS parked FROM settlement.parked_records
    WHERE account = ${account} AND resolved_at IS NULL`);
  const left = rows[0]?.parked ?? 0;
  if (left > 0) return left;
  await tx.execute(sql`
    UPDATE settlement.attention SET resolved_at = now(), resolved_by = ${actor}, reason = ${reason}
    WHERE subject = ${account} AND kind = 'undecoded_record' AND resolved_at IS NULL`);
  await wakeOpenSessions(tx, account);
  return 0;
}
