/** What this backend has to know, from the environment. */
export type Settings = {
  readonly port: number;
  /** The row of `merchants` that is paid, and told by webhook. */
  readonly merchantId: string;
  /** Where customers pay to (G…). */
  readonly receivingAccount: string;
  /** The merchant's webhook secret: what the signatures are made with. */
  readonly webhookSecret: string;
};

export const SETTINGS = Symbol('settings');

export function readSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  return {
    port: Number(env['PORT'] ?? 3000),
    merchantId: required(env, 'MERCHANT_ID'),
    receivingAccount: required(env, 'RECEIVING_ACCOUNT'),
    webhookSecret: required(env, 'WEBHOOK_SECRET'),
  };
}

function required(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (!value) throw new Error(`${name} is not set. Does the sandbox run? See README.md.`);
  return value;
}
