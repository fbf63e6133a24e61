/**
 * What must come out, from the ledger's own books and the sessions' terms alone: Horizon, the inbox and the code that
 * judges have no part in it.
 */
import { extractBaseAddress, MuxedAccount, StrKey } from '@stellar/stellar-sdk';
import { parseAmount } from '../../src/domain/money.ts';
import type { OperationRecord } from '../../src/sandbox/ledger/history.ts';
import type { SandboxLedger } from '../../src/sandbox/ledger/start.ts';

/** Money that came to an account, as the ledger's effects and contract events say. */
export type Arrival = {
  readonly key: string;
  readonly account: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly reference: string | null;
  readonly closedAt: Date;
};

/** Everything that came from others to the given accounts, to each after the ledger from which it is watched. */
export function arrivals({ chain }: SandboxLedger, since: ReadonlyMap<string, number>): Arrival[] {
  const successful = chain.history.payments.filter((op) => op.transaction?.successful === true);
  return successful.flatMap((op) =>
    credits(op)
      .map(({ to, ...rest }, sub) => ({
        ...rest,
        key: `${op.transaction?.hash}:${Number(op.id & 0xfffn) - 1}:${sub}`,
        account: extractBaseAddress(to),
        reference: idIn(to) ?? memoOf(op),
        closedAt: new Date(op.ledger.closedAt * 1000),
      }))
      .filter(
        ({ account }) =>
          op.ledger.sequence > (since.get(account) ?? Infinity) &&
          extractBaseAddress(op.source) !== account,
      ),
  );
}

function credits(op: OperationRecord): { to: string; asset: string; amount: bigint }[] {
  if (op.type === 'invoke_host_function') {
    const changes = op.details['asset_balance_changes'] as Record<string, string>[];
    return changes.map((c) => ({
      to: c['destination_muxed_id'] === undefined ? (c['to'] ?? '') : muxedOf(c),
      asset: assetIn(c),
      amount: parseAmount(c['amount'] ?? ''),
    }));
  }
  return op.effects
    .filter(({ type }) => type === 'account_credited' || type === 'account_created')
    .map(({ account, details }) => ({
      to: account,
      asset: details['asset_type'] === undefined ? 'native' : assetIn(details),
      amount: parseAmount(String(details['amount'] ?? details['starting_balance'])),
    }));
}

const assetIn = (fields: Readonly<Record<string, unknown>>) =>
  fields['asset_type'] === 'native'
    ? 'native'
    : `${String(fields['asset_code'])}:${String(fields['asset_issuer'])}`;

const muxedOf = (c: Record<string, string>) =>
  StrKey.encodeMed25519PublicKey(
    Buffer.concat([
      StrKey.decodeEd25519PublicKey(c['to'] ?? ''),
      Buffer.from(
        BigInt(c['destination_muxed_id'] ?? 0)
          .toString(16)
          .padStart(16, '0'),
        'hex',
      ),
    ]),
  );

const idIn = (to: string) =>
  StrKey.isValidMed25519PublicKey(to) ? MuxedAccount.fromAddress(to, '0').id() : null;

function memoOf({ transaction }: OperationRecord): string | null {
  const { memo_type: type, memo } = (transaction?.memo ?? {}) as Record<string, string>;
  if (type === 'hash' || type === 'return')
    return Buffer.from(memo ?? '', 'base64').toString('hex');
  // What is no text names nothing: NUL, or bytes that are not UTF-8 (Horizon shows U+FFFD for them).
  if (type === 'text' && /[\0\ufffd]/.test(memo ?? '')) return null;
  return memo === undefined || memo === '' ? null : memo;
}

/** The terms of a session as they are when all is over. */
export type Terms = {
  readonly account: string;
  readonly asset: string;
  readonly reference: string;
  readonly price: bigint;
  readonly expiresAt: Date;
  readonly cancelAt: Date | null;
};

/** What each arrival means for a session, and how it ends. `counts` may be credited, or surplus of a paid session. */
export function ending(terms: Terms, all: readonly Arrival[]) {
  const { account, reference, asset, price, expiresAt, cancelAt } = terms;
  const deadline = cancelAt !== null && cancelAt < expiresAt ? cancelAt : expiresAt;
  const meanings = all
    .filter((a) => a.account === account && a.reference === reference)
    .map((a) => {
      if (a.asset !== asset) return { ...a, meaning: 'wrong_asset' };
      if (a.amount === 0n) return { ...a, meaning: 'nothing' };
      return { ...a, meaning: a.closedAt > deadline ? 'late' : 'counts' };
    });
  const received = meanings.filter(({ meaning }) => meaning === 'counts');
  const sum = received.reduce((total, { amount }) => total + amount, 0n);
  const closed = cancelAt !== null && cancelAt <= expiresAt ? 'cancelled' : 'expired';
  return { meanings, status: sum >= price ? 'paid' : closed };
}
