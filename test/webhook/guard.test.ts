import { describe, expect, test } from '@jest/globals';
import { loadSenderConfig, senderOptions } from '../../src/config.ts';
import { notPublic } from '../../src/webhook/addresses.ts';
import { AddressRefused, judgeUrl } from '../../src/webhook/guard.ts';

const by = (...hosts: string[]) => ({ allow: new Set(hosts), plainHttp: true });
const NOBODY = by();
const allowed = (url: string, ...hosts: string[]) => judgeUrl(url, by(...hosts)).isAllowed;

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
    ['another port of a name', 'http://localhost:3001/', 'localhost:3000'],
  ])('is exact: not %s', (_, url, host) => {
    expect(() => judgeUrl(url, by(host))).toThrow(AddressRefused);
  });

  test.each([
    ['localhost:3000', 'http://localhost.merchant.example:3000/'],
    ['merchant.example:80', 'http://www.merchant.example/'],
  ])('%s does not allow the name %s', (host, url) => {
    expect(allowed(url, host)).toBe(false);
  });

  test('allows user info no more than before', () => {
    const url = 'http://user:pass@127.0.0.1:8080/';
    expect(() => judgeUrl(url, by('127.0.0.1:8080'))).toThrow(AddressRefused);
  });
});

test.each(['http://localhost/', 'https://api.localhost/', 'https://LOCALHOST./'])(
  'a name that is loopback by definition is refused without a resolver: %s',
  (url) => {
    expect(() => judgeUrl(url, NOBODY)).toThrow(/not public \(loopback\)/);
  },
);

describe('http, where HTTPS is required', () => {
  const strict = { allow: new Set(['127.0.0.1:8080']), plainHttp: false };

  test('is refused, and the setting is named; https passes', () => {
    expect(() => judgeUrl('http://merchant.example/hook', strict)).toThrow(AddressRefused);
    expect(() => judgeUrl('http://merchant.example/hook', strict)).toThrow(
      /is not https \(WEBHOOK_PLAIN_HTTP=allow/,
    );
    expect(judgeUrl('https://merchant.example/hook', strict).isAllowed).toBe(false);
  });

  test('is taken for a receiver that the operator has allowed by name', () => {
    expect(judgeUrl('http://127.0.0.1:8080/', strict).isAllowed).toBe(true);
  });

  const settings = { NETWORK_PASSPHRASE: 'Public Global Stellar Network ; September 2015' };
  test.each([
    ['the public network', settings, false],
    ['another network', { NETWORK_PASSPHRASE: 'Test SDF Network ; September 2015' }, true],
    ['the public network, switched off', { ...settings, WEBHOOK_PLAIN_HTTP: 'allow' }, true],
    ['another network, switched on', { WEBHOOK_PLAIN_HTTP: 'refuse' }, false],
    ['nothing said', { WEBHOOK_PLAIN_HTTP: '' }, true],
  ])('is a matter of the network: %s', (_, env, plainHttp) => {
    expect(senderOptions(loadSenderConfig(env)).plainHttp).toBe(plainHttp);
  });
});

test('a refusal holds nothing of the URL that may be a secret, and no page of it', () => {
  const secret = 'T0K3N-0123456789abcdef';
  for (const url of [`ftp://m.example/${secret}`, `http://m.example/hook?key=${secret}`, secret]) {
    const refuse = () => judgeUrl(url, { allow: new Set(), plainHttp: false });
    expect(refuse).toThrow(AddressRefused);
    expect(refuse).not.toThrow(secret);
  }
  const long = `https://m.example/${'a'.repeat(3_000)}`;
  expect(() => judgeUrl(long, NOBODY)).toThrow('is longer than 2048 characters');
});

describe('every special range of the registries is not public, and what lies beside it is', () => {
  test.each([
    ['168.63.129.16', '168.63.129.17'],
    ['100.100.100.200', '100.128.0.1'],
    ['192.0.0.192', '192.0.1.1'],
    ['192.0.2.1', '192.0.3.1'],
    ['192.31.196.1', '192.31.197.1'],
    ['192.52.193.1', '192.52.194.1'],
    ['192.88.99.1', '192.88.100.1'],
    ['192.175.48.1', '192.175.49.1'],
    ['198.19.255.255', '198.20.0.1'],
    ['198.51.100.1', '198.51.101.1'],
    ['203.0.113.1', '203.0.114.1'],
    ['239.255.255.255', '223.255.255.1'],
    ['240.0.0.1', '223.0.0.1'],
    ['::ffff:8.8.8.8', '2606:4700::1111'],
    ['64:ff9b::808:808', '2400::1'],
    ['64:ff9b:1::1', '2a00::1'],
    ['100::1', '2800::1'],
    ['2001::1', '2001:200::1'],
    ['2001:20::1', '2001:4860::8888'],
    ['2001:db8::1', '2001:db9::1'],
    ['2002:808:808::1', '2003::1'],
    ['2620:4f:8000::1', '2620:4f:8001::1'],
    ['3fff::1', '3000::1'],
    ['5f00::1', '2c00::1'],
    ['fd00:ec2::254', '2600::1'],
    ['fe80::1', '2604::1'],
    ['ff02::1', '2610::1'],
    // Given to nobody yet.
    ['4000::1', '2620::1'],
    ['e000::1', '2630::1'],
  ])('%s, beside %s', (special, beside) => {
    expect(notPublic(special)).toEqual(expect.any(String));
    expect(notPublic(beside)).toBeNull();
  });

  test('what is no address is not public either', () => {
    expect(notPublic('merchant.example')).toBe('not an address');
  });
});
