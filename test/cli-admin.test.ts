/** Administration, as a shell runs it: merchants, endpoints and their secrets, accounts, webhooks. */
import { randomBytes } from 'node:crypto';
import { Keypair } from '@stellar/stellar-sdk';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { giveUp } from '../src/db/attempts.ts';
import { nextDeliveries } from '../src/db/deliveries.ts';
import { startSandboxLedger, type SandboxLedger } from '../src/sandbox/ledger/start.ts';
import { startReceiver, type Receiver } from '../src/sandbox/receiver.ts';
import { everyRow, insertSession, receive } from './db/build.ts';
import { decisions, toWake } from './db/operator/journals.ts';
import { settle as run } from './support/settle-command.ts';
import { createTestDatabase, insertMerchant, type TestDatabase } from './support/database.ts';
import { settleTogether } from './support/settle.ts';

let database: TestDatabase;
let ledger: SandboxLedger;
let receiver: Receiver;
beforeAll(async () => {
  [database, ledger, receiver] = await Promise.all([
    createTestDatabase(),
    startSandboxLedger(),
    startReceiver(),
  ]);
});
afterAll(() => Promise.all([ledger.stop(), receiver.stop(), database.close()]));

const settle = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  run(args, {
    DATABASE_URL: database.url,
    HORIZON_URL: ledger.url,
    NETWORK_PASSPHRASE: ledger.networkPassphrase,
    WEBHOOK_ALLOW: receiver.host,
    ...env,
  });
const why = ['--reason', 'it was asked for', '--by', 'ann'];
const SECRET = /whsec_[A-Za-z0-9+/]{43}=/;
const secretIn = (text: string) => SECRET.exec(text)?.[0] ?? '';

const DECISIONS = [
  'merchant add',
  'account add',
  'endpoint add',
  'endpoint rotate-secret',
  'endpoint disable',
  'webhook redeliver',
];
const QUESTIONS = [
  'merchant list',
  'merchant show',
  'account list',
  'account show',
  'endpoint show',
  'endpoint test',
  'webhook list',
  'webhook show',
];

test('every command explains itself, and a decision wants its reason', async () => {
  const explained = [];
  for (const words of [...DECISIONS, ...QUESTIONS]) {
    const { code, out } = await settle([...words.split(' '), '--help']);
    explained.push([words, code, out.includes('--json'), out.includes('--reason')]);
  }
  expect(explained).toEqual([
    ...DECISIONS.map((words) => [words, 0, true, true]),
    ...QUESTIONS.map((words) => [words, 0, true, false]),
  ]);
});

test('what is refused is said in one sentence, and exits with 2', async () => {
  const wallet = Keypair.random().publicKey();
  const merchant = ['merchant', 'add', '--name', 'A', '--email', 'a@b.example'];
  const id = await insertMerchant(database);
  const endpoint = ['endpoint', 'add', '--merchant', id];
  const wrong: [string[], string][] = [
    [[...merchant, '--wallet', 'G1'], '--wallet: must be a Stellar account'],
    [[...merchant, '--wallet', wallet, '--webhook-url', 'http://10.0.0.1/'], 'is not public'],
    [
      [...merchant, '--wallet', wallet, '--webhook-url', 'https://x.example', '--id', id],
      `There is a merchant ${id} already`,
    ],
    [['merchant', 'show', 'x'], 'id: must be a UUID in lower case'],
    [[...endpoint, '--url', 'ftp://x.example'], 'is not http(s)'],
    [[...endpoint, '--url', 'https://x.example', '--events', 'tides'], '--events: must be one or'],
    [[...endpoint, '--url', 'https://merchant.example/hook'], 'is this address already'],
    [['endpoint', 'rotate-secret', id, '--overlap', 'a while'], '--overlap: must be a time like'],
    [['endpoint', 'test', id], `There is no endpoint ${id}.`],
    [['account', 'show', wallet], 'is not watched'],
    [['webhook', 'redeliver'], 'Which ones? Name a delivery'],
    [['webhook', 'redeliver', id], `There is no delivery ${id}.`],
    [['webhook', 'list', '--status', 'lost'], '--status: must be one or more of pending'],
    [['webhook', 'list', '--since', 'tomorrow'], '--since: not an instant'],
  ];
  for (const [args, message] of wrong) {
    const isDecision = DECISIONS.some((words) => args.join(' ').startsWith(words));
    const ran = await settle([...args, ...(isDecision ? why : [])]);
    expect(ran).toEqual({ code: 2, out: '', err: expect.stringContaining(message) });
  }
});

