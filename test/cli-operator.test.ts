/** The commands of operators, as a shell runs them: words or JSON, and whose fault it was. */
import { userInfo } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { merchantEndpointId } from '../src/db/ids.ts';
import { storeFindings } from '../src/db/inbox.ts';
import { markUnmatched } from '../src/db/worklists.ts';
import { startSandboxLedger, type SandboxLedger } from '../src/sandbox/ledger/start.ts';
import { SandboxWallet } from '../src/sandbox/ledger/wallet.ts';
import { createHorizonSource } from '../src/horizon/source.ts';
import { insertSession } from './db/build.ts';
import { decisions } from './db/operator/journals.ts';
import { settle as run } from './support/settle-command.ts';
import { createTestDatabase, type TestDatabase } from './support/database.ts';

let database: TestDatabase;
let ledger: SandboxLedger;
beforeAll(async () => {
  database = await createTestDatabase();
  ledger = await startSandboxLedger({ closeEveryMs: null });
});
afterAll(() => Promise.all([ledger.stop(), database.close()]));

const settle = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  run(args, {
    DATABASE_URL: database.appUrl,
    HORIZON_URL: ledger.url,
    HORIZON_REQUESTS_PER_HOUR: '0',
    ...env,
  });
const why = ['--reason', 'it was asked for', '--by', 'ann'];

/** A payment that names nobody, read and judged; whom it went to, and who paid. */
async function stray() {
  const network = { ...ledger, closeLedger: () => ledger.closeLedger() };
  const [shop, customer] = [new SandboxWallet(network), new SandboxWallet(network)];
  for (const { address } of [shop, customer]) await ledger.fund(address, '1000');
  const { hash } = await customer.pay(shop.address, '10');
  const source = createHorizonSource({ url: ledger.url, requestsPerHour: 0 });
  const found = await source.transaction(hash, new Set([shop.address]));
  await source.close();
  if (found.kind === 'found') await storeFindings(database.pool, found);
  await markUnmatched(database.db);
  return { shop, customer, payment: `${hash}:0:0` };
}

const DECISIONS = [
  'attention resolve',
  'payments assign',
  'payments returned',
  'payments re-decode',
  'payments dismiss',
  'network accept-reset',
  'endpoint pause',
  'endpoint resume',
];

test.each([...DECISIONS, 'attention list', 'payments parked', 'endpoint list'])(
  'settle %s explains itself',
  async (words) => {
    const { code, out } = await settle([...words.split(' '), '--help']);
    expect(code).toBe(0);
    expect(out).toContain(`Usage: settle ${words}`);
    expect(out).toContain('--json');
    expect(out.includes('--reason') && out.includes('--by')).toBe(DECISIONS.includes(words));
  },
);

test('a decision without a reason, or with an empty one, is not taken', async () => {
  expect(await settle(['endpoint', 'resume', 'x'])).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringContaining("required option '--reason <text>'"),
  });
  const empty = await settle(['attention', 'resolve', '1', '--reason', ' ']);
  expect(empty).toMatchObject({ code: 2, err: 'Say why: --reason is empty.\n' });
});

test('what is refused is said in one sentence, and exits with 2', async () => {
  const wrong: [string[], string][] = [
    [['attention', 'resolve', 'network'], 'Which attention of network?'],
    [['payments', 'returned', `${'f'.repeat(64)}:0:0`, 'f'.repeat(64)], 'has been read'],
    [['payments', 'dismiss', 'GNOBODY', '1'], 'There is no parked record 1 of GNOBODY.'],
    [['network', 'accept-reset'], 'no attention network_reset is open'],
    [['endpoint', 'pause', 'x', '--until', 'tomorrow'], '--until: not an instant'],
  ];
  for (const [args, message] of wrong) {
    const { code, out, err } = await settle([...args, ...why]);
    expect({ code, out, err }).toEqual({
      code: 2,
      out: '',
      err: expect.stringContaining(message),
    });
    expect(err).not.toContain('    at ');
  }
});

