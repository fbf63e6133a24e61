/** `settle audit` against a real Temporal and a ledger that is asked over HTTP. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import type { WorkerProcess } from '../src/sandbox/worker-process.ts';
import { sessionWorkflowId } from '../src/workflows/contract.ts';
import { startAltered, type Json } from './support/altered.ts';
import { settle as settleHere } from './support/settle-command.ts';
import { startSystem, until, type System } from './support/system.ts';

let system: System;
let worker: WorkerProcess;
let paid: string;
let open: string;
beforeAll(async () => {
  system = await startSystem();
  worker = await system.worker();
  const first = await system.open();
  paid = first.id;
  open = (await system.open()).id;
  await system.pay(first.memo);
  await until(
    () => system.client.sessionState(paid),
    (view) => view?.atRest === true,
  );
});
afterAll(() => system.close());

const settle = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  settleHere(['audit', ...args], { ...system.env, ...env });

describe('green', () => {
  test('in words: what holds, what was compared, who runs', async () => {
    const { code, out, err } = await settle(['--horizon', '--runs']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('P1, P2, P3 and P4 hold for 2 sessions');
    expect(out).toMatch(
      new RegExp(
        `${system.shop.address} native, ledgers \\d+–\\d+: Horizon (\\d+) payments, ([\\d.]+); inbox \\1, \\2`,
      ),
    );
    expect(out).toMatch(/The chain has \d+ ledgers\. 0 ledger payments wait/);
    expect(out).toContain('1 ledger(s) of the chain are believed as they are');
    expect(out).not.toContain('excused');
    expect(out).toContain('1 sessions are not at rest; 0 lack their run.');
  });

  test('in JSON', async () => {
    const { code, out } = await settle(['--horizon', '--runs', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      sessions: 2,
      findings: [],
      more: {},
      foreignWrites: { count: 0 },
      anchors: { count: 1 },
      waiting: 0,
      excused: {},
      horizon: { accounts: 1, findings: [], headers: { notShown: 0 } },
      runs: { sessions: 1, findings: [] },
    });
  });
});

describe('another Horizon', () => {
  const named = (url: string) => ['--horizon', url, '--json'];
  // Where the workers read is not asked: it is not even there.
  const elsewhere = { HORIZON_URL: 'http://127.0.0.1:1' };

  test('that shows the same', async () => {
    const { code, out, err } = await settle(named(system.ledger.url), elsewhere);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(JSON.parse(out)).toMatchObject({ findings: [], horizon: { headers: { notShown: 0 } } });
  });

  test.each<[string, (header: Json) => Json, string]>([
    ['another hash', (header) => ({ ...header, hash: 'e'.repeat(64) }), 'Its hash is eee'],
    [
      'an operation more',
      (header) => ({ ...header, operation_count: Number(header['operation_count']) + 1 }),
      'operations on the ledger, but the chain counts',
    ],
  ])('that shows %s: the ledger is named', async (_, change, problem) => {
    const [oldest] = await system.database.rows<{ sequence: number }>(
      'SELECT min(sequence)::int AS sequence FROM settlement.ledgers',
    );
    const path = `/ledgers/${oldest?.sequence}`;
    const other = await startAltered(system.ledger.url, (at, body) =>
      at === path ? change(body) : body,
    );
    try {
      const { code, out } = await settle(named(other.url), elsewhere);
      expect(JSON.parse(out).horizon.findings).toMatchObject([
        {
          check: 'chain',
          subject: `ledger ${oldest?.sequence}`,
          problem: expect.stringContaining(problem),
        },
      ]);
      expect(code).toBe(1);
    } finally {
      await other.stop();
    }
  });

  test('whose address is none', async () => {
    expect(await settle(['--horizon', 'nowhere'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('Not the address of a Horizon: "nowhere"'),
    });
  });
});

test('wrong input is an error of its own, and nothing is audited', async () => {
  const wrong: [string[], NodeJS.ProcessEnv, string][] = [
    [['--from-ledger', '7'], {}, 'add --horizon'],
    [['--horizon', '--from-ledger', 'seven'], {}, 'Not the number of a ledger'],
    [['--horizon', '--from-ledger', '8', '--to-ledger', '7'], {}, 'lies after'],
    [['--horizon', '--account', 'G'], {}, 'not a Stellar account'],
    [['--horizon', '--account', system.customer.address], {}, 'is not watched'],
    [['--horizon'], { HORIZON_URL: '' }, 'HORIZON_URL'],
  ];
  for (const [args, env, message] of wrong) {
    expect(await settle(args, env)).toEqual({
      code: 2,
      out: '',
      err: expect.stringContaining(message),
    });
  }
});

test('what does not answer is no finding: the exit code says so', async () => {
  const horizon = await settle(['--horizon'], { HORIZON_URL: 'http://127.0.0.1:1' });
  const temporal = await settle(['--runs'], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
  expect(horizon).toMatchObject({
    code: 3,
    out: '',
    err: expect.stringContaining('Horizon did not answer'),
  });
  expect(temporal).toMatchObject({
    code: 3,
    out: '',
    err: expect.stringContaining('Temporal does not answer'),
  });
});

test('a lost run and a payment that the inbox lacks turn it red, by name', async () => {
  await worker.drain();
  const connection = await Connection.connect({ address: system.temporal.address });
  await new Client({ connection }).workflow.getHandle(sessionWorkflowId(open)).terminate('by hand');
  await connection.close();
  await system.database.rows(`UPDATE settlement.active_sessions SET wake_after = NULL`);
  const { code, out } = await settle(['--runs', '--json']);
  expect(code).toBe(1);
  expect(JSON.parse(out).findings).toEqual([
    {
      promise: 'P5',
      check: 'no_run',
      subject: `session ${open}`,
      problem: 'It is not at rest, and no workflow runs for it.',
    },
  ]);
  await system.database.rows('DELETE FROM settlement.ledger_payments WHERE session_id = $1', [
    paid,
  ]);
  const compared = await settle(['--horizon']);
  expect(compared.code).toBe(1);
  expect(compared.out).toMatch(/^3 promise\(s\) broken among 2 sessions/);
  expect(compared.out).toContain(`P2  session ${paid}: The session is paid, but only 0.0000000`);
  expect(compared.out).toMatch(
    /P1 {2}payment [0-9a-f]{64}:0:0: 10\.0000000 native in ledger \d+ arrived/,
  );
}, 120_000);
