/**
 * The ledger's books: every ledger with its close time, and every movement into an account, from what the sandbox core
 * keeps (envelopes, effects of operations, balance changes of contract calls). Horizon's JSON has no part in it.
 */
import {
  extractBaseAddress,
  FeeBumpTransaction,
  MuxedAccount,
  StrKey,
  TransactionBuilder,
} from '@stellar/stellar-sdk';
import { stroopsOf } from './money.ts';

/** A closed ledger. `closedAt` is milliseconds since 1970. */
export type Head = { readonly sequence: number; readonly closedAt: number };

/** `issuer` is null for lumens, whose code is XLM. */
export type Asset = { readonly code: string; readonly issuer: string | null };

/** Money that came to an account, from another one. `amount` is in stroops. */
export type Movement = {
  /** Outer hash, index of the operation from 0, index of the credit within the operation from 0. */
  readonly key: string;
  /** Sorts as the ledger does: by operation, then by credit. */
  readonly place: bigint;
  readonly ledger: number;
  readonly closedAt: number;
  readonly txHash: string;
  readonly innerHash: string | null;
  readonly operationIndex: number;
  readonly account: string;
  /** As the payer called itself: G…, M… or C…. */
  readonly sender: string;
  readonly asset: Asset;
  readonly amount: bigint;
  /** What names a session: the id of a muxed address, else the memo. */
  readonly reference: string | null;
};

/** Ledgers and movements, each in the ledger's own order. */
export type Books = { readonly heads: readonly Head[]; readonly movements: readonly Movement[] };

/** What the books are read from: the part of the sandbox core's history that they need. */
export type Core = {
  readonly passphrase: string;
  readonly history: { readonly ledgers: readonly CoreLedger[] };
};

/** `closedAt` is seconds since 1970. */
export type CoreLedger = {
  readonly sequence: number;
  readonly closedAt: number;
  readonly operations: readonly CoreOperation[];
};

/** `id` is the operation's TOID: its low 12 bits are its place in the transaction, from 1. */
export type CoreOperation = {
  readonly id: bigint;
  readonly source: string;
  readonly type: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly effects: readonly {
    readonly account: string;
    readonly type: string;
    readonly details: Readonly<Record<string, unknown>>;
  }[];
  readonly transaction: {
    readonly hash: string;
    readonly innerHash: string | null;
    readonly successful: boolean;
    readonly envelopeXdr: string;
  } | null;
};

/** A closed ledger does not change. */
const known = new WeakMap<CoreLedger, readonly Movement[]>();

/** Reads everything that has closed. */
export function readBooks({ history, passphrase }: Core): Books {
  const movements = history.ledgers.flatMap((ledger) => {
    const read = known.get(ledger) ?? movementsIn(ledger, passphrase);
    known.set(ledger, read);
    return read;
  });
  return { heads: history.ledgers.map(headOf), movements };
}

/** The newest ledger that has closed. */
export function newestHead({ history }: Pick<Core, 'history'>): Head {
  const newest = history.ledgers.at(-1);
  if (newest === undefined) throw new Error('A network has a ledger.');
  return headOf(newest);
}

/** `native`, or CODE:ISSUER. */
export function assetName({ code, issuer }: Asset): string {
  return issuer === null ? 'native' : `${code}:${issuer}`;
}

function headOf({ sequence, closedAt }: CoreLedger): Head {
  return { sequence, closedAt: closedAt * 1000 };
}

function movementsIn(ledger: CoreLedger, passphrase: string): Movement[] {
  return ledger.operations.flatMap((op) => {
    const { transaction } = op;
    if (transaction?.successful !== true) return [];
    const operationIndex = Number(op.id & 0xfffn) - 1;
    return creditsOf(op).flatMap(({ to, from, asset, amount }, sub) => {
      if (to === null) return [];
      const account = extractBaseAddress(to);
      if (baseOf(from) === account) return [];
      return {
        key: `${transaction.hash}:${operationIndex}:${sub}`,
        place: (op.id << 32n) + BigInt(sub),
        ledger: ledger.sequence,
        closedAt: ledger.closedAt * 1000,
        txHash: transaction.hash,
        innerHash: transaction.innerHash,
        operationIndex,
        account,
        sender: from,
        asset,
        amount,
        reference: idIn(to) ?? memoIn(transaction.envelopeXdr, passphrase),
      };
    });
  });
}

type Credit = { to: string | null; from: string; asset: Asset; amount: bigint };

function creditsOf(op: CoreOperation): Credit[] {
  if (op.type === 'invoke_host_function') {
    const changes = (op.details['asset_balance_changes'] ?? []) as Record<string, string>[];
    return changes.map((change) => {
      const asset = assetIn(change);
      return {
        to: receiverOf(change),
        from: change['from'] ?? asset.issuer ?? op.source,
        asset,
        amount: stroopsOf(change['amount'] ?? ''),
      };
    });
  }
  return op.effects
    .filter(({ type }) => type === 'account_credited' || type === 'account_created')
    .map(({ account, details }) => ({
      to: account,
      from: op.source,
      asset: assetIn(details),
      amount: stroopsOf(String(details['amount'] ?? details['starting_balance'])),
    }));
}

/** Null where an account gets nothing: a burn, a contract. */
function receiverOf({ to, destination_muxed_id: id }: Record<string, string>): string | null {
  if (to === undefined || StrKey.isValidContract(to)) return null;
  if (id === undefined) return to;
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(id));
  return StrKey.encodeMed25519PublicKey(
    Buffer.concat([StrKey.decodeEd25519PublicKey(extractBaseAddress(to)), bytes]),
  );
}

/** An effect of a creation names no asset: it is lumens. */
function assetIn(fields: Readonly<Record<string, unknown>>): Asset {
  const { asset_code: code = '', asset_issuer: issuer } = fields as Record<string, string>;
  return issuer === undefined ? { code: 'XLM', issuer: null } : { code, issuer };
}

const baseOf = (address: string) =>
  StrKey.isValidContract(address) ? address : extractBaseAddress(address);

const idIn = (to: string) =>
  StrKey.isValidMed25519PublicKey(to) ? MuxedAccount.fromAddress(to, '0').id() : null;

/** The memo that was signed. Text that is no UTF-8, or has a NUL, names nothing. */
function memoIn(envelopeXdr: string, passphrase: string): string | null {
  const signed = TransactionBuilder.fromXdr(envelopeXdr, passphrase);
  const { memo } = signed instanceof FeeBumpTransaction ? signed.innerTransaction : signed;
  if (memo.type === 'none' || memo.value === null || memo.value === undefined) return null;
  if (memo.type === 'id') return String(memo.value);
  const bytes = Buffer.from(memo.value);
  if (memo.type === 'hash' || memo.type === 'return') return bytes.toString('hex');
  if (bytes.length === 0 || bytes.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
