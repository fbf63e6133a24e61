/**
 * How webhook secrets are stored, and so how they are read. Whoever writes one or reads one outside of sending gets this
 * passed in; nobody else knows what stands in the columns.
 */
import type { KeyRing } from '../keys/key-ring.ts';
import { readSecret, storedSecret } from './secrets.ts';

/** Reads and writes the columns that hold secrets. */
export type SecretStore = {
  /** What to store for an endpoint. */
  toStored(endpointId: string, secret: string): string;
  /** What was stored for it. @throws Error when it cannot be read here, saying why */
  toPlain(endpointId: string, stored: string): string;
};

/** Encrypted under the first key; plain, as an older backend stores them, where there is none. */
export function secretStoreWith(keys: KeyRing | null): SecretStore {
  return {
    toStored: (endpointId, secret) => storedSecret(keys, endpointId, secret),
    toPlain: (endpointId, stored) => {
      const read = readSecret(keys, endpointId, stored);
      if (read.kind === 'locked') throw new Error(read.reason);
      return read.secret;
    },
  };
}
