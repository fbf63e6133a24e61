import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Connection } from '@temporalio/client';
import { findTemporalCli } from '../../src/sandbox/find-temporal.ts';
import { startTemporalServer } from '../../src/sandbox/temporal-server.ts';
import { elsewhere, gone } from './gone.ts';

const SERVER = new URL('../../src/sandbox/temporal-server.ts', import.meta.url).href;
const progress = () => undefined;
const searchAttributes = [
  ['CheckoutStatus', 'Keyword'],
  ['NeedsAttention', 'Bool'],
  ['CheckoutDeadline', 'Datetime'],
] as const;

let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'temporal-server-test-'));
  await findTemporalCli((line) => process.stderr.write(`${line}\n`)); // may build it
}, 1_800_000);
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe('the dev server', () => {
  test('answers with its namespace, search attributes and UI, and ends when stopped', async () => {
    const server = await startTemporalServer({ progress, namespace: 'shop', searchAttributes });
    const connection = await Connection.connect({ address: server.address });
    const known = await connection.operatorService.listSearchAttributes({ namespace: 'shop' });
    expect(known.customAttributes).toMatchObject({
      CheckoutStatus: 2,
      NeedsAttention: 5,
      CheckoutDeadline: 6,
    });
    expect((await fetch(server.uiUrl)).status).toBe(200);
    await connection.close();
    await server.stop();
    await gone(server.pid);
  });

  test('is gone after its owner was killed, and the next one starts on its file and port', async () => {
    const dbFilename = join(dir, 'temporal.db');
    const owner = await elsewhere(`
      import { startTemporalServer } from ${JSON.stringify(SERVER)};
      const server = await startTemporalServer({
        progress: () => undefined,
        dbFilename: ${JSON.stringify(dbFilename)},
        searchAttributes: ${JSON.stringify(searchAttributes)},
      });
      console.log(JSON.stringify(server));`);
    const { pid, address } = JSON.parse(owner.line) as { pid: number; address: string };
    await owner.kill();
    await gone(pid);
    const port = Number(address.split(':')[1]);
    const next = await startTemporalServer({ progress, dbFilename, port, searchAttributes });
    expect(next.address).toBe(address);
    await next.stop();
  });

  test('that does not start says why', async () => {
    const dbFilename = join(dir, 'no-such-folder', 'temporal.db');
    await expect(startTemporalServer({ progress, dbFilename, searchAttributes })).rejects.toThrow(
      /The Temporal dev server is not ready: .*no-such-folder/s,
    );
  });
});
