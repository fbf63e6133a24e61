/** What does not arrive, arrives broken or is refused says nothing about the ledger: it is an error with its reason. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { askingFor } from '../../src/horizon/budget.ts';
import {
  HorizonRateLimited,
  HorizonRefused,
  HorizonTooMuch,
  HorizonUnavailable,
} from '../../src/horizon/errors.ts';
import { createHorizonHttp, LARGEST_ANSWER, type HorizonHttp } from '../../src/horizon/http.ts';
import type { FaultKind } from '../../src/sandbox/ledger/faults.ts';
import { startSandboxLedger, type SandboxLedger } from '../../src/sandbox/ledger/start.ts';

/** Runs a test against a sandbox ledger of its own. */
async function onLedger(
  body: (http: HorizonHttp, ledger: SandboxLedger) => Promise<void>,
  answerWithinMs = 10_000,
) {
  const ledger = await startSandboxLedger({ closeEveryMs: null });
  const http = createHorizonHttp({ url: `${ledger.url}/`, requestsPerHour: 0, answerWithinMs });
  try {
    await body(http, ledger);
  } finally {
    await http.close();
    await ledger.stop();
  }
}

test('a key in the address of a provider is in no error, whatever Horizon answers', async () => {
  const replies: [number, string][] = [
    [500, 'broken'],
    [429, ''],
    [400, 'bad'],
    [200, 'no JSON'],
  ];
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const [status, body] = replies.shift() ?? [0, ''];
    if (status === 0) request.socket.destroy();
    else response.writeHead(status, { 'retry-after': '0.001' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/keyOfTheProvider/`;
  const http = createHorizonHttp({ url, requestsPerHour: 0 });
  const failures = [];
  for (let i = 0; i < 5; i += 1) {
    failures.push(await http.get('/accounts/G', { limit: '1' }).catch((error: unknown) => error));
  }
  await http.close();
  await new Promise((resolve) => server.close(resolve));
  expect(new Set(asked)).toEqual(new Set(['/keyOfTheProvider/accounts/G?limit=1']));
  for (const failure of failures) {
    expect(failure).toBeInstanceOf(Error);
    expect(String(failure)).toContain(`127.0.0.1:${port}/accounts/G?limit=1`);
    expect(String(failure)).not.toContain('keyOfTheProvider');
  }
});

describe('no usable answer', () => {
  test.each<[FaultKind, RegExp]>([
    [{ kind: 'server_error' }, /answered 500/],
    [{ kind: 'stale_history' }, /answered 503 .*stale_history/],
    [{ kind: 'still_ingesting' }, /answered 503 .*still_ingesting/],
    [{ kind: 'over_capacity' }, /answered 503 .*server_over_capacity/],
    [{ kind: 'timeout' }, /answered 504/],
    [{ kind: 'disconnect' }, /did not answer/],
    [{ kind: 'disconnect', half: true }, /did not answer/],
    [{ kind: 'truncated' }, /is no JSON/],
  ])('%j', async (fault, message) => {
    await onLedger(async (http, ledger) => {
      ledger.faults.set({ ...fault, times: 1 });
      const failure = await http.get('/').catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(HorizonUnavailable);
      expect(failure).toHaveProperty('message', expect.stringMatching(message));
      expect(await http.get('/')).not.toBeNull();
    });
  });

  test('a socket that hangs', async () => {
    await onLedger(async (http, ledger) => {
      ledger.faults.set({ kind: 'hang', times: 1 });
      await expect(http.get('/')).rejects.toThrow(HorizonUnavailable);
    }, 50);
  });

  test('an answer that begins and then hangs', async () => {
    const server = createServer((_, response) => {
      response.writeHead(200).write('{"_links":');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const http = createHorizonHttp({ url, requestsPerHour: 0, answerWithinMs: 50 });
    await expect(http.get('/')).rejects.toThrow(HorizonUnavailable);
    await http.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test('nobody there', async () => {
    await onLedger(async (http, ledger) => {
      await ledger.stop();
      await expect(http.get('/')).rejects.toThrow(HorizonUnavailable);
    });
  });
});

test('answers that hang for a report take no connection from the reader', async () => {
  const held: ServerResponse[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/hang') held.push(response);
    else response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const http = createHorizonHttp({ url: `http://127.0.0.1:${port}`, requestsPerHour: 0 });
  // More than all connections of the reader and of reports together.
  const hanging = askingFor('reports', () =>
    Array.from({ length: 20 }, () => http.get('/hang').catch(() => null)),
  );
  while (held.length < 4) await new Promise((resolve) => server.once('request', resolve));
  expect(await http.get('/')).toMatchObject({ body: {} });
  expect(held).toHaveLength(4);
  await http.close();
  await Promise.all(hanging);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('the rate limit', () => {
  test.each<[number, number]>([
    [1, 1000],
    [3600, 60_000],
  ])('Retry-After: %d is a pause of %d ms: a minute at most', async (seconds, ms) => {
    await onLedger(async (http, ledger) => {
      ledger.faults.set({ kind: 'rate_limited', retryAfterSeconds: seconds, times: 1 });
      const failure = await http.get('/').catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(HorizonRateLimited);
      expect(failure).toHaveProperty('retryAfterMs', ms);
    });
  });

  test.each<FaultKind>([
    { kind: 'rate_limited', retryAfterSeconds: 1 },
    { kind: 'still_ingesting', retryAfterSeconds: 1 },
  ])('after %j nobody asks until the time is over', async (fault) => {
    await onLedger(async (http, ledger) => {
      const other = createHorizonHttp({ url: ledger.url, requestsPerHour: 0 });
      ledger.faults.set({ ...fault, times: 1 });
      await expect(http.get('/')).rejects.toThrow();
      const paused = http.get('/').then(() => 'paused');
      expect(await Promise.race([paused, other.get('/').then(() => 'other')])).toBe('other');
      expect(await paused).toBe('paused');
      await other.close();
    });
  });
});

describe('answers', () => {
  test('404 is null: this node does not show it now', async () => {
    await onLedger(async (http) => {
      expect(await http.get('/ledgers/999999')).toBeNull();
    });
  });

  test('another 4xx is our own mistake, with what Horizon says about it', async () => {
    await onLedger(async (http) => {
      const asked = http.get('/accounts/MABC/payments');
      await expect(asked).rejects.toThrow(HorizonRefused);
      await expect(http.get('/payments', { limit: '201' })).rejects.toThrow(/400.*limit/);
    });
  });

  test('only an account says of which ledger it is', async () => {
    await onLedger(async (http, ledger) => {
      const root = ledger.chain.rootKeypair.publicKey();
      const head = ledger.closeLedger();
      expect((await http.get(`/accounts/${root}`))?.latestLedger).toBe(head);
      expect((await http.get('/'))?.latestLedger).toBeNull();
    });
  });
});

test('one use has eight answers in memory at the most, and none is above the limit', async () => {
  const open = new Set<() => void>();
  let most = 0;
  const eight = Promise.withResolvers<void>();
  const server = createServer((_, response) => {
    open.add(() => response.writeHead(200).end('{}'));
    most = Math.max(most, open.size);
    if (open.size === 8) eight.resolve();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const http = createHorizonHttp({ url: `http://127.0.0.1:${port}`, requestsPerHour: 0 });
  const asked = Array.from({ length: 20 }, (_, i) => http.get(`/ledgers/${i}`));
  await eight.promise;
  const all = Promise.all(asked);
  const answered = (async () => {
    for (let left = 20; left > 0; await new Promise((resolve) => setImmediate(resolve))) {
      for (const answer of open) {
        open.delete(answer);
        answer();
        left -= 1;
      }
    }
  })();
  expect(await all).toHaveLength(20);
  await answered;
  expect(most).toBe(8);
  const large = http.get('/payments').catch((error: unknown) => error);
  server.removeAllListeners('request');
  server.on('request', (_, response: ServerResponse) =>
    response.writeHead(200).end('x'.repeat(LARGEST_ANSWER + 1)),
  );
  expect(await large).toBeInstanceOf(HorizonTooMuch);
  await http.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
