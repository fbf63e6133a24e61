/** Operations as the real Horizon told of them (test/oracle/scenario.ts has the play), and what a test changes in them. */
import { addressOf } from '../oracle/cast.ts';
import { recorded as answerTo, recordsIn } from '../oracle/recorded.ts';

/** A JSON object of Horizon's. */
export type Json = Record<string, unknown>;

/** The watched account. */
export const SHOP = addressOf('shop');
/** Who pays in most of them. */
export const CUSTOMER = addressOf('customer');
/** Somebody else. */
export const OTHER = addressOf('other');
export const USDC = { code: 'USDC', issuer: addressOf('issuer') };

/** One operation of each kind that brings something in. */
const OPERATIONS = {
  payment: () => operation('text memo'),
  'payment-to-muxed-zero': () => operation('to muxed 0'),
  'payment-from-muxed': () => operation('transaction from muxed'),
  'payment-among-others': () => operation('several operations', 1),
  'payment-in-a-fee-bump': () => operation('fee bump'),
  'path-payment-strict-send': () => operation('strict send over a path'),
  'path-payment-strict-receive': () => operation('strict receive of a long code'),
  // The shop's own creation, by the root account.
  'create-account': () => recordOf('all payments of the shop', 0),
  'account-merge': () => operation('merge after a payment', 1),
  'account-merge-in-a-fee-bump': () => operation('merge in a fee bump'),
  'invoke-host-function': () => operation('contract call'),
};

/** A kind of operation, or of how it came about. */
export type Kind = keyof typeof OPERATIONS;
export const KINDS = Object.keys(OPERATIONS) as Kind[];

/** The recorded operation of a kind with its transaction, some fields of both replaced. */
export function recorded(kind: Kind, fields: Json = {}, transaction: Json = {}): Json {
  return changed(OPERATIONS[kind](), fields, transaction);
}

/** An operation of a transaction of the play, by its place among the records of that transaction. */
export function operation(transaction: string, place = 0): Json {
  return recordOf(nameOf(transaction), place);
}

/** A record of a recorded page. @throws Error when there is none */
export function recordOf(page: string, place: number): Json {
  const record = recordsIn(page)[place];
  if (record === undefined) throw new Error(`The page "${page}" has no record ${place}.`);
  return record;
}

/** A record with some of its fields, and of those of its transaction, replaced; one set to undefined is left out. */
export function changed(record: Json, fields: Json, transaction: Json = {}): Json {
  const joined = { ...transactionOf(record), ...transaction };
  // Through JSON, as it comes over the wire: undefined is not there.
  return JSON.parse(JSON.stringify({ ...record, transaction: joined, ...fields })) as Json;
}

/** The transaction joined to a record. */
export function transactionOf(record: Json): Json & { hash: string; ledger: number } {
  return record['transaction'] as Json & { hash: string; ledger: number };
}

/** The hash under which Horizon was asked for a transaction of the play. */
export function hashOf(transaction: string): string {
  return (
    /^\/transactions\/([0-9a-f]{64})\//.exec(answerTo(nameOf(transaction))?.path ?? '')?.[1] ?? ''
  );
}

const nameOf = (transaction: string) => `payments of the transaction: ${transaction}`;