describe('settle payments', () => {
  test('gives a payment to a session, by the user of the shell unless somebody is named', async () => {
    const { shop, payment } = await stray();
    const session = await insertSession(database, { account: shop.address });
    const held = await settle(['payments', 'held', '--account', shop.address]);
    expect(held.out).toContain(payment);
    const given = await settle(['payments', 'assign', payment, session.id, '--reason', 'a typo']);
    expect(given).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringContaining(`Given to session ${session.id}; it was unmatched.`),
    });
    expect(await decisions(database, `payment ${payment}`)).toMatchObject([
      { actor: userInfo().username, reason: 'a typo' },
    ]);
  });

  test('has a return proven on the ledger, and says when Horizon does not answer', async () => {
    const { shop, customer, payment } = await stray();
    const { hash } = await shop.pay(customer.address, '10');
    const away = await settle(['payments', 'returned', payment, hash, ...why], {
      HORIZON_URL: 'http://127.0.0.1:1',
    });
    expect(away).toMatchObject({ code: 3, err: expect.stringContaining('Nothing was decided.') });
    const done = await settle(['payments', 'returned', payment, hash, ...why, '--json']);
    expect(JSON.parse(done.out)).toMatchObject({ payment, returned: '10.0000000' });
    const twice = await settle(['payments', 'returned', payment, hash, ...why]);
    expect(twice).toMatchObject({ code: 2, err: expect.stringContaining('dealt with, by ann') });
  });

  test('lists parked records, decodes them again, and dismisses what is left', async () => {
    const { shop, payment } = await stray();
    const url = `${ledger.url}/accounts/${shop.address}/payments?order=desc&limit=1&join=transactions`;
    const page = (await (await fetch(url)).json()) as {
      _embedded: { records: Record<string, unknown>[] };
    };
    const [record = {}] = page._embedded.records;
    const parked = (operationId: string, raw: unknown) => ({
      operationId,
      account: shop.address,
      ledger: 7,
      raw: JSON.stringify(raw),
      problem: 'It could not be read.',
    });
    const undecoded = [parked('1', record), parked('2', { ...record, type: 'teleport' })];
    await storeFindings(database.pool, { payments: [], undecoded });
    const listed = await settle(['payments', 'parked']);
    expect(listed.out).toMatch(/ 1 \(ledger 7\)\n {2}It could not be read\.\n.* 2 \(ledger 7\)/);
    const again = await settle(['payments', 're-decode', '--account', shop.address]);
    expect(again).toMatchObject({ code: 0, err: '' });
    expect(again.out).toContain('1 of 2 record(s) can be read now, with 1 payment(s):');
    expect(again.out).toContain(payment);
    expect(again.out).toContain(`Not readable: 2 of ${shop.address}: `);
    const attention = await settle(['attention', 'list']);
    expect(attention.out).toContain(`undecoded_record  ${shop.address}`);
    expect(attention.out).toContain('To do: `settle payments parked` shows it');
    const dismissed = await settle(['payments', 'dismiss', shop.address, '2', ...why]);
    expect(dismissed.out).toContain('It was the last one');
    expect((await settle(['payments', 'parked'])).out).toBe('Every record could be read.\n');
    expect((await settle(['payments', 're-decode'])).out).toBe('No record is parked.\n');
    expect((await settle(['attention', 'list'])).out).toBe('Nothing needs a person.\n');
  });
});

test('settle attention resolves by the number that the list shows', async () => {
  const session = await insertSession(database);
  await database.rows(
    `INSERT INTO settlement.attention (subject, kind, detail) VALUES ($1, 'foreign_payment', 'somebody')`,
    [session.id],
  );
  const listed = await settle(['attention', 'list', '--json']);
  const [open] = JSON.parse(listed.out) as { id: number; whatToDo: string }[];
  expect(open?.whatToDo).toContain('switch it off');
  const done = await settle(['attention', 'resolve', String(open?.id), ...why]);
  expect(done.out).toBe(`Resolved: foreign_payment of ${session.id}.\n`);
});

test('settle endpoint lists, pauses and resumes', async () => {
  const { merchantId } = await insertSession(database);
  const id = merchantEndpointId(merchantId);
  const paused = await settle(['endpoint', 'pause', id, ...why]);
  expect(paused.out).toContain(`${id}  paused until it is resumed, 0 waiting`);
  const troubled = await settle(['endpoint', 'list', '--troubled', '--json']);
  expect(JSON.parse(troubled.out)).toMatchObject([{ endpointId: id, state: 'paused' }]);
  expect((await settle(['endpoint', 'resume', id, ...why])).out).toContain(`${id}  active`);
  expect((await settle(['endpoint', 'list', '--troubled'])).out).toBe('There is none.\n');
  expect((await settle(['endpoint', 'list'])).out).toContain(`of merchant ${merchantId}`);
});

test('settle network accepts a reset, and says from where it is read', async () => {
  const { shop } = await stray();
  await insertSession(database, { account: shop.address });
  await database.rows(
    `INSERT INTO settlement.attention (subject, kind, detail) VALUES ('network', 'network_reset', 'far below')`,
  );
  const accepted = await settle(['network', 'accept-reset', ...why]);
  expect(accepted).toMatchObject({
    code: 0,
    out: expect.stringContaining('is read anew: 4 account(s), from ledger 1'),
  });
  expect(accepted.out).toContain('from ledger 1');
});

test('reconciliation of another network than the database settles is refused: nobody would notice a second schedule', async () => {
  const env = { NETWORK_PASSPHRASE: 'Another network ; 2026' };
  const commands = [['schedule'], ['reconcile', '--dry-run'], ['status']];
  for (const args of commands) {
    const run = await settle(args, env);
    expect(run.err).toContain('NETWORK_PASSPHRASE');
    expect(run.code).toBe(2);
  }
});
