/** Books written by hand: ledgers a second apart, and what came to one account. */
import { opened, type Asked, type Terms } from '../../certify/books/asked.ts';
import type { Books, Head, Movement } from '../../certify/books/ledger.ts';
import { stroopsOf } from '../../certify/books/money.ts';

export const USDC = {
  code: 'USDC',
  issuer: 'GAQPRTXDOYX5Y7BYLXGNZABIQFPMXYSJARUMAVRQVI3AHASUVCYUMEGB',
};
export const XLM = { code: 'XLM', issuer: null };
const ACCOUNT = 'GACCOUNT';
const START = Date.parse('2026-11-25T02:25:00.000Z');

/** When ledger `n` closed. */
export const closeOf = (n: number) => START + n * 1_000;

/** Ledger `n`. */
export const headAt = (n: number): Head => ({ sequence: n, closedAt: closeOf(n) });

/** What comes in ledger `ledger`; each gets a hash of its own. */
export function payment(ledger: number, amount: string, more: Partial<Movement> = {}): Movement {
  const txHash = more.txHash ?? `${ledger}-${amount}`;
  const operationIndex = more.operationIndex ?? 0;
  return {
    key: `${txHash}:${operationIndex}:0`,
    place: BigInt(ledger) * 1000n + BigInt(operationIndex),
    ledger,
    closedAt: closeOf(ledger),
    txHash,
    innerHash: null,
    operationIndex,
    account: ACCOUNT,
    sender: 'GSENDER',
    asset: USDC,
    amount: stroopsOf(amount),
    reference: '7',
    ...more,
  };
}

/** Books of the ledgers 1 to 100, with these movements. */
export const booksOf = (...movements: Movement[]): Books => ({
  heads: Array.from({ length: 100 }, (_, i) => headAt(i + 1)),
  movements,
});

/** A session of 10 USDC whose deadline is the close time of ledger 50. */
export const terms = (more: Partial<Terms> = {}): Terms => ({
  account: ACCOUNT,
  asset: USDC,
  reference: '7',
  price: stroopsOf('10'),
  expiresAt: closeOf(50),
  metadata: null,
  ...more,
});

export const SESSION = '9541f97b-0032-40bd-af61-036f16d02c1f';

export const asked = (more: Partial<Asked> = {}): Asked => ({
  ...opened(SESSION, terms()),
  ...more,
});
