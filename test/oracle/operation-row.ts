/**
 * What Horizon's ingestion makes of one operation (services/horizon/internal/ingest/processors/
 * operations_processor.go), from its envelope and result. Key names are Horizon's, and so is what is null.
 */
import { StrKey, extractBaseAddress, xdr } from '@stellar/stellar-sdk';
import { formatAmount } from '../../src/domain/money.ts';
import type { Body, XdrAsset, XdrOperation, XdrOperationResult, XdrScVal } from './envelope.ts';

/** Details as they stand in the database. */
export type Details = Record<string, unknown>;

/** An event of an asset's own contract (CAP-67). `to` is never muxed: `memoId` has the id. Amount in stroops. */
export type AssetEvent = {
  readonly type: 'transfer' | 'mint' | 'burn' | 'clawback';
  readonly asset: XdrAsset;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly amount: bigint;
  readonly memoId?: string | undefined;
};

/** An operation with all that its row is made of. `events` are those of its transaction. */
export type Applied = {
  readonly operation: XdrOperation;
  /** Perhaps muxed. */
  readonly source: string;
  /** Null when the transaction failed. */
  readonly result: XdrOperationResult | null;
  readonly events: readonly AssetEvent[];
};

/** xdr.OperationType. */
const TYPES: Readonly<Record<keyof Body, number>> = {
  create_account: 0,
  payment: 1,
  path_payment_strict_receive: 2,
  set_options: 5,
  change_trust: 6,
  account_merge: 8,
  manage_data: 10,
  bump_sequence: 11,
  path_payment_strict_send: 13,
  invoke_host_function: 24,
};

const PAYMENTS: ReadonlySet<number> = new Set([0, 1, 2, 8, 13]);

/** The number of the operation's type. @throws Error for a type the copy does not know */
export function typeOf(body: Body): number {
  for (const [name, type] of Object.entries(TYPES)) if (name in body) return type;
  throw new Error(`The copy does not know this operation: ${JSON.stringify(body)}`);
}

/** OperationProcessor.IsPayment. */
export function isPayment({ operation, events }: Applied): boolean {
  const type = typeOf(operation.body);
  return PAYMENTS.has(type) || (type === TYPES.invoke_host_function && events.length > 0);
}

/** transactionOperationWrapper.Participants: G addresses, each once. */
export function participants({ operation: { body }, source, events }: Applied): string[] {
  const other =
    body.create_account ??
    body.payment ??
    body.path_payment_strict_send ??
    body.path_payment_strict_receive;
  const all = [source, other?.destination, body.account_merge];
  if (body.invoke_host_function) all.push(...events.flatMap(({ from, to }) => [from, to]));
  const accounts = all.filter((id) => id !== undefined).filter((id) => !StrKey.isValidContract(id));
  return [...new Set(accounts.map(extractBaseAddress))];
}

/** transactionOperationWrapper.Details. */
export function details({ operation: { body }, source, result, events }: Applied): Details {
  if (body.create_account) {
    const { destination, starting_balance } = body.create_account;
    return {
      ...account('funder', source),
      account: destination,
      starting_balance: amount(starting_balance),
    };
  }
  if (body.payment) {
    const { destination, asset, amount: stroops } = body.payment;
    const parties = { ...account('from', source), ...account('to', destination) };
    return { ...parties, amount: amount(stroops), ...assetDetails(asset) };
  }
  if (body.path_payment_strict_send || body.path_payment_strict_receive) {
    return { ...account('from', source), ...pathPayment(body, result) };
  }
  if (body.account_merge) {
    return { ...account('account', source), ...account('into', body.account_merge) };
  }
  if (body.change_trust) {
    const asset = assetDetails(body.change_trust.line);
    const limit = amount(body.change_trust.limit);
    return { ...asset, trustee: asset['asset_issuer'], ...account('trustor', source), limit };
  }
  if (body.manage_data) {
    const { data_name: name, data_value: value } = body.manage_data;
    return { name, value: value === null ? null : Buffer.from(value, 'hex').toString('base64') };
  }
  if (body.set_options) {
    const { home_domain } = body.set_options;
    return home_domain === null ? {} : { home_domain };
  }
  if (body.bump_sequence) return { bump_to: body.bump_sequence.bump_to };
  return contractCall(body, events);
}

