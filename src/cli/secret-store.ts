import { loadSecretsConfig } from '../config.ts';
import { secretStoreWith, type SecretStore } from '../db/secret-store.ts';

/** How this process stores webhook secrets, by its settings. @throws ConfigError */
export function secretStore(): SecretStore {
  return secretStoreWith(loadSecretsConfig(process.env).WEBHOOK_SECRET_KEYS ?? null);
}
