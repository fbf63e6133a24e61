/** Worker versions: open runs move to the version that was made current, and the old workers may go. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findTemporalCli } from '../../src/sandbox/find-temporal.ts';
import { DEPLOYMENT } from '../../src/workflows/contract.ts';
import { settle } from '../support/settle-command.ts';
import { startSystem, until, type System } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.close());

/** As docs/operations.md says; until the server has seen the version's workers it is refused. */
async function makeCurrent(buildId: string): Promise<void> {
  const cli = await findTemporalCli(() => undefined);
  const version = ['--deployment-name', DEPLOYMENT, '--build-id', buildId];
  const args = ['worker', 'deployment', 'set-current-version', ...version, '--yes'];
  await until(
    () =>
      promisify(execFile)(cli, [...args, '--address', system.temporal.address]).then(
        () => 'done',
        (error: Error) => error.message,
      ),
    (said) => said === 'done',
  );
}

const atRest = (id: string) =>
  until(
    () => system.client.sessionState(id),
    (view) => view?.atRest === true,
    90_000,
  );

test('a session opened under one version, or none, is settled by the next', async () => {
  const unversioned = await system.worker();
  const first = await system.open();
  const v1 = await system.worker({ WORKER_BUILD_ID: '1.0.0' });
  await makeCurrent('1.0.0');
  expect(await unversioned.drain()).toBe(0);
  await system.pay(first.memo);
  expect(await atRest(first.id)).toMatchObject({ status: 'paid' });

  const second = await system.open();
  const v2 = await system.worker({ WORKER_BUILD_ID: '2.0.0' });
  await makeCurrent('2.0.0');
  expect(await v1.drain()).toBe(0);
  const { temporal } = JSON.parse((await settle(['status', '--json'], system.env)).out) as {
    temporal: { workers: string[] };
  };
  expect(temporal.workers).toContainEqual(expect.stringMatching(`^${v2.pid}@`));
  await system.pay(second.memo);
  expect(await atRest(second.id)).toMatchObject({ status: 'paid' });
  expect(await v2.drain()).toBe(0);
}, 120_000);
