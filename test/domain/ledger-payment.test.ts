import { expect, test } from '@jest/globals';
import { isTxHash, ledgerPaymentKey } from '../../src/domain/ledger-payment.ts';
import { pay, txHash } from './build.ts';

test('operations of one transaction, and transfers of one operation, are different ledger payments', () => {
  const keys = [
    pay(1, '10'),
    pay(1, '10', { opIndex: 1 }),
    pay(1, '10', { subIndex: 1 }),
    pay(2, '10'),
  ].map(ledgerPaymentKey);
  expect(new Set(keys).size).toBe(4);
  expect(keys[1]).toBe(`${txHash(1)}:1:0`);
});

test('the same transaction under its fee bump is one ledger payment, keyed by the outer hash', () => {
  const bumped = pay(1, '10', { innerTxHash: txHash(9) });
  expect(ledgerPaymentKey(bumped)).toBe(ledgerPaymentKey(pay(1, '10')));
});

test('a transaction hash is 64 hex digits in lower case', () => {
  expect(isTxHash(txHash(0xabc))).toBe(true);
  for (const text of ['', txHash(1).slice(1), `${txHash(1)}0`, txHash(0xabc).toUpperCase()]) {
    expect(isTxHash(text)).toBe(false);
  }
  expect(isTxHash(`${txHash(1)}\n`)).toBe(false);
});
