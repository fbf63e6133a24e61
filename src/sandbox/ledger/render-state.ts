/** Accounts, ledgers and the root document as Horizon's JSON (resourceadapter/account_entry.go, ledger.go, root.go). */
import { formatAmount } from '../../domain/money.ts';
import { assetFields } from './details.ts';
import { BASE_RESERVE } from './entries.ts';
import type { AccountEntry, AssetKey, TrustLine } from './entries.ts';
import type { Json, LedgerRecord } from './history.ts';
import { isoSeconds } from './render.ts';
import type { View } from './view.ts';

const PAGED = '{?cursor,limit,order}';
const PROTOCOL = 23;

/** An account; trustlines by code and issuer first, lumens last, as Horizon lists them. */
export function accountJson(entry: AccountEntry, view: View): Json {
  const self = `${view.base}/accounts/${entry.id}`;
  const paged = (name: string) => ({ href: `${self}/${name}${PAGED}`, templated: true });
  const modified = view.ledger(entry.lastModified);
  return {
    _links: {
      self: { href: self },
      transactions: paged('transactions'),
      operations: paged('operations'),
      payments: paged('payments'),
      effects: paged('effects'),
      offers: paged('offers'),
      trades: paged('trades'),
      data: { href: `${self}/data/{key}`, templated: true },
    },
    id: entry.id,
    account_id: entry.id,
    sequence: String(entry.sequence),
    ...(entry.sequenceLedger === 0
      ? {}
      : { sequence_ledger: entry.sequenceLedger, sequence_time: String(entry.sequenceTime) }),
    subentry_count: entry.trustlines.size + entry.data.size,
    ...(entry.homeDomain === '' ? {} : { home_domain: entry.homeDomain }),
    last_modified_ledger: entry.lastModified,
    last_modified_time: modified ? isoSeconds(modified.closedAt) : null,
    thresholds: { low_threshold: 0, med_threshold: 0, high_threshold: 0 },
    flags: {
      auth_required: false,
      auth_revocable: false,
      auth_immutable: false,
      auth_clawback_enabled: false,
    },
    balances: [
      ...[...entry.trustlines]
        .toSorted(([a], [b]) => byCodeAndIssuer(a, b))
        .map(([asset, line]) => trustlineJson(asset, line)),
      {
        balance: formatAmount(entry.balance),
        buying_liabilities: '0.0000000',
        selling_liabilities: '0.0000000',
        asset_type: 'native',
      },
    ],
    signers: [{ weight: 1, key: entry.id, type: 'ed25519_public_key' }],
    data: Object.fromEntries(entry.data),
    num_sponsoring: 0,
    num_sponsored: 0,
    paging_token: entry.id,
  };
}

/** By parts: as a whole, `A1:…` would come before `A:…`. */
function byCodeAndIssuer(a: AssetKey, b: AssetKey): number {
  const [[codeA = '', issuerA = ''], [codeB = '', issuerB = '']] = [a.split(':'), b.split(':')];
  if (codeA !== codeB) return codeA < codeB ? -1 : 1;
  return issuerA < issuerB ? -1 : 1;
}

function trustlineJson(asset: AssetKey, line: TrustLine): Json {
  return {
    balance: formatAmount(line.balance),
    limit: formatAmount(line.limit),
    buying_liabilities: '0.0000000',
    selling_liabilities: '0.0000000',
    last_modified_ledger: line.lastModified,
    is_authorized: true,
    is_authorized_to_maintain_liabilities: true,
    ...assetFields(asset),
  };
}

/** A closed ledger, with the counts of what the node ingested. The header's XDR is left empty. */
export function ledgerJson(ledger: LedgerRecord, view: View): Json {
  const self = `${view.base}/ledgers/${ledger.sequence}`;
  const paged = (name: string) => ({ href: `${self}/${name}${PAGED}`, templated: true });
  const { transactions, injected } = view.ingested(ledger);
  const successful = transactions.filter((one) => one.successful);
  // An injected record stands for a successful transaction of one operation.
  const count = (list: typeof successful) =>
    list.reduce((sum, one) => sum + one.operationCount, injected);
  return {
    _links: {
      self: { href: self },
      transactions: paged('transactions'),
      operations: paged('operations'),
      payments: paged('payments'),
      effects: paged('effects'),
    },
    id: ledger.hash,
    paging_token: String(BigInt(ledger.sequence) << 32n),
    hash: ledger.hash,
    ...(ledger.sequence > 1 ? { prev_hash: ledger.previousHash } : {}),
    sequence: ledger.sequence,
    successful_transaction_count: successful.length + injected,
    failed_transaction_count: transactions.length - successful.length,
    operation_count: count(successful),
    tx_set_operation_count: count(transactions),
    closed_at: isoSeconds(ledger.closedAt),
    total_coins: '100000000000.0000000',
    fee_pool: '0.0000000',
    base_fee_in_stroops: 100,
    base_reserve_in_stroops: Number(BASE_RESERVE),
    max_tx_set_size: 1000,
    protocol_version: PROTOCOL,
    header_xdr: '',
  };
}

/** The root document. */
export function rootJson(view: View): Json {
  const { base, head } = view;
  const plain = (path: string) => ({ href: `${base}${path}`, templated: path.includes('{') });
  return {
    _links: {
      account: plain('/accounts/{account_id}'),
      account_transactions: plain(`/accounts/{account_id}/transactions${PAGED}`),
      effects: plain('/effects{?cursor,limit,order}'),
      fee_stats: { href: `${base}/fee_stats` },
      friendbot: plain('/friendbot{?addr}'),
      ledger: plain('/ledgers/{sequence}'),
      ledgers: plain('/ledgers{?cursor,limit,order}'),
      operation: plain('/operations/{id}'),
      operations: plain('/operations{?cursor,limit,order,include_failed}'),
      payments: plain('/payments{?cursor,limit,order,include_failed}'),
      self: { href: `${base}/` },
      transaction: plain('/transactions/{hash}'),
      transactions: plain(`/transactions${PAGED}`),
    },
    horizon_version: view.version.horizon,
    core_version: view.version.core,
    ingest_latest_ledger: head.sequence,
    history_latest_ledger: head.sequence,
    history_latest_ledger_closed_at: isoSeconds(head.closedAt),
    history_elder_ledger: view.elder,
    core_latest_ledger: head.sequence,
    network_passphrase: view.passphrase,
    current_protocol_version: PROTOCOL,
    supported_protocol_version: PROTOCOL,
    core_supported_protocol_version: PROTOCOL,
  };
}
