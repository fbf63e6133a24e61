/** Receiving accounts for rows that are made in SQL. */
import { createHash } from 'node:crypto';
import { StrKey } from '@stellar/stellar-sdk';

/** How many there are. */
export const ACCOUNTS = 1_000;

const LIST = Array.from({ length: ACCOUNTS }, (_, i) =>
  StrKey.encodeEd25519PublicKey(createHash('sha256').update(`bench ${i}`).digest()),
);

/** SQL: the account of the i-th row. */
export const account = (i = 'i') =>
  `(ARRAY[${LIST.map((one) => `'${one}'`).join(',')}])[${i} % ${ACCOUNTS} + 1]`;