function pathPayment(body: Body, result: XdrOperationResult | null): Details {
  const send = body.path_payment_strict_send;
  const receive = body.path_payment_strict_receive;
  const op = send ?? receive;
  if (!op) return {};
  const common = {
    ...account('to', op.destination),
    ...assetDetails(op.dest_asset),
    ...assetDetails(op.send_asset, 'source_'),
    path: op.path.map((asset) => assetDetails(asset)),
  };
  if (send) {
    const received = result?.op_inner?.path_payment_strict_send?.success.last.amount ?? '0';
    return {
      ...common,
      amount: amount(received),
      source_amount: amount(send.send_amount),
      destination_min: amount(send.dest_min),
    };
  }
  return {
    ...common,
    amount: amount(receive?.dest_amount ?? '0'),
    source_amount: amount(sendAmount(result)),
    source_max: amount(receive?.send_max ?? '0'),
  };
}

/** PathPaymentStrictReceiveResult.SendAmount: what the first leg of the way bought. */
export function sendAmount(result: XdrOperationResult | null): string {
  const success = result?.op_inner?.path_payment_strict_receive?.success;
  if (!success) return '0';
  const [first] = success.offers;
  if (!first) return success.last.amount;
  const asset = JSON.stringify(first.order_book.asset_bought);
  const other = success.offers.findIndex(
    ({ order_book }) => JSON.stringify(order_book.asset_bought) !== asset,
  );
  const leg = success.offers.slice(0, other === -1 ? undefined : other);
  return String(leg.reduce((sum, one) => sum + BigInt(one.order_book.amount_bought), 0n));
}

function contractCall(body: Body, events: readonly AssetEvent[]): Details {
  const call = body.invoke_host_function?.host_function.invoke_contract;
  if (!call) throw new Error(`The copy does not know this operation: ${JSON.stringify(body)}`);
  const parameters = [{ address: call.contract_address }, { symbol: call.function_name }];
  return {
    function: 'HostFunctionTypeHostFunctionTypeInvokeContract',
    parameters: [...parameters, ...call.args].map(parameter),
    // A Go slice without entries is null.
    asset_balance_changes: events.length === 0 ? null : events.map(balanceChange),
  };
}

function parameter(value: XdrScVal | { symbol: string }): Details {
  const names: Record<string, string> = { address: 'Address', symbol: 'Sym', i128: 'I128' };
  const [arm = ''] = Object.keys(value);
  const bytes = xdr.ScVal.fromJson(value).toXdr('base64');
  return { type: names[arm], value: bytes };
}

function balanceChange({ from, to, type, asset, amount: stroops, memoId }: AssetEvent): Details {
  return {
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    type,
    amount: formatAmount(stroops),
    ...assetDetails(asset),
    ...(memoId === undefined ? {} : { destination_muxed_id: memoId }),
  };
}

/** addAccountAndMuxedAccountDetails. The id becomes a JSON number with all its digits, hence the mark. */
function account(prefix: string, address: string): Details {
  const base = { [prefix]: extractBaseAddress(address) };
  const id = muxedId(address);
  if (id === null) return base;
  return { ...base, [`${prefix}_muxed`]: address, [`${prefix}_muxed_id`]: `uint64:${id}` };
}

/** JSON in which the ids of muxed accounts are numbers, which JavaScript cannot write. */
export function detailsJson(value: Details): string {
  return JSON.stringify(value).replaceAll(/"uint64:(\d+)"/g, '$1');
}

/** The id of a muxed address, null for any other. */
export function muxedId(address: string): string | null {
  if (!StrKey.isValidMed25519PublicKey(address)) return null;
  return String(Buffer.from(StrKey.decodeMed25519PublicKey(address)).readBigUInt64BE(32));
}

/** addAssetDetails. */
export function assetDetails(asset: XdrAsset, prefix = ''): Details {
  if (asset === 'native') return { [`${prefix}asset_type`]: 'native' };
  const [[type, { asset_code: code, issuer }] = ['', { asset_code: '', issuer: '' }]] =
    Object.entries(asset);
  return {
    [`${prefix}asset_type`]: type,
    [`${prefix}asset_code`]: code,
    [`${prefix}asset_issuer`]: issuer,
  };
}

/** amount.String. */
export function amount(stroops: string): string {
  return formatAmount(BigInt(stroops));
}
