/**
 * How webhook secrets are stored, and so how they are read. Whoever writes one or reads one outside of sending gets this
 * passed in; nobody else knows what stands in the columns.
 */
export type SecretStore = {
  /** What to store for an endpoint. */
  toStored(endpointId: string, secret: string): string;
  /** What was stored for it. @throws Error when it cannot be read here, saying why */
  toPlain(endpointId: string, stored: string): string;
};

/** As an older backend stores them: as they are. */
export const PLAIN_SECRETS: SecretStore = {
  toStored: (_, secret) => secret,
  toPlain: (_, stored) => stored,
};
