/** Writes a sandbox network into Horizon's tables, ledger by ledger, as its ingestion would have written them. */
import { extractBaseAddress } from '@stellar/stellar-sdk';
import type { Pool, PoolClient } from 'pg';
import type { Chain } from '../../src/sandbox/ledger/chain.ts';
import type { BalanceChange } from '../../src/sandbox/ledger/contract-call.ts';
import type { LedgerRecord, TransactionRecord } from '../../src/sandbox/ledger/history.ts';
import { copyAccounts } from './account-rows.ts';
import { assetEvents } from './asset-events.ts';
import { effectsOf } from './effect-rows.ts';
import { readEnvelope, readResult } from './envelope.ts';
import { insert } from './insert.ts';
import { muxed, transactionRow } from './transaction-row.ts';
import { details, detailsJson, isPayment, participants, typeOf } from './operation-row.ts';
import type { Applied } from './operation-row.ts';

/** The sandbox keeps no events: those of calls that a test dictated are handed over by hash. */
export type Dictated = ReadonlyMap<string, readonly BalanceChange[]>;

/** Copies all ledgers. Horizon shows them a second later. */
export async function copyHistory(chain: Chain, pool: Pool, dictated: Dictated): Promise<void> {
  await pool.query(
    `INSERT INTO key_value_store VALUES ('exp_ingest_version', '20') ON CONFLICT DO NOTHING`,
  );
  const client = await pool.connect();
  try {
    for (const ledger of chain.history.ledgers) {
      await client.query('BEGIN');
      await copyLedger(chain, client, ledger, dictated);
      await client.query('COMMIT');
    }
  } finally {
    client.release();
  }
}

/** Where Horizon's tables say which ledger a row is of: the column is a TOID. */
const HISTORY: readonly (readonly [table: string, toid: string])[] = [
  ['history_ledgers', 'id'],
  ['history_transactions', 'id'],
  ['history_operations', 'id'],
  ['history_effects', 'history_operation_id'],
  ['history_operation_participants', 'history_operation_id'],
  ['history_transaction_participants', 'history_transaction_id'],
];

/** Forgets what is below a ledger, as Horizon's reaper does: `history_accounts` stay. */
export async function reapBelow(pool: Pool, ledger: number): Promise<void> {
  const first = BigInt(ledger) << 32n;
  for (const [table, toid] of HISTORY) {
    await pool.query(`DELETE FROM ${table} WHERE ${toid} < $1`, [first]);
  }
}

/** Takes ledgers out, as if they had never been ingested; the function returned puts them back. */
export async function tearGap(
  pool: Pool,
  [from, through]: readonly [number, number],
): Promise<() => Promise<void>> {
  const range = [BigInt(from) << 32n, BigInt(through + 1) << 32n];
  for (const [table, toid] of HISTORY) {
    const where = `${toid} >= $1 AND ${toid} < $2`;
    await pool.query(`CREATE TABLE torn_${table} AS TABLE ${table} WITH NO DATA`);
    await pool.query(
      `WITH torn AS (DELETE FROM ${table} WHERE ${where} RETURNING *)
       INSERT INTO torn_${table} SELECT * FROM torn`,
      range,
    );
  }
  return async () => {
    for (const [table] of HISTORY) {
      await pool.query(`INSERT INTO ${table} SELECT * FROM torn_${table}`);
    }
  };
}

async function copyLedger(
  chain: Chain,
  client: PoolClient,
  ledger: LedgerRecord,
  dictated: Dictated,
): Promise<void> {
  const touched = new Set(
    ledger.sequence === chain.history.ledgers[0]?.sequence ? [chain.rootKeypair.publicKey()] : [],
  );
  let operationCount = 0;
  for (const transaction of ledger.transactions) {
    const accounts = await copyTransaction(chain, client, transaction, dictated);
    for (const account of accounts) touched.add(account);
    if (transaction.successful) operationCount += transaction.operationCount;
  }
  const closedAt = timeOf(ledger);
  const successful = ledger.transactions.filter((one) => one.successful).length;
  await insert(client, 'history_ledgers', {
    id: BigInt(ledger.sequence) << 32n,
    sequence: ledger.sequence,
    ledger_hash: ledger.hash,
    previous_ledger_hash: ledger.sequence > 1 ? ledger.previousHash : null,
    transaction_count: successful,
    successful_transaction_count: successful,
    failed_transaction_count: ledger.transactions.length - successful,
    operation_count: operationCount,
    tx_set_operation_count: ledger.transactions.reduce((sum, one) => sum + one.operationCount, 0),
    closed_at: closedAt,
    created_at: closedAt,
    updated_at: closedAt,
    importer_version: 20,
    total_coins: '1000000000000000000',
    fee_pool: 0,
    base_fee: 100,
    base_reserve: 5_000_000,
    max_tx_set_size: 1000,
    protocol_version: 23,
    ledger_header: '',
  });
  await copyAccounts(chain, client, [...touched], ledger.sequence);
  await client.query(`UPDATE key_value_store SET value = $1 WHERE key = 'exp_ingest_last_ledger'`, [
    String(ledger.sequence),
  ]);
}

