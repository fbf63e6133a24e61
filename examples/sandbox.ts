/**
 * `npm run sandbox`: all that a backend needs to be tried, on this machine and on free ports: a ledger, PostgreSQL,
 * Temporal, a worker, and a merchant whose webhooks go to the backend. What the backend has to know is written to a
 * file of environment variables. It runs until Ctrl-C.
 */
import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Client as PgClient } from 'pg';
import { newSecret } from '../src/db/operator/endpoint-secrets.ts';
import { setStage, type Stage } from '../src/sandbox/demo/stage.ts';
import { SandboxWallet } from '../src/sandbox/ledger/wallet.ts';
import { startWorker } from '../src/sandbox/worker-process.ts';

const { values: options } = parseArgs({
  options: {
    webhook: { type: 'string', default: 'http://127.0.0.1:3000/webhooks/settlement' },
    settings: {
      type: 'string',
      default: fileURLToPath(new URL('.sandbox.env', import.meta.url)),
    },
  },
});
const { webhook, settings: settingsFile } = options;

const say = (line: string) => void process.stdout.write(`${line}\n`);
const asked = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
});

const stage = await setStage(null, process.env, say);
try {
  const shop = new SandboxWallet({
    url: stage.horizonUrl,
    networkPassphrase: stage.networkPassphrase,
  });
  await stage.sandbox?.fund(shop.address, '1000');
  const merchant = await enrol(stage, shop.address);
  const env = { ...stage.env, WEBHOOK_ALLOW: new URL(webhook).host };
  const worker = await startWorker(env, stage.logFile);
  try {
    const told = {
      TEMPORAL_ADDRESS: stage.temporalAddress,
      HORIZON_URL: stage.horizonUrl,
      DATABASE_URL: stage.databaseUrl,
      NETWORK_PASSPHRASE: stage.networkPassphrase,
      MERCHANT_ID: merchant.id,
      WEBHOOK_SECRET: merchant.secret,
      RECEIVING_ACCOUNT: shop.address,
    };
    // Quoted, so that a shell reads it as well as Node does.
    const lines = Object.entries(told).map(([name, value]) => `${name}='${value}'\n`);
    writeFileSync(settingsFile, lines.join(''), { mode: 0o600 });
    say(`Temporal UI: ${stage.temporalUi ?? 'that of TEMPORAL_ADDRESS'}`);
    say(`The worker's log: ${stage.logFile}`);
    say(`Webhooks go to ${webhook}.`);
    say(`The sandbox runs; Ctrl-C ends it. A backend's settings are in ${settingsFile}.`);
    await asked;
  } finally {
    rmSync(settingsFile, { force: true });
    await worker.drain();
  }
} finally {
  await stage.stop();
}

/** Registers a merchant as a backend does: a row with its webhook address and secret. */
async function enrol({ databaseUrl }: Stage, account: string) {
  const merchant = { id: randomUUID(), secret: newSecret() };
  const client = new PgClient({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(
      `INSERT INTO merchants (id, wallet_address, business_name, email, webhook_url, webhook_secret)
       VALUES ($1, $2, 'The sandbox shop', 'shop@example.com', $3, $4)`,
      [merchant.id, account, webhook, merchant.secret],
    );
  } finally {
    await client.end();
  }
  return merchant;
}
