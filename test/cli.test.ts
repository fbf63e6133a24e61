import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase } from './support/database.ts';
import { settle as settleHere, type Ran } from './support/settle-command.ts';
import { startSystem, until, type System } from './support/system.ts';

const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url));

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.close());

/** Runs `settle` in this process. */
const settleWith = (env: NodeJS.ProcessEnv, ...args: string[]): Promise<Ran> =>
  settleHere(args, { ...system.env, ...env });
const settle = (...args: string[]): Promise<Ran> => settleWith({}, ...args);

/**
 * Runs `settle` as a shell would. A start takes two seconds of a processor, and on a busy machine five times that: once
 * for each exit code is enough.
 */
const shell = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [CLI, ...args], {
      env: { ...system.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => (out += String(chunk)));
    child.stderr.on('data', (chunk) => (err += String(chunk)));
    child.once('close', (code) => resolve({ code: code ?? -1, out, err }));
  });

describe('settle', () => {
  test.each([
    [],
    ['migrate'],
    ['worker'],
    ['demo'],
    ['audit'],
    ['session'],
    ['session', 'open'],
    ['session', 'show'],
    ['session', 'report'],
    ['session', 'cancel'],
    ['payments', 'held'],
    ['payments', 'why'],
  ])('%s %s explains itself', async (...words) => {
    const { code, out } = await settle(...words, '--help');
    expect(code).toBe(0);
    expect(out).toContain(`Usage: ${['settle', ...words].join(' ')}`);
    expect(out).toContain('--json');
  });

  test('says in one sentence what is wrong with the input, and exits with 2', async () => {
    const wrong: [string[], NodeJS.ProcessEnv, string][] = [
      [['sessoin'], {}, "unknown command 'sessoin'"],
      [['session', 'show', 'x'], {}, 'sessionId: must be a UUID'],
      [['session', 'report', randomUUID(), 'beef'], {}, 'txHash: must be 64'],
      [['payments', 'why', 'beef'], {}, 'Not a transaction hash'],
      [['payments', 'why', 'f'.repeat(64)], {}, 'has been read'],
      [['migrate'], { DATABASE_URL: '' }, 'DATABASE_URL is missing'],
      [['migrate'], { NETWORK_PASSPHRASE: 'another' }, 'This database settles the network'],
    ];
    const isRefusal = (ran: Ran, message: string) => {
      expect(ran).toEqual({ code: 2, out: '', err: expect.stringContaining(message) });
      expect(ran.err).not.toContain('    at ');
    };
    for (const [args, env, message] of wrong) isRefusal(await settleWith(env, ...args), message);
    isRefusal(await shell(['session', 'show', 'x']), 'sessionId: must be a UUID');
  });

  test('says what does not answer, and exits with 3', async () => {
    const database = 'postgres://nobody@127.0.0.1:1/none';
    const audit = await shell(['audit'], { DATABASE_URL: database });
    expect(audit).toMatchObject({ code: 3, err: expect.stringContaining('127.0.0.1:1') });
    const nowhere = { TEMPORAL_ADDRESS: '127.0.0.1:1' };
    const session = await settleWith(nowhere, 'session', 'show', randomUUID());
    expect(session).toMatchObject({ code: 3, err: expect.stringContaining('TEMPORAL_ADDRESS') });
  });

  test('migrates an empty database, twice', async () => {
    const empty = await createTestDatabase({ template: null });
    const first = await settleWith({ DATABASE_URL: empty.url }, 'migrate', '--json');
    expect(first.code).toBe(0);
    expect(JSON.parse(first.out)).toMatchObject({ supersededPayments: 0 });
    expect((await settleWith({ DATABASE_URL: empty.url }, 'migrate')).code).toBe(0);
    await empty.close();
  });

  test('opens, shows, reports to and cancels sessions, and audits them', async () => {
    const worker = await system.worker();
    const request = `--merchant ${system.merchantId} --amount 10 --asset native --account ${system.shop.address} --expires 30`;
    const opened = await settle('session', 'open', '--json', ...request.split(' '));
    expect(opened).toMatchObject({ code: 0, err: '' });
    const { sessionId, memo } = JSON.parse(opened.out) as { sessionId: string; memo: string };
    const hash = await system.pay(memo);
    const reported = await settle('session', 'report', sessionId, hash);
    expect(reported).toMatchObject({ code: 0, out: expect.stringContaining('Paid: 10.0000000') });
    await until(
      () => system.client.sessionState(sessionId),
      (view) => view?.atRest === true,
    );
    const shown = await settle('session', 'show', sessionId);
    expect(shown.out).toMatch(/status +paid/);
    expect(shown.out).toContain(`${hash}:0:0 credited`);
    const why = await settle('payments', 'why', hash);
    expect(why.out).toMatch(/verdict +credited/);
    expect(await settle('payments', 'held')).toMatchObject({
      code: 0,
      out: 'Nothing is held.\n',
    });
    const refused = await settle('session', 'cancel', sessionId);
    expect(refused).toMatchObject({
      code: 1,
      out: expect.stringContaining(`it is paid, by ${hash}`),
    });

    const other = await system.open();
    let cancelled = await settle('session', 'cancel', other.id, '--json');
    while (JSON.parse(cancelled.out).kind === 'closing') {
      cancelled = await settle('session', 'cancel', other.id, '--json');
    }
    expect(JSON.parse(cancelled.out)).toMatchObject({ kind: 'cancelled' });
    await worker.drain();

    expect(await settle('audit')).toMatchObject({
      code: 0,
      out: expect.stringContaining('P1, P2, P3 and P4 hold for 2 sessions'),
    });
    await system.database.rows(`UPDATE checkout_sessions SET status = 'pending' WHERE id = $1`, [
      sessionId,
    ]);
    const red = await shell(['audit', '--json']);
    expect(red.code).toBe(1);
    expect(JSON.parse(red.out).findings).toContainEqual({
      promise: 'P2',
      check: 'paid',
      subject: `session ${sessionId}`,
      problem: expect.stringContaining('has a payments row, but is pending'),
    });
  });

  test('shows no session that does not exist', async () => {
    const worker = await system.worker();
    const id = randomUUID();
    expect(await settle('session', 'show', id)).toMatchObject({
      code: 2,
      err: `There is no session ${id}.\n`,
    });
    await worker.drain();
  });
});