/** Copies a transaction with its operations and effects; answers whose entries it may have changed. */
async function copyTransaction(
  chain: Chain,
  client: PoolClient,
  record: TransactionRecord,
  dictated: Dictated,
): Promise<string[]> {
  const envelope = readEnvelope(record.envelopeXdr);
  const { feeCharged, operations: results } = readResult(record.resultXdr);
  const { tx, outer } = envelope;
  await insert(client, 'history_transactions', {
    ...transactionRow(envelope),
    id: record.id,
    transaction_hash: record.hash,
    inner_transaction_hash: record.innerHash,
    ledger_sequence: record.ledger.sequence,
    application_order: Number((record.id >> 12n) & 0xfffffn),
    fee_charged: feeCharged,
    tx_envelope: record.envelopeXdr,
    tx_result: record.resultXdr,
    tx_meta: '',
    tx_fee_meta: '',
    successful: results !== null,
    created_at: timeOf(record.ledger),
    updated_at: timeOf(record.ledger),
  });
  const accounts = [tx.source_account, outer?.feeSource ?? tx.source_account];
  for (const [i, operation] of tx.operations.entries()) {
    const source = operation.source_account ?? tx.source_account;
    const result = results?.[i] ?? null;
    const events = assetEvents(chain, operation.body, result, dictated.get(record.hash));
    const applied = { operation, source, result, events };
    await copyOperation(client, applied, record.id, i + 1);
    accounts.push(...participants(applied));
  }
  const unmuxed = [...new Set(accounts.map(extractBaseAddress))];
  for (const account of unmuxed) {
    await insert(client, 'history_transaction_participants', {
      history_transaction_id: record.id,
      history_account_id: await accountId(client, account),
    });
  }
  return unmuxed;
}

async function copyOperation(
  client: PoolClient,
  applied: Applied,
  transactionId: bigint,
  order: number,
): Promise<void> {
  const id = transactionId + BigInt(order);
  await insert(client, 'history_operations', {
    id,
    transaction_id: transactionId,
    application_order: order,
    type: typeOf(applied.operation.body),
    details: detailsJson(details(applied)),
    source_account: extractBaseAddress(applied.source),
    source_account_muxed: muxed(applied.source),
    is_payment: isPayment(applied),
  });
  for (const account of participants(applied)) {
    await insert(client, 'history_operation_participants', {
      history_operation_id: id,
      history_account_id: await accountId(client, account),
    });
  }
  for (const [i, effect] of effectsOf(applied).entries()) {
    await insert(client, 'history_effects', {
      history_account_id: await accountId(client, extractBaseAddress(effect.account)),
      address_muxed: muxed(effect.account),
      history_operation_id: id,
      order: i + 1,
      type: effect.type,
      details: JSON.stringify(effect.details),
    });
  }
}

/** When Horizon wrote the row stands in it, too; it may be any time. */
function timeOf({ closedAt }: LedgerRecord): string {
  return new Date(closedAt * 1000).toISOString();
}

async function accountId(client: PoolClient, address: string): Promise<string> {
  await client.query(
    'INSERT INTO history_accounts (address) VALUES ($1) ON CONFLICT (address) DO NOTHING',
    [address],
  );
  const { rows } = await client.query<{ id: string }>(
    'SELECT id FROM history_accounts WHERE address = $1',
    [address],
  );
  return rows[0]?.id ?? '';
}
