import { describe, expect, test } from '@jest/globals';
import { AddressRefused, judgeUrl, lookupPublic } from '../../src/webhook/guard.ts';

const NOBODY = new Set<string>();
const allowed = (url: string, ...hosts: string[]) => judgeUrl(url, new Set(hosts)).isAllowed;

describe('a URL that no webhook may go to', () => {
  test.each([
    ['loopback', 'http://127.0.0.1/hook'],
    ['loopback, another one', 'http://127.0.0.2/hook'],
    ['loopback in decimal', 'http://2130706433/hook'],
    ['loopback in hex', 'http://0x7f000001/hook'],
    ['loopback in hex, by parts', 'http://0x7f.0x0.0x0.0x1/hook'],
    ['loopback in octal', 'http://0177.0.0.1/hook'],
    ['loopback in short', 'http://127.1/hook'],
    ['loopback with a dot behind', 'http://127.0.0.1./hook'],
    ['loopback in full-width digits', 'http://１２７.０.０.１/hook'],
    ['0', 'http://0/hook'],
    ['0.0.0.0', 'http://0.0.0.0/hook'],
    ['the link-local address of cloud metadata', 'http://169.254.169.254/latest/meta-data'],
    ['carrier-grade NAT', 'http://100.64.0.1/hook'],
    ['a private network', 'http://10.0.0.1/hook'],
    ['a private network', 'http://172.16.0.1/hook'],
    ['a private network', 'http://192.168.1.1/hook'],
    ['a multicast address', 'http://224.0.0.1/hook'],
    ['broadcast', 'http://255.255.255.255/hook'],
    ['a benchmarking network', 'http://198.18.0.1/hook'],
    ['IPv6 loopback', 'http://[::1]/hook'],
    ['IPv6 unspecified', 'http://[::]/hook'],
    ['IPv4 loopback mapped into IPv6', 'http://[::ffff:127.0.0.1]/hook'],
    ['the same in hex', 'http://[::ffff:7f00:1]/hook'],
    ['IPv4 loopback behind NAT64', 'http://[64:ff9b::7f00:1]/hook'],
    ['IPv4 loopback behind 6to4', 'http://[2002:7f00:1::]/hook'],
    ['IPv4 loopback, the old compatible form', 'http://[::127.0.0.1]/hook'],
    ['IPv6 that nobody has been given', 'http://[4000::1]/hook'],
    ['an IPv6 unique local address', 'http://[fd00::1]/hook'],
    ['an IPv6 link-local address', 'http://[fe80::1]/hook'],
  ])('%s: %s', (_, url) => {
    expect(() => judgeUrl(url, NOBODY)).toThrow(AddressRefused);
    expect(() => judgeUrl(url, NOBODY)).toThrow(/not public/);
    expect(() => judgeUrl(url.replace('http:', 'https:'), NOBODY)).toThrow(AddressRefused);
  });

  test.each([
    ['ftp', 'ftp://merchant.example/hook'],
    ['a file', 'file:///etc/passwd'],
    ['text', 'merchant.example/hook'],
    ['nothing', ''],
    ['a broken address', 'http://[::1'],
  ])('is no http(s): %s', (_, url) => {
    expect(() => judgeUrl(url, NOBODY)).toThrow(/is not http\(s\)/);
    expect(() => judgeUrl(url, NOBODY)).toThrow(AddressRefused);
  });

  test.each(['http://user@merchant.example/', 'https://user:pass@merchant.example/'])(
    'has user info: %s',
    (url) => {
      expect(() => judgeUrl(url, NOBODY)).toThrow(/user name or password/);
      // What is refused must not come into a log with the password in it.
      expect(() => judgeUrl(url, NOBODY)).not.toThrow(/pass@/);
    },
  );
});

test.each([
  'https://merchant.example/hook?shop=7',
  'http://merchant.example:8080/',
  'https://8.8.8.8/hook',
  'https://[2606:4700::1111]/hook',
])('a public URL is sent to as it is: %s', (url) => {
  expect(judgeUrl(url, NOBODY)).toEqual({ url: new URL(url), isAllowed: false });
});

describe('the allow-list', () => {
  test.each([
    ['http://127.0.0.1:8080/hook', '127.0.0.1:8080'],
    ['http://localhost:3000/hook', 'localhost:3000'],
    ['http://LOCALHOST:3000/hook', 'localhost:3000'],
    ['http://[::1]:8080/hook', '[::1]:8080'],
    ['http://127.0.0.1/hook', '127.0.0.1:80'],
    ['https://127.0.0.1/hook', '127.0.0.1:443'],
    ['http://2130706433:8080/hook', '127.0.0.1:8080'],
  ])('%s by %s', (url, host) => {
    expect(allowed(url, host)).toBe(true);
  });

  test.each([
    ['another port', 'http://127.0.0.1:8081/hook', '127.0.0.1:8080'],
    ['the port of the other scheme', 'https://127.0.0.1/hook', '127.0.0.1:80'],
    ['a port that begins like it', 'http://127.0.0.1:80801/', '127.0.0.1:8080'],
    ['a host without its port', 'http://127.0.0.1:8080/', '127.0.0.1'],
    ['another address', 'http://127.0.0.2:8080/hook', '127.0.0.1:8080'],
  ])('is exact: not %s', (_, url, host) => {
    expect(() => judgeUrl(url, new Set([host]))).toThrow(AddressRefused);
  });

  test.each([
    ['localhost:3000', 'http://localhost.merchant.example:3000/'],
    ['localhost:3000', 'http://localhost:3001/'],
    ['merchant.example:80', 'http://www.merchant.example/'],
  ])('%s does not allow the name %s', (host, url) => {
    expect(allowed(url, host)).toBe(false);
  });

  test('allows user info no more than before', () => {
    const url = 'http://user:pass@127.0.0.1:8080/';
    expect(() => judgeUrl(url, new Set(['127.0.0.1:8080']))).toThrow(AddressRefused);
  });
});

describe('a name', () => {
  const look = (name: string) =>
    new Promise((resolve, reject) => {
      lookupPublic(name, { all: true }, (error, addresses) =>
        error ? reject(error) : resolve(addresses),
      );
    });

  test('that leads inside is refused when it is looked up', async () => {
    await expect(look('localhost')).rejects.toThrow(AddressRefused);
    await expect(look('localhost')).rejects.toThrow(/localhost leads to .* not public/);
  });

  test('that does not exist is an error of the network, not a refusal', async () => {
    const failure = await look('nobody.invalid').catch((error: unknown) => error);
    expect(failure).toHaveProperty('code', expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/));
    expect(failure).not.toBeInstanceOf(AddressRefused);
  });

  test('that leads outside is answered as it was asked: one address, or all', async () => {
    // The lookup of a literal is the literal itself, so that this needs no DNS.
    expect(await look('8.8.8.8')).toEqual([{ address: '8.8.8.8', family: 4 }]);
    const one = await new Promise((resolve) => {
      lookupPublic('8.8.8.8', { all: false }, (_, ...answer) => resolve(answer));
    });
    expect(one).toEqual(['8.8.8.8', 4]);
  });
});