describe('a merchant is registered, gets endpoints, and rotates a secret', () => {
  let merchantId: string;
  let endpointId: string;
  let secret: string;

  test('the secret of a new one is printed once', async () => {
    const email = `${randomBytes(4).toString('hex')}@shop.example`;
    const wallet = Keypair.random().publicKey();
    const asked = ['merchant', 'add', '--name', 'A shop', '--email', email, '--wallet', wallet];
    const added = await settle([...asked, '--webhook-url', `${receiver.url}/hook`, ...why]);
    expect(added).toMatchObject({ code: 0, err: '' });
    expect(added.out).toMatch(SECRET);
    merchantId = /merchant {2}(\S+)/.exec(added.out)?.[1] ?? '';
    expect(await decisions(database, `merchant ${merchantId}`)).toMatchObject([
      { actor: 'ann', action: 'merchant added', reason: 'it was asked for' },
    ]);
    const twice = await settle([...asked, ...why]);
    expect(twice).toMatchObject({
      code: 2,
      err: expect.stringContaining('has this email already'),
    });

    const more = ['endpoint', 'add', '--merchant', merchantId, '--url', `${receiver.url}/more`];
    const endpoint = await settle([...more, '--events', 'all', ...why, '--json']);
    const made = JSON.parse(endpoint.out) as { endpointId: string; secret: string };
    expect(made).toMatchObject({
      state: 'active',
      merchantId,
      secret: expect.stringMatching(SECRET),
    });
    ({ endpointId, secret } = made);
  });

  test('nothing else prints one', async () => {
    const asked = [
      ['merchant', 'list'],
      ['merchant', 'show', merchantId, '--json'],
      ['endpoint', 'list', '--json'],
      ['endpoint', 'show', endpointId],
      ['webhook', 'list'],
    ];
    const outs = [];
    for (const args of asked) outs.push(await settle(args));
    expect(outs.map(({ code }) => code)).toEqual(asked.map(() => 0));
    expect(outs[1]?.out).toContain(`${receiver.url}/more`);
    for (const { out, err } of outs) expect(`${out}${err}`).not.toMatch(/whsec_/);
  });

  test('a test event is signed like any other, and leaves no trace', async () => {
    const before = await everyRow(database);
    const sent = await settle(['endpoint', 'test', endpointId]);
    expect(sent).toMatchObject({ code: 0, err: '', out: expect.stringContaining('accepted, 200') });
    const [post] = await receiver.waitFor(({ event }) => event === 'endpoint.test');
    if (!post) throw new Error('It has not arrived.');
    expect(post.path).toBe('/more');
    expect(new Webhook(secret).verify(post.body, post.headers)).toMatchObject({
      type: 'endpoint.test',
      id: post.eventId,
      data: { endpointId },
    });
    expect(await everyRow(database)).toEqual(before);
    receiver.answerWith(() => ({ status: 500, body: 'not today' }));
    const refused = await settle(['endpoint', 'test', endpointId, '--json']);
    receiver.answerWith(() => ({ status: 200 }));
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.out)).toMatchObject({
      outcome: { kind: 'answered', status: 500, detail: 'not today' },
    });
    const inside = await settle(['endpoint', 'test', endpointId], { WEBHOOK_ALLOW: '' });
    expect(inside).toMatchObject({ code: 1, out: expect.stringContaining('Nothing was sent') });
  });

  test('in the overlap there are two signatures, after its end one', async () => {
    const rotated = await settle([
      'endpoint',
      'rotate-secret',
      endpointId,
      '--overlap',
      '1h',
      ...why,
    ]);
    expect(rotated.out).toContain('signed with its old secret, too, until');
    const next = secretIn(rotated.out);
    expect(next).not.toBe(secret);
    expect((await settle(['endpoint', 'test', endpointId])).out).toContain('with 2 signature(s)');
    const post = receiver.received.at(-1);
    for (const one of [secret, next])
      new Webhook(one).verify(post?.body ?? '', post?.headers ?? {});
    const ended = await settle(['endpoint', 'rotate-secret', endpointId, '--end', ...why]);
    expect(ended.out).not.toMatch(/whsec_/);
    expect((await settle(['endpoint', 'test', endpointId])).out).toContain('with 1 signature(s)');
    const journal = JSON.stringify(await decisions(database, `endpoint ${endpointId}`));
    expect(journal).toContain('secret rotated');
    expect(journal).not.toMatch(/whsec_/);
  });

  test('it is disabled by hand, and served again', async () => {
    const disabled = await settle(['endpoint', 'disable', endpointId, ...why]);
    expect(disabled.out).toContain('disabled: By ann: it was asked for');
    expect((await settle(['endpoint', 'resume', endpointId, ...why])).out).toContain('active');
  });
});

