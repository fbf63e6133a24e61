/** Keeps webhooks outside: a merchant chooses the URL, so it must not lead to anything of ours. */
import { lookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** The URL leads somewhere that no webhook may go. Nothing was sent. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

/**
 * The URL, if a webhook may be sent there as far as the text tells: http or https, no user info, and an IP literal (in
 * whatever spelling; the URL parser normalises it) must be public. `isAllowed` tells that the operator has allowed this
 * very host and port, for development. @throws AddressRefused
 */
export function judgeUrl(
  text: string,
  allow: ReadonlySet<string>,
): { url: URL; isAllowed: boolean } {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new AddressRefused(`The webhook URL ${JSON.stringify(text)} is not http(s).`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new AddressRefused('The webhook URL contains a user name or password.');
  }
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  const isAllowed = allow.has(`${url.hostname}:${port}`);
  const literal = url.hostname.replace(/^\[(.*)\]$/, '$1');
  // undici's lookup is never asked about literals, so they are judged here.
  if (!isAllowed && ipaddr.isValid(literal)) requirePublic(literal, url.hostname);
  return { url, isAllowed };
}

/**
 * Resolves a name for the one connection that is about to be made, and refuses it when any of its addresses is not
 * public. What was judged is what is connected to, so a second answer of the DNS cannot change it.
 */
export const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) {
      callback(error, [], 0);
      return;
    }
    try {
      for (const { address } of addresses) requirePublic(address, hostname);
    } catch (refusal) {
      callback(refusal as AddressRefused, [], 0);
      return;
    }
    answer(addresses, options.all === true, callback);
  });
};

function answer(
  addresses: readonly LookupAddress[],
  all: boolean,
  callback: Parameters<LookupFunction>[2],
): void {
  const [first] = addresses;
  if (all || !first) callback(null, [...addresses]);
  else callback(null, first.address, first.family);
}

/** All that is given out of IPv6 lies in here (RFC 4291 §2.4); `::7f00:1`, an IPv4 address in disguise, does not. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');

/** Public means unicast after unwrapping what hides an address inside another (IPv4-mapped IPv6). */
function requirePublic(text: string, host: string): void {
  const address = ipaddr.process(text);
  const range = address.range();
  const given = !(address instanceof ipaddr.IPv6) || address.match(GLOBAL_IPV6);
  if (range === 'unicast' && given) return;
  throw new AddressRefused(
    `The webhook host ${host} leads to ${text}, which is not public (${given ? range : 'reserved'}).`,
  );
}
