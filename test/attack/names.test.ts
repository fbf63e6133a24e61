/** The attacker's name server: silent for most names, and an address inside for the others. */
import { Resolver } from 'node:dns/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { INSIDE, startNameServer, type NameServer } from '../../attack/names.ts';

let server: NameServer;
let resolver: Resolver;
beforeEach(async () => {
  server = await startNameServer('127.0.0.1', 0);
  resolver = new Resolver({ timeout: 200, tries: 1 });
  resolver.setServers([`127.0.0.1:${server.port}`]);
});
afterEach(() => server.stop());

test('a silent name is asked for and never answered', async () => {
  await expect(resolver.resolve4('silent.attack.test')).rejects.toMatchObject({ code: 'ETIMEOUT' });
  expect(server.asked.silent).toBeGreaterThan(0);
});

test('a name that leads inside has another address each time', async () => {
  const [first] = await resolver.resolve4(`rebinding.${INSIDE}`);
  const [second] = await resolver.resolve4(`rebinding.${INSIDE}`);
  expect([first, second]).toEqual(['127.0.0.1', '0.0.0.0']);
  expect(server.asked).toEqual({ silent: 0, inside: 2 });
});
