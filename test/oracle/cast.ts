/** Who is in the play, and under which addresses: the same each time. */
import { createHash } from 'node:crypto';
import { Account, Keypair, MuxedAccount, StrKey } from '@stellar/stellar-sdk';

/** SHA-256 of a text. */
export const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The key of somebody in the play. */
export function keyOf(name: string): Keypair {
  return Keypair.fromRawEd25519Seed(digest(`oracle: ${name}`));
}

/** The account (G…) of somebody in the play. */
export function addressOf(name: string): string {
  return keyOf(name).publicKey();
}

/** The muxed address of an account with an id. */
export function muxed(account: string, id: string): string {
  return new MuxedAccount(new Account(account, '0'), id).accountId();
}

/** A contract (C…) that passes on what it gets. */
export const SPLITTER = StrKey.encodeContract(digest('a splitter'));
