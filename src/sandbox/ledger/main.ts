/**
 * The sandbox ledger as a process of its own, for tests that kill everything else. Settings: SANDBOX_PORT,
 * SANDBOX_CLOSE_EVERY_MS (`manual` to close only by POST /sandbox/close), SANDBOX_NETWORK_PASSPHRASE,
 * SANDBOX_SHARED_SECONDS (`1`: ledgers may close in the same second).
 * When ready it prints one line of JSON: url, networkPassphrase, rootSecret. SIGTERM or SIGINT ends it.
 */
import { startSandboxLedger } from './start.ts';

const { env } = process;
const every = env['SANDBOX_CLOSE_EVERY_MS'] ?? '1000';
const ledger = await startSandboxLedger({
  port: Number(env['SANDBOX_PORT'] ?? 0),
  sharedSeconds: env['SANDBOX_SHARED_SECONDS'] === '1',
  closeEveryMs: every === 'manual' ? null : Number(every),
  ...(env['SANDBOX_NETWORK_PASSPHRASE']
    ? { networkPassphrase: env['SANDBOX_NETWORK_PASSPHRASE'] }
    : {}),
});
const { url, networkPassphrase, rootSecret } = ledger;
console.log(JSON.stringify({ url, networkPassphrase, rootSecret }));
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void ledger.stop());
}
