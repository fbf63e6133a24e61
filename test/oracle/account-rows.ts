/** The state that stands beside the history: accounts with signers, data and trustlines. */
import type { PoolClient } from 'pg';
import type { Chain } from '../../src/sandbox/ledger/chain.ts';
import type { AccountEntry } from '../../src/sandbox/ledger/entries.ts';
import { insert } from './insert.ts';

/** Writes the entries of accounts as they stood when a ledger had closed; removes those that are gone. */
export async function copyAccounts(
  chain: Chain,
  client: PoolClient,
  ids: readonly string[],
  ledger: number,
): Promise<void> {
  for (const id of ids) {
    for (const table of ['accounts', 'accounts_signers', 'accounts_data', 'trust_lines']) {
      await client.query(`DELETE FROM ${table} WHERE account_id = $1`, [id]);
    }
    const entry = chain.accounts.accountAsOf(id, ledger);
    if (entry) await insertAccount(client, entry);
  }
}

async function insertAccount(client: PoolClient, entry: AccountEntry): Promise<void> {
  const account_id = entry.id;
  const none = { buying_liabilities: 0, selling_liabilities: 0 };
  await insert(client, 'accounts', {
    account_id,
    balance: entry.balance,
    ...none,
    sequence_number: entry.sequence,
    sequence_ledger: entry.sequenceLedger || null,
    sequence_time: entry.sequenceTime || null,
    num_subentries: entry.trustlines.size + entry.data.size,
    inflation_destination: '',
    flags: 0,
    home_domain: entry.homeDomain,
    master_weight: 1,
    threshold_low: 0,
    threshold_medium: 0,
    threshold_high: 0,
    last_modified_ledger: entry.lastModified,
  });
  await insert(client, 'accounts_signers', { account_id, signer: account_id, weight: 1 });
  for (const [name, value] of entry.data) {
    const last_modified_ledger = entry.lastModified;
    const key = { ledger_key: `${account_id} ${name}`, last_modified_ledger };
    await insert(client, 'accounts_data', { account_id, name, value, ...key });
  }
  for (const [asset, line] of entry.trustlines) {
    const [asset_code = '', asset_issuer] = asset.split(':');
    await insert(client, 'trust_lines', {
      ledger_key: `${account_id} ${asset}`,
      account_id,
      asset_type: asset_code.length <= 4 ? 1 : 2,
      asset_code,
      asset_issuer,
      balance: line.balance,
      trust_line_limit: line.limit,
      ...none,
      flags: 1, // authorised
      last_modified_ledger: line.lastModified,
      liquidity_pool_id: '',
    });
  }
}