test('an account is watched before it has a session', async () => {
  const account = Keypair.random().publicKey();
  await ledger.fund(account, '100');
  const added = await settle(['account', 'add', account, ...why]);
  expect(added).toMatchObject({ code: 0, err: '', out: expect.stringContaining(account) });
  expect(await decisions(database, `account ${account}`)).toMatchObject([
    { actor: 'ann', action: 'account added' },
  ]);
  const again = await settle(['account', 'add', account, ...why]);
  expect(again.out).toContain('It was watched already.');
  const listed = await settle(['account', 'list']);
  const shown = await settle(['account', 'show', account, '--json']);
  const away = await settle(['account', 'add', Keypair.random().publicKey(), ...why], {
    HORIZON_URL: 'http://127.0.0.1:1',
  });
  expect(listed.out).toContain(`${account}  through `);
  expect(JSON.parse(shown.out)).toMatchObject({ account, openSessions: 0, problem: null });
  expect(away).toMatchObject({ code: 3, err: expect.stringContaining('Nothing was decided.') });
});

test('events that were given up are listed, shown, and sent again with progress', async () => {
  const session = await insertSession(database);
  await receive(database, session, '10');
  await settleTogether(database.pool, [session.id]);
  const [head] = await nextDeliveries(database.db, session.id);
  if (!head) throw new Error('Nothing is open.');
  const { deliveryId } = head;
  await giveUp(database.db, head, 'max_attempts');
  const of = ['--merchant', session.merchantId];
  const listed = await settle(['webhook', 'list', ...of]);
  expect(listed.out).toContain('payment.confirmed  dead (max_attempts), 0 attempt(s)');
  expect(listed.out).toContain(`${deliveryId} of session ${session.id}`);
  const shown = await settle(['webhook', 'show', deliveryId]);
  expect(shown.out).toContain('"event":"payment.confirmed"');
  const dry = await settle(['webhook', 'redeliver', ...of, '--dry-run', ...why]);
  expect(dry).toMatchObject({ code: 0, err: '', out: '1 of 1 would be sent again.\n' });
  const done = await settle(['webhook', 'redeliver', ...of, '--since', '24h', ...why]);
  expect(done).toMatchObject({ code: 0, err: '1 of 1 …\n' });
  expect(done.out).toContain('1 event(s) of 1 session(s) are sent again');
  expect(await toWake(database)).toContain(session.id);
  const one = await settle(['webhook', 'redeliver', deliveryId, ...why, '--json']);
  expect(JSON.parse(one.out)).toMatchObject({ putBack: 1 });
  expect((await settle(['webhook', 'list', ...of, '--status', 'dead'])).out).toBe(
    'There is none.\n',
  );
});
