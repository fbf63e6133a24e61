/** After a full run, nothing that was written down anywhere contains a secret; with keys, histories say nothing at all. */
import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { connectSettlement } from '../../src/client.ts';
import { rewriteSecrets } from '../../src/db/secrets.ts';
import { parseKeyRing } from '../../src/keys/key-ring.ts';
import { ROLE_PASSWORD } from '../support/database.ts';
import { readHistories } from '../support/histories.ts';
import { startSystem, tenLumens, until, type System } from '../support/system.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const secret = () => randomBytes(32).toString('base64');
const WEBHOOK_SECRET = secret();
const AT_REST = secret();
const CODEC = secret();
const API_KEY = `apiKeyOfThisTest${randomBytes(12).toString('hex')}`;
const SECRETS = { WEBHOOK_SECRET, AT_REST, CODEC, API_KEY, ROLE_PASSWORD };
/** The watcher's history is older than the keys: that is what the switch is for. */
const CODEC_KEYS = {
  TEMPORAL_CODEC_KEYS: `codec:${CODEC}`,
  TEMPORAL_CODEC_PLAINTEXT: 'read',
};

let system: System;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  system = await startSystem();
  await system.database.rows('UPDATE merchants SET webhook_secret = $1', [WEBHOOK_SECRET]);
  await rewriteSecrets(system.database.db, parseKeyRing(`rest:${AT_REST}`), 'first key');
  const folder = mkdtempSync(join(tmpdir(), 'settle-test-secrets-'));
  const file = (name: string, content: string) => {
    writeFileSync(join(folder, name), `${content}\n`);
    return join(folder, name);
  };
  env = {
    DATABASE_URL: '',
    DATABASE_URL_FILE: file('database', system.database.appUrl),
    WEBHOOK_SECRET_KEYS_FILE: file('keys', `newer:${secret()}\nrest:${AT_REST}`),
    TEMPORAL_API_KEY_FILE: file('api-key', API_KEY),
    // The dev server speaks no TLS; an API key would turn it on.
    TEMPORAL_TLS: 'false',
    RECONCILE_INTERVAL_MS: '10000',
    LOG_LEVEL: 'trace',
  };
});
afterAll(() => system.close());

/** What `settle` prints, on both outputs, where it fails with the stack. */
const settle = (args: readonly string[], changes: NodeJS.ProcessEnv = {}): Promise<string> =>
  new Promise((resolve) => {
    const options = { env: { ...system.env, ...env, DEBUG: '1', ...changes } };
    execFile(process.execPath, [CLI, ...args], options, (_error, out, err) => resolve(out + err));
  });

/** The names of the secrets that a text contains, as they are or in base64. */
const secretsIn = (text: string) =>
  Object.entries(SECRETS)
    .filter(([, value]) => {
      const bytes = Buffer.from(value);
      return [value, bytes.toString('base64').replaceAll('=', ''), encodeURIComponent(value)].some(
        (form) => text.includes(form),
      );
    })
    .map(([name]) => name);

const atRest = (id: string, client = system.client) =>
  until(
    () => client.sessionState(id),
    (view) => view?.atRest === true,
  );

