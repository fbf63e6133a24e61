import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, test } from '@jest/globals';
import { Keypair } from '@stellar/stellar-sdk';
import { SandboxWallet, paymentTo } from '../../../src/sandbox/ledger/wallet.ts';
import { read } from './network.ts';

const MAIN = new URL('../../../src/sandbox/ledger/main.ts', import.meta.url).pathname;

test.each(['SIGTERM', 'SIGINT'] as const)(
  'as a process it prints where it is, closes by hand, and %s ends it with requests under way',
  async (signal) => {
    const child = spawn(process.execPath, [MAIN], {
      env: { SANDBOX_CLOSE_EVERY_MS: 'manual', SANDBOX_NETWORK_PASSPHRASE: 'A child ; 2026' },
      stdio: ['ignore', 'pipe', 'inherit'],
      // Killed rather than waited for: the request under way would hold it for 30 s, if it held it.
      timeout: 20_000,
      killSignal: 'SIGKILL',
    });
    const ended = once(child, 'exit');
    try {
      const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
      const { url, networkPassphrase, rootSecret } = JSON.parse(line) as Record<string, string>;
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
      expect(networkPassphrase).toBe('A child ; 2026');
      const post = async (path: string, body = '') =>
        await read(await fetch(`${url}${path}`, { method: 'POST', body }));
      const network = {
        url: url ?? '',
        networkPassphrase: networkPassphrase ?? '',
        closeLedger: async () => await post('/sandbox/close'),
      };
      const root = new SandboxWallet(network, Keypair.fromSecret(rootSecret ?? ''));
      const { address } = new SandboxWallet(network);
      expect((await root.createAccount(address, '5')).successful).toBe(true);

      const payment = await root.build([paymentTo(address, '1')]);
      const form = new URLSearchParams({ tx: payment.toXdr() }).toString();
      const unanswered = post('/transactions', form).catch(() => 'cut off');
      // The one after it has a bad sequence number until the network has taken it.
      const sequence = BigInt(payment.sequence) + 1n;
      const next = await root.build([paymentTo(address, '2')], { sequence });
      while ((await root.enqueue(next)) === 'ERROR');
      child.kill(signal);
      expect(await ended).toEqual([0, null]);
      expect(await unanswered).toBe('cut off');
    } finally {
      child.kill('SIGKILL');
    }
  },
);
