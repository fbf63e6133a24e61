/** Which of several nodes answers a request, and what it says of itself. */
import { describe, expect, test } from '@jest/globals';
import { startSandboxLedger } from '../../../src/sandbox/ledger/start.ts';
import { onNetwork } from './network.ts';
import type { Network } from './network.ts';

/** The nodes that answered these requests, one after the other. */
async function answering({ get }: Network, ...paths: string[]): Promise<(string | null)[]> {
  const names = [];
  for (const path of paths) names.push((await get(path)).headers.get('sandbox-node'));
  return names;
}

const five = (path: string) => Array.from({ length: 5 }, () => path);

describe('a request is answered', () => {
  test(
    'by the nodes of its path, in turn, and elsewhere by one with the whole history',
    onNetwork(async (network) => {
      const { nodes } = network.ledger;
      nodes.set([
        { name: 'a', path: '^/ledgers' },
        { name: 'b', path: '^/ledgers\\?.*desc' },
        { name: 'c', path: '^/ledgers' },
      ]);
      expect(await answering(network, ...five('/ledgers?order=desc'))).toEqual([
        'a',
        'b',
        'c',
        'a',
        'b',
      ]);
      expect(await answering(network, '/ledgers', '/', '/ledgers')).toEqual(['a', 'whole', 'c']);
      expect(nodes.list().map(({ node, answered }) => [node.name, answered])).toEqual([
        ['a', 3],
        ['b', 2],
        ['c', 2],
      ]);
      nodes.clear();
      expect(await answering(network, '/ledgers')).toEqual(['whole']);
    }),
  );

  test(
    'by the first of its path, by one drawn with a seed, or by the one that a function returns',
    onNetwork(async (network) => {
      const { nodes } = network.ledger;
      const two = [{ name: 'a', path: 'desc' }, { name: 'b' }];
      nodes.set(two, 'first');
      expect(await answering(network, '/', '/ledgers?order=desc', '/')).toEqual(['b', 'a', 'b']);
      const drawn = async (seed: number) => {
        nodes.set([{ name: 'a' }, { name: 'b' }], { seed });
        return await answering(network, ...five('/'), ...five('/'), ...five('/'));
      };
      const first = await drawn(1);
      expect(new Set(first)).toEqual(new Set(['a', 'b']));
      expect(await drawn(1)).toEqual(first);
      expect(await drawn(2)).not.toEqual(first);
      nodes.set(two, ({ path, turn }, candidates) =>
        path === '/' && turn > 0 ? candidates.at(-1) : undefined,
      );
      expect(await answering(network, '/', '/', '/ledgers')).toEqual(['whole', 'b', 'whole']);
    }),
  );

  test(
    'by a slow node as of when it was asked, though others overtake it',
    onNetwork(async (network) => {
      const { ledger, get } = network;
      ledger.nodes.set([{ name: 'slow', path: '^/$', delayMs: 1000 }]);
      const slow = get('/').then(({ body }) => body['history_latest_ledger']);
      // It has read when it is counted.
      while (ledger.nodes.list()[0]?.answered === 0) await get('/ledgers?limit=1');
      ledger.closeLedger();
      const quick = get('/ledgers/2').then(({ status }) => status);
      expect(await Promise.race([slow, quick])).toBe(200);
      expect(await slow).toBe(1);
    }),
  );

  test(
    'under the faults that strike it, too',
    onNetwork(async (network) => {
      const { ledger, get } = network;
      for (let i = 0; i < 9; i++) ledger.closeLedger();
      ledger.nodes.set([{ name: 'late', head: { behind: 2 } }]);
      ledger.faults.set({ kind: 'lag', ledgers: 5, times: 1 });
      const heads = [];
      for (let i = 0; i < 2; i++) heads.push((await get('/')).body['history_latest_ledger']);
      expect(heads).toEqual([5, 8]);
      ledger.faults.set({ kind: 'timeout', times: 1 });
      expect(await answering(network, '/', '/')).toEqual([null, 'late']);
    }),
  );
});

describe('a node', () => {
  test(
    'says its own passphrase and version, or serves another network',
    onNetwork(async ({ ledger, get }) => {
      const version = { horizon: '28.0.0', core: 'v28' };
      ledger.nodes.set([{ name: 'foreign', passphrase: 'Elsewhere', version }]);
      expect((await get('/')).body).toMatchObject({
        network_passphrase: 'Elsewhere',
        horizon_version: '28.0.0',
        core_version: 'v28',
      });
      const other = await startSandboxLedger({
        closeEveryMs: null,
        firstLedger: 700,
        networkPassphrase: 'Another',
      });
      try {
        ledger.nodes.set([{ name: 'other', network: other.chain }]);
        expect((await get('/')).body).toMatchObject({
          network_passphrase: 'Another',
          history_latest_ledger: 700,
        });
        expect((await get('/ledgers/1')).status).toBe(410);
      } finally {
        await other.stop();
      }
    }),
  );
});

describe('nodes are set', () => {
  test(
    'from another process',
    onNetwork(async ({ command, get }) => {
      for (let i = 0; i < 3; i++) await command('close');
      const nodes = [
        { name: 'late', head: { behind: 1 }, path: '^/$' },
        { name: 'torn', oldest: { keeps: 3 }, gaps: [[3, 3]], operations: { head: { at: 2 } } },
      ];
      expect((await command('nodes', { nodes, choice: 'first' })).status).toBe(200);
      expect((await get('/')).body['history_latest_ledger']).toBe(3);
      expect((await get('/ledgers/3')).status).toBe(404);
      expect((await command('nodes')).body).toEqual({
        nodes: [
          { node: nodes[0], answered: 1 },
          { node: nodes[1], answered: 1 },
        ],
      });
      expect((await command('nodes', { nodes: [] })).body).toEqual({ nodes: [] });
      const wrong = await command('nodes', { nodes: [{ name: 'x', head: { ahead: 1 } }] });
      expect([wrong.status, wrong.body['extras']]).toMatchObject([400, { invalid_field: 'nodes' }]);
    }),
  );

  test(
    'but refused when they contradict themselves',
    onNetwork(async ({ ledger }) => {
      const { nodes } = ledger;
      nodes.set([{ name: 'kept' }]);
      const account = 'not an address';
      for (const wrong of [
        [{ name: 'x', path: '(' }],
        [{ name: 'x' }, { name: 'x' }],
        [{ name: 'x', oldest: { keeps: 0 } }],
        [{ name: 'x', gaps: [[5, 4] as const] }],
        [{ name: 'x', operations: { filter: { accounts: [account] } } }],
      ]) {
        expect(() => nodes.set(wrong)).toThrow(RangeError);
      }
      expect(nodes.list().map(({ node }) => node.name)).toEqual(['kept']);
    }),
  );
});
