/** Decoding what was submitted, and proving who signed it. */
import { createPublicKey, verify } from 'node:crypto';
import {
  FeeBumpTransaction,
  StrKey,
  TransactionBuilder,
  extractBaseAddress,
} from '@stellar/stellar-sdk';
import type { Transaction } from '@stellar/stellar-sdk';

/** A decoded envelope. Hashes are lower-case hex, `hash` is the outer one; `source` and `feeSource` are G addresses. */
export type Submission = {
  readonly envelopeXdr: string;
  readonly hash: string;
  readonly innerHash: string | null;
  readonly transaction: Transaction;
  readonly feeBump: FeeBumpTransaction | null;
  readonly source: string;
  readonly feeSource: string;
};

/** One operation as the SDK decodes it. */
export type Operation = Transaction['operations'][number];

/** Reads a base64 envelope for a network. Throws when it is not one. */
export function decodeEnvelope(envelopeXdr: string, networkPassphrase: string): Submission {
  const decoded = TransactionBuilder.fromXdr(envelopeXdr, networkPassphrase);
  const feeBump = decoded instanceof FeeBumpTransaction ? decoded : null;
  const transaction = decoded instanceof FeeBumpTransaction ? decoded.innerTransaction : decoded;
  const source = extractBaseAddress(transaction.source);
  return {
    envelopeXdr,
    hash: hex(decoded.hash()),
    innerHash: feeBump ? hex(transaction.hash()) : null,
    transaction,
    feeBump,
    source,
    feeSource: feeBump ? extractBaseAddress(feeBump.feeSource) : source,
  };
}

/** Lower-case hex of bytes. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** The G address that an operation acts for. */
export function operationSource(operation: Operation, submission: Submission): string {
  return extractBaseAddress(operation.source ?? submission.transaction.source);
}

/** The signatures of an envelope as Horizon lists them. */
export function signaturesOf(signed: Transaction | FeeBumpTransaction): string[] {
  return signed.signatures.map((one) => Buffer.from(one.signature.value).toString('base64'));
}

/** Ed25519 public keys in DER are this prefix and the 32 bytes of the key (RFC 8410). */
const DER_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** Whether one of the envelope's signatures is the master key's of this account. */
export function isSignedBy(signed: Transaction | FeeBumpTransaction, account: string): boolean {
  const raw = Buffer.from(StrKey.decodeEd25519PublicKey(account));
  const key = createPublicKey({
    key: Buffer.concat([DER_PREFIX, raw]),
    format: 'der',
    type: 'spki',
  });
  const hash = signed.hash();
  return signed.signatures.some((one) => verify(null, hash, key, one.signature.value));
}

/** How many signatures belong to none of these accounts; stellar-core refuses such a transaction. */
export function strangeSignatures(
  signed: Transaction | FeeBumpTransaction,
  accounts: readonly string[],
): number {
  const hints = new Set(accounts.map((id) => hex(StrKey.decodeEd25519PublicKey(id).slice(-4))));
  return signed.signatures.filter((one) => !hints.has(hex(one.hint.value))).length;
}
