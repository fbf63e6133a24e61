/** Horizon's records from test/fixtures/horizon, and what a test changes in them. */
import { readFileSync } from 'node:fs';

/** A JSON object of Horizon's. */
export type Json = Record<string, unknown>;

/** The names of the recorded operations. */
export const RECORDED = [
  'payment',
  'payment-muxed-zero',
  'path-payment-strict-send',
  'path-payment-strict-receive',
  'create-account',
  'account-merge',
  'account-merge-fee-bump',
  'invoke-host-function',
] as const;

/** The watched account in all of them. */
export const SHOP = 'GDQP2KPQGKIHYJGXNUIYOMHARUARCA7DJT5FO2FFOOKY3B2WSQHG4W37';
/** Who pays in all of them. */
export const PAYER = 'GCEZWKCA5VLDNRLN3RPRJMRZOX3Z6G5CHCGSNFHEYVXM3XOJMDS674JZ';
/** Somebody else, who issues BRIDGECOIN and pays for the fee bump. */
export const OTHER = 'GBRPYHIL2CI3FNQ4BXLFMNDLFJUNPU2HY3ZMFSHONUCEOASW7QC7OX2H';
export const USDC = {
  code: 'USDC',
  issuer: 'GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN',
};
/** The ledger that all of them are in, and when it closed. */
export const LEDGER = 52_428_800;
export const CLOSED_AT = new Date('2026-03-01T12:00:05Z');
/** The contract (C…) that pays out lumens in the contract call. */
export const CONTRACT = 'CBSNHH7I7NUTH34VVJR47OYBFA2ENWTPVGVIIRJVKBFHVG6LVRDAR3I5';

/** A recorded operation with its transaction, some of its fields replaced; a field set to undefined is left out. */
export function recorded(
  name: (typeof RECORDED)[number],
  fields: Json = {},
  transaction: Json = {},
): Json {
  const file = new URL(`../fixtures/horizon/${name}.json`, import.meta.url);
  const record = JSON.parse(readFileSync(file, 'utf8')) as Json;
  const joined = { ...(record['transaction'] as Json), ...transaction };
  // Through JSON, as it comes over the wire: undefined is not there.
  return JSON.parse(JSON.stringify({ ...record, transaction: joined, ...fields })) as Json;
}
