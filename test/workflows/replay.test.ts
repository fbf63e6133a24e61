import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { findTemporalCli } from '../../src/sandbox/find-temporal.ts';
import { workflowIdOf } from '../support/histories.ts';
import { startSystem, until, type System } from '../support/system.ts';
import { given } from '../support/given.ts';

/**
 * Runs as they were recorded. A change of workflow code that breaks one of them would break runs that are open. Those
 * called `.earlier` were recorded before looks sent webhooks, and before opening a session was a look.
 */
const HISTORIES = fileURLToPath(new URL('../histories', import.meta.url));

/**
 * `RECORD_HISTORIES=1` records them anew, and `npm run certify -- --keep-histories` those that went through faults: after a
 * change that is made on purpose, behind a patch.
 */
if (process.env['RECORD_HISTORIES']) test('histories are recorded', recordAll, 300_000);

async function recordAll(): Promise<void> {
  const cli = await findTemporalCli(() => undefined);
  const system = await startSystem();
  await system.worker();
  for (const [name, play] of Object.entries(FLOWS)) {
    const id = await play(system);
    await until(
      () => system.client.sessionState(id),
      (view) => view?.atRest === true,
    );
    const [first = ''] = await runsOf(system, id);
    const args = ['workflow', 'show', '--address', system.temporal.address, '-o', 'json'];
    const { stdout } = await promisify(execFile)(
      cli,
      [...args, '-w', `checkout-session:${id}`, '-r', first],
      { maxBuffer: 10_000_000 },
    );
    writeFileSync(`${HISTORIES}/${name}.json`, stdout);
  }
  await system.close();
}

/** The runs of a session, the first one first. */
async function runsOf(system: System, id: string): Promise<string[]> {
  const connection = await Connection.connect({ address: system.temporal.address });
  const client = new Client({ connection });
  const found = await until(
    async () => {
      const runs = [];
      for await (const run of client.workflow.list({
        query: `WorkflowId = 'checkout-session:${id}'`,
      })) {
        runs.push(run);
      }
      return runs;
    },
    (runs) => runs.length > 0 && runs.every((run) => run.status.name === 'COMPLETED'),
  );
  await connection.close();
  return found.sort((a, b) => a.startTime.getTime() - b.startTime.getTime()).map((r) => r.runId);
}

const soon = () => new Date(Date.now() + 4_000).toISOString();

const FLOWS: Record<string, (system: System) => Promise<string>> = {
  paid: async (system) => {
    const { id, memo } = await system.open();
    await system.pay(memo);
    return id;
  },
  expired: async (system) => {
    const { id } = await system.open({ expiresAt: soon() });
    return id;
  },
  cancelled: async (system) => {
    const { id } = await system.open();
    await system.client.cancelSession(id);
    return id;
  },
  'reported-and-retried': async (system) => {
    system.receiver.answerWith(({ sessionId }) => {
      const posts = system.receiver.received.filter((p) => p.sessionId === sessionId);
      return { status: posts.length < 2 ? 500 : 200 };
    });
    const { id, memo } = await system.open();
    const hash = await system.pay(memo);
    await system.client.wake(id, { txHash: hash });
    await system.client.reportPayment(id, hash);
    return id;
  },
};

beforeAll(() => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
});

describe('recorded runs', () => {
  const names = readdirSync(HISTORIES).filter((name) => name.endsWith('.json'));

  test.each(names)('%s replays', async (name) => {
    const history: unknown = JSON.parse(readFileSync(`${HISTORIES}/${name}`, 'utf8'));
    const codePath = given('bundle');
    await Worker.runReplayHistory({ workflowBundle: { codePath } }, history, workflowIdOf(history));
  });

  test('two hundred that went through the faults of the certificate replay', async () => {
    const kept = gunzipSync(readFileSync(`${HISTORIES}/certified.jsonl.gz`))
      .toString()
      .split('\n');
    const histories = kept.map(
      (line) => JSON.parse(line) as { workflowId: string; history: unknown },
    );
    const codePath = given('bundle');
    const broken: unknown[] = [];
    for await (const { workflowId, error } of Worker.runReplayHistories(
      { workflowBundle: { codePath } },
      histories,
    )) {
      if (error) broken.push({ workflowId, error });
    }
    expect(broken).toEqual([]);
    expect(histories).toHaveLength(200);
  });

  test('cover every flow', () => {
    const recorded = names.filter((name) => !name.endsWith('.earlier.json'));
    expect(recorded.sort()).toEqual(
      Object.keys(FLOWS)
        .map((name) => `${name}.json`)
        .sort(),
    );
  });
});