test('no secret is in a history, a log line, an error or an output, after payments, refusals and failures', async () => {
  const worker = await system.worker(env);
  const paid = await system.open();
  await system.pay(paid.memo);
  const [post] = await system.receiver.waitFor((p) => p.sessionId === paid.id);
  // It was signed with the secret, which is stored encrypted only.
  new Webhook(WEBHOOK_SECRET).verify(post?.body ?? '', post?.headers ?? {});
  await atRest(paid.id);
  await expect(system.open({ merchantId: randomUUID() })).rejects.toThrow('merchant');

  system.receiver.answerWith(() => ({ status: 500 }));
  const failing = await system.open();
  const hash = await system.pay(failing.memo);
  await until(
    () =>
      system.database.rows('SELECT FROM settlement.delivery_attempts WHERE response_status = 500'),
    (rows) => rows.length > 0,
  );
  await system.database.rows(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'settlement worker' AND datname = current_database()`);
  system.receiver.answerWith(() => ({ status: 200 }));
  await system.client.reportPayment(failing.id, hash);
  await until(
    () => system.database.rows('SELECT FROM settlement.reconcile_runs'),
    (runs) => runs.length > 0,
  );
  const as = (url: string) => ({ DATABASE_URL_FILE: '', DATABASE_URL: url });
  const outputs = await Promise.all([
    settle(['status']),
    settle(['secrets', 'list']),
    settle(['session', 'show', paid.id]),
    settle(['secrets', 'list'], { WEBHOOK_SECRET_KEYS_FILE: '', WEBHOOK_SECRET_KEYS: AT_REST }),
    settle(['secrets', 'encrypt'], as(system.database.readUrl)),
    settle(['status'], as(`mysql://a:${ROLE_PASSWORD}@b/c`)),
    settle(['status'], { DATABASE_URL: system.database.appUrl }),
  ]);
  expect(await worker.drain()).toBe(0);

  const { text } = await readHistories(system.temporal.address);
  const logged = system.logged();
  // What is looked through holds what it should.
  for (const id of [paid.id, failing.id]) expect(text).toContain(id);
  expect(logged).toContain('A webhook failed.');
  expect(outputs.join('\n')).toMatch(/key rest.*1/);
  expect(outputs.join('\n')).toContain('permission denied');
  expect({
    histories: secretsIn(text),
    log: secretsIn(logged),
    outputs: outputs.map(secretsIn).filter((names) => names.length > 0),
  }).toEqual({ histories: [], log: [], outputs: [] });
}, 240_000);

test('a worker without the key of a stored secret does not start, and says which one it lacks', async () => {
  const refusal = system.worker({ ...env, WEBHOOK_SECRET_KEYS_FILE: '' });
  await expect(refusal).rejects.toThrow('encrypted with the key "rest"');
});

test('with keys for Temporal: histories are illegible, older runs go on, and who has no key cannot read', async () => {
  const worker = await system.worker({ ...env, ...CODEC_KEYS });
  Object.assign(process.env, CODEC_KEYS);
  const client = await connectSettlement({ address: system.temporal.address });
  for (const name of Object.keys(CODEC_KEYS)) delete process.env[name];
  const id = randomUUID();
  const request = {
    ...tenLumens(system.merchantId, system.shop.address),
    amount: '12.3456789',
  };
  const { memo } = await client.openSession(id, request);
  // A refusal is a failure in the history, and reaches the caller as what it is.
  await expect(client.openSession(id, { ...request, amount: '1' })).rejects.toMatchObject({
    name: 'Refusal',
    code: 'SessionExistsWithOtherBody',
  });
  const hash = await system.pay(memo, request.amount);
  expect(await atRest(id, client)).toMatchObject({ status: 'paid', paidBy: hash });
  expect(await settle(['session', 'show', id], CODEC_KEYS)).toContain(hash);
  const query = `WorkflowId = 'checkout-session:${id}'`;
  const { payloads, text, searchAttributes } = await readHistories(system.temporal.address, query);
  // Only now: its own question stands in the history as it was asked, not encrypted.
  await expect(system.client.sessionState(id)).rejects.toThrow('TEMPORAL_CODEC_KEYS');
  // The watcher began before there were keys, and reads on.
  expect(await worker.drain()).toBe(0);

  expect(payloads.length).toBeGreaterThan(5);
  expect(payloads.filter(({ encoding }) => encoding !== 'binary/encrypted')).toEqual([]);
  for (const word of [memo, hash, request.amount, 'another body', CODEC]) {
    expect(text).not.toContain(word);
  }
  expect(text).toContain('Encoded failure');
  // As docs/operations.md says: these are for searching, and never encrypted.
  expect(searchAttributes.map((a) => a.text)).toContain(`"${system.merchantId}"`);
}, 120_000);
