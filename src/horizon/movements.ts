/** What each type of operation moves, and where to. */
import type { MovementType, LedgerPayment } from '../domain/ledger-payment.ts';
import { parseAmount, type Stroops } from '../domain/money.ts';
import { isAccount, isPayer } from './address.ts';
import type { HorizonAsset } from './decode.ts';
import { mergedAmount } from './merged-amount.ts';
import {
  accountMergeSchema,
  contractCallSchema,
  createAccountSchema,
  paymentSchema,
  type JoinedOperation,
} from './records.ts';
import { fromMemo, fromMuxed, fromMuxedId, type Reference } from './reference.ts';

/** One movement, to whomever. `from` and `to` are base addresses; `sender` is how the payer called itself. */
export type Movement = Reference &
  Pick<LedgerPayment, 'subIndex' | 'type' | 'sender'> & {
    readonly from: string;
    readonly to: string;
    readonly amount: Stroops;
    readonly asset: HorizonAsset;
  };

const NATIVE = { asset_type: 'native' };

/**
 * Operations that Horizon does not list among payments: all but the six of MovementType
 * (go-stellar-sdk, protocols/horizon/operations/main.go, TypeNames).
 */
const OTHER_OPERATIONS: ReadonlySet<unknown> = new Set([
  'manage_sell_offer',
  'create_passive_sell_offer',
  'set_options',
  'change_trust',
  'allow_trust',
  'inflation',
  'manage_data',
  'bump_sequence',
  'manage_buy_offer',
  'create_claimable_balance',
  'claim_claimable_balance',
  'begin_sponsoring_future_reserves',
  'end_sponsoring_future_reserves',
  'revoke_sponsorship',
  'clawback',
  'clawback_claimable_balance',
  'set_trust_line_flags',
  'liquidity_pool_deposit',
  'liquidity_pool_withdraw',
  'extend_footprint_ttl',
  'restore_footprint',
]);

/** Whether a type of operation is known, and known to be no payment. An unknown one may be anything. */
export function isOtherOperation(type: unknown): boolean {
  return OTHER_OPERATIONS.has(type);
}

/**
 * The movements of a successful operation. Amounts are what was received. @throws when the operation is of a type that
 * Horizon does not list among payments today, or lacks a field: better kept unread than read wrongly.
 */
export function movementsOf(
  operation: JoinedOperation,
  raw: unknown,
  watched: ReadonlySet<string>,
): Movement[] {
  switch (operation.type) {
    case 'payment':
    case 'path_payment_strict_send':
    case 'path_payment_strict_receive': {
      const { from, from_muxed, to, to_muxed, amount, ...asset } = paymentSchema.parse(raw);
      return [
        classic(operation, operation.type, { from, from_muxed, to, to_muxed, amount, asset }),
      ];
    }
    case 'create_account': {
      const { funder, funder_muxed, account, starting_balance } = createAccountSchema.parse(raw);
      const parts = { from: funder, from_muxed: funder_muxed, to: account, to_muxed: undefined };
      return [
        classic(operation, operation.type, { ...parts, amount: starting_balance, asset: NATIVE }),
      ];
    }
    case 'account_merge': {
      const { account, account_muxed, into, into_muxed } = accountMergeSchema.parse(raw);
      const parts = { from: account, from_muxed: account_muxed, to: into, to_muxed: into_muxed };
      const amount = mergedAmount(operation);
      return [classic(operation, operation.type, { ...parts, amount, asset: NATIVE })];
    }
    case 'invoke_host_function':
      return contractMovements(operation, raw, watched);
    default:
      throw new RangeError(`An operation of type ${JSON.stringify(operation.type)} is not known.`);
  }
}

type Parts = {
  from: string;
  from_muxed: string | undefined;
  to: string;
  to_muxed: string | undefined;
  amount: string;
  asset: HorizonAsset;
};

function classic(operation: JoinedOperation, type: MovementType, parts: Parts): Movement {
  const { from, from_muxed, to, to_muxed, amount, asset } = parts;
  if (!isAccount(to)) throw new RangeError(`Not an account: ${JSON.stringify(to)}.`);
  return {
    subIndex: 0,
    type,
    from,
    to,
    sender: payer(from_muxed ?? from),
    asset,
    amount: parseAmount(amount),
    ...(to_muxed === undefined ? fromMemo(operation.transaction) : fromMuxed(to_muxed)),
  };
}

/**
 * Balance changes of a contract call (Horizon checked that the contract is the asset's own). Every entry counts by
 * itself, with its place in the array as sub index; `parameters` only say what somebody asked for. What goes to others
 * is not looked at: contracts can hold more than an int64, and must not make a payment unreadable by it.
 */
function contractMovements(
  operation: JoinedOperation,
  raw: unknown,
  watched: ReadonlySet<string>,
): Movement[] {
  const changes = contractCallSchema.parse(raw).asset_balance_changes;
  return changes.flatMap((change, subIndex) => {
    const { type, to, amount, destination_muxed_id: id, ...asset } = change;
    if (type === 'burn' || type === 'clawback') return [];
    if (type !== 'transfer' && type !== 'mint') {
      throw new RangeError(`A balance change of type ${JSON.stringify(type)} is not known.`);
    }
    if (to === undefined) throw new RangeError(`A ${type} names no receiver.`);
    if (!watched.has(to)) return [];
    // What the issuer pays is minted, and has no `from`.
    const from = change.from ?? asset.asset_issuer ?? '';
    return [
      {
        subIndex,
        type: 'invoke_host_function' as const,
        from,
        to,
        sender: payer(from),
        asset,
        amount: parseAmount(amount),
        ...(id === undefined ? fromMemo(operation.transaction) : fromMuxedId(id)),
      },
    ];
  });
}

function payer(address: string): string {
  if (isPayer(address)) return address;
  throw new RangeError(`Not the address of a payer: ${JSON.stringify(address)}.`);
}
