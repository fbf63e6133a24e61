import { PLAIN_SECRETS, type SecretStore } from '../db/secret-store.ts';

/** How this process stores webhook secrets, by its settings. */
export function secretStore(): SecretStore {
  return PLAIN_SECRETS;
}
