/**
 * Every command runs as the role that production gives it, and no right is missing. The commands are read from the program:
 * one that is new and has no line here fails. Activities likewise; the pipeline's tests run them as the app role.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Command } from 'commander';
import { program } from '../src/cli/program.ts';
import { connect, type Database } from '../src/db/connection.ts';
import { merchantEndpointId } from '../src/db/ids.ts';
import { openSession } from '../src/db/sessions.ts';
import { parseAmount } from '../src/domain/money.ts';
import { startSandboxLedger, type SandboxLedger } from '../src/sandbox/ledger/start.ts';
import { insertSession, newAccount, receive } from './db/build.ts';
import { settle } from './support/settle-command.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from './support/database.ts';
import { settleTogether } from './support/settle.ts';

let database: TestDatabase;
let app: Database;
let ledger: SandboxLedger;
const names = {
  session: '',
  account: newAccount(),
  merchant: '',
  endpoint: '',
  delivery: '',
  txHash: '',
  payment: '',
};
beforeAll(async () => {
  database = await createTestDatabase();
  app = connect(database.appUrl);
  ledger = await startSandboxLedger({ closeEveryMs: null });
  const session = await insertSession(database, { account: names.account });
  const paid = await receive(database, session, '10');
  const held = await receive(database, session, '1');
  await settleTogether(app.pool, [session.id]);
  const [delivery] = await database.rows<{ id: string }>(
    'SELECT delivery_id AS id FROM webhook_deliveries',
  );
  await database.rows(
    `INSERT INTO settlement.attention (subject, kind, detail) VALUES ('network', 'history_gap', '')`,
  );
  await database.rows(`INSERT INTO settlement.parked_records (account, operation_id, ledger, raw, problem)
    VALUES ('${names.account}', '1', 1, '{}', 'a test')`);
  Object.assign(names, {
    session: session.id,
    merchant: session.merchantId,
    endpoint: merchantEndpointId(session.merchantId),
    delivery: delivery?.id,
    txHash: paid.txHash,
    payment: `${held.txHash}:${held.opIndex}:${held.subIndex}`,
  });
});
afterAll(() => Promise.all([ledger.stop(), app.close(), database.close()]));

/** Who runs it: a role of the database; `temporal`: a client of Temporal without a database. */
type RunAs = 'owner' | 'app' | 'read' | 'temporal';
const why = ['--reason', 'a test', '--by', 'ann'];

/** The role and the arguments of each command; null: it makes its own database, or runs until it is ended. */
const COMMANDS: Readonly<Record<string, readonly [RunAs, () => string[]] | null>> = {
  demo: null,
  listen: null,
  trigger: null,
  // The whole system runs as the app role in every test of test/system.
  worker: null,
  migrate: ['owner', () => []],
  adopt: ['owner', () => ['--check']],
  audit: ['read', () => []],
  status: ['read', () => []],
  reconcile: ['temporal', () => ['--dry-run']],
  schedule: ['temporal', () => []],
  'session open': [
    'temporal',
    () => [
      '--merchant',
      names.merchant,
      '--amount',
      '1',
      '--asset',
      'XLM',
      '--account',
      names.account,
      '--expires',
      '30m',
    ],
  ],
  'session show': ['temporal', () => [names.session]],
  'session report': ['temporal', () => [names.session, names.txHash]],
  'session cancel': ['temporal', () => [names.session]],
  'payments held': ['read', () => []],
  'payments why': ['read', () => [names.txHash]],
  'payments parked': ['read', () => []],
  'payments assign': ['app', () => [names.payment, names.session, ...why]],
  'payments returned': ['app', () => [names.payment, names.txHash, ...why]],
  'payments re-decode': ['app', () => why],
  'payments dismiss': ['app', () => [names.account, '1', ...why]],
  'attention list': ['read', () => []],
  'attention resolve': ['app', () => ['network', 'history_gap', ...why]],
  'merchant list': ['read', () => []],
  'merchant show': ['read', () => [names.merchant]],
  'merchant add': [
    'app',
    () => ['--name', 'A', '--email', 'a@b.example', '--wallet', newAccount(), ...why],
  ],
  'account list': ['read', () => []],
  'account show': ['read', () => [names.account]],
  'account add': ['app', () => [newAccount(), ...why]],
  'endpoint add': [
    'app',
    () => ['--merchant', names.merchant, '--url', 'https://a.example/hook', ...why],
  ],
  'endpoint list': ['read', () => []],
  'endpoint show': ['read', () => [names.endpoint]],
  'endpoint rotate-secret': ['app', () => [names.endpoint, ...why]],
  'endpoint pause': ['app', () => [names.endpoint, ...why]],
  'endpoint disable': ['app', () => [names.endpoint, ...why]],
  'endpoint resume': ['app', () => [names.endpoint, ...why]],
  'endpoint test': ['app', () => [names.endpoint]],
  'webhook list': ['read', () => []],
  'webhook show': ['read', () => [names.delivery]],
  'webhook redeliver': ['app', () => [names.delivery, ...why]],
  'network accept-reset': ['app', () => why],
  'secrets list': ['app', () => []],
  'secrets encrypt': ['app', () => []],
  'secrets rotate': ['app', () => []],
  'secrets decrypt': ['app', () => []],
};

