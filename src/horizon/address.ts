/** Stellar addresses. Strkeys are checked by the SDK: prefix, length, checksum. */
import { Account, MuxedAccount, StrKey } from '@stellar/stellar-sdk';

/** Whether the text is the address of an account (G…). */
export function isAccount(text: string): boolean {
  return StrKey.isValidEd25519PublicKey(text);
}

/** Whether the text can stand as a payer: an account (G…), a muxed account (M…) or a contract (C…). */
export function isPayer(text: string): boolean {
  return isAccount(text) || StrKey.isValidMed25519PublicKey(text) || StrKey.isValidContract(text);
}

/** The muxed address (M…, SEP-23) of an account with an id inside: wallets that cannot set a memo pay to it. */
export function muxedAddress(account: string, id: bigint): string {
  return new MuxedAccount(new Account(account, '0'), id.toString()).accountId();
}

/** The id inside a muxed address, in decimal. Horizon leaves `*_muxed_id` out when it is 0, the address never does. */
export function muxedId(address: string): string {
  return MuxedAccount.fromAddress(address, '0').id();
}
