/**
 * Whether a backend's row is a session at all. Backends write checkout_sessions by themselves, and PostgreSQL takes more
 * than a session can be: a price of zero or NaN, a deadline at infinity, a memo that no transaction carries. Pure.
 */
import { isAccountId } from './account-id.ts';
import { isAssetCode } from './asset.ts';
import { isReference } from './payment-request.ts';
import { readInstant, readPrice } from './terms.ts';

/** What the check needs of a row, as PostgreSQL writes it in JSON; numbers as text. */
export type SessionRowText = {
  readonly price: string;
  readonly assetCode: string;
  readonly assetIssuer: string | null;
  readonly receivingAccount: string;
  readonly memo: string | null;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly cancelAt: string | null;
  /** The session's live row in `payments`, where there is one. */
  readonly payment: { readonly amount: string; readonly confirmedAt: string } | null;
};

/** The first column that makes a row no session: its name, its value as text, and what is wrong with that. */
export type RowProblem = {
  readonly field: string;
  readonly value: string;
  readonly problem: string;
};

/** What is wrong with a row; null when it is a session. A null memo is none: it has no reference yet. */
export function problemOfRow(row: SessionRowText): RowProblem | null {
  const { price, assetCode, assetIssuer, receivingAccount, memo, payment } = row;
  const instants = [
    ['expires_at', row.expiresAt],
    ['created_at', row.createdAt],
    ['cancel_at', row.cancelAt],
    ['payments.confirmed_at', payment?.confirmedAt ?? null],
  ] as const;
  const checks: [field: string, value: string, isRight: boolean, problem: string][] = [
    ['amount', price, readPrice(price) !== null, PRICE],
    ['asset_code', assetCode, isAssetCode(assetCode), 'must be 1 to 12 letters and digits'],
    ['asset_issuer', assetIssuer ?? '', assetIssuer === null || isAccountId(assetIssuer), ACCOUNT],
    ['receiving_account', receivingAccount, isAccountId(receivingAccount), ACCOUNT],
    ['memo', memo ?? '', memo === null || isMemo(memo), MEMO],
    ...instants.map(([field, value]): (typeof checks)[number] => [
      field,
      value ?? '',
      value === null || readInstant(value).exists,
      'must be a moment in the years 1 to 9999',
    ]),
    ['payments.amount', payment?.amount ?? '', payment?.amount !== 'NaN', 'must be a number'],
  ];
  const wrong = checks.find(([, , isRight]) => !isRight);
  if (!wrong) return null;
  const [field, value, , problem] = wrong;
  return { field, value, problem };
}

const PRICE = 'must be more than zero and at most 922337203685.4775807';
const ACCOUNT = 'must be a Stellar account (G…)';
const MEMO = 'must be a u64 in decimal, 1 to 28 bytes of text, or 64 lower-case hex digits';

function isMemo(memo: string): boolean {
  // A longer reference than a text memo can only be the hex of a memo hash.
  return /^[0-9a-f]{64}$/.test(memo) || isReference(memo);
}

/** The longest value that is quoted whole. */
const MOST_QUOTED = 100;

/** The problem as an operator reads it, with what to do. */
export function rowProblemInWords({ field, value, problem }: RowProblem): string {
  const quoted = JSON.stringify(
    value.length > MOST_QUOTED ? `${value.slice(0, MOST_QUOTED)}…`.toWellFormed() : value,
  );
  return (
    `The row is not a session: ${field} is ${quoted}, but ${problem}. Nothing is settled for it, and what is paid to it is held. ` +
    'Correct the row: the watcher then takes the session up within one turn.'
  );
}