function leaves(command: Command, path: readonly string[] = []): string[] {
  if (command.commands.length === 0) return [path.join(' ')];
  return command.commands.flatMap((one) => leaves(one, [...path, one.name()]));
}

const everything = await program();

test('every command of the program has its role', () => {
  expect(Object.keys(COMMANDS)).toEqual(expect.arrayContaining(leaves(everything)));
});

describe('as its role', () => {
  const run = Object.entries(COMMANDS).flatMap(([name, how]) =>
    how === null ? [] : [{ name, how }],
  );
  const existing = run.filter(
    ({ name, how: [role] }) => role !== 'temporal' && leaves(everything).includes(name),
  );
  test.each(existing)(
    '$name lacks no right',
    async ({ name, how: [role, args] }) => {
      const url = {
        owner: database.url,
        app: database.appUrl,
        read: database.readUrl,
        temporal: '',
      }[role];
      const { err, out } = await settle([...name.split(' '), ...args()], {
        DATABASE_URL: url,
        HORIZON_URL: ledger.url,
        HORIZON_REQUESTS_PER_HOUR: '0',
        NETWORK_PASSPHRASE: ledger.networkPassphrase,
        WEBHOOK_SECRET_KEYS: KEYS,
        TEMPORAL_ADDRESS: '127.0.0.1:1',
      });
      expect(`${err}${out}`).not.toMatch(/permission denied|42501|must be owner|no rights|lacks/);
      // It came further than its options.
      expect(err).not.toMatch(
        /required option|missing required argument|unknown option|too many arguments|is missing:/,
      );
    },
    60_000,
  );
});

const KEYS = `k:${randomBytes(32).toString('base64')}`;

test('a session whose row the backend made, and whose reference it left open, is opened as the app role', async () => {
  const [id, merchantId, account] = [randomUUID(), await insertMerchant(database), newAccount()];
  const expiresAt = new Date(Date.now() + 1e6);
  await database.rows(
    `INSERT INTO checkout_sessions (id, merchant_id, amount, asset_code, receiving_account, memo, expires_at)
     VALUES ($1, $2, 10, 'XLM', $3, NULL, $4)`,
    [id, merchantId, account, expiresAt],
  );
  const wanted = {
    id,
    merchantId,
    price: parseAmount('10'),
    asset: { code: 'XLM', issuer: null },
    receivingAccount: account,
    reference: '7',
    askedReference: null,
    expiresAt,
    successUrl: null,
    cancelUrl: null,
    metadata: null,
  };
  expect(await openSession(app.pool, wanted, 1)).toMatchObject({ id, memo: '7' });
});
