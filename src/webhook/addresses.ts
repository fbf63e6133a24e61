/** Which addresses are public: those that a webhook may be sent to. */
import ipaddr from 'ipaddr.js';

/**
 * Not global unicast, by IANA's special-purpose registry for IPv4 (RFC 6890 and its updates), and what clouds serve
 * beside it. Written out, so that no library's idea of "unicast" decides alone.
 */
const SPECIAL_IPV4 = [
  ['0.0.0.0/8', 'this network'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'carrier-grade NAT'], // also Alibaba Cloud's metadata, 100.100.100.200
  ['127.0.0.0/8', 'loopback'],
  ['168.63.129.16/32', "Azure's own service"], // a public address by every registry, and inside of every Azure machine
  ['169.254.0.0/16', 'link-local'], // also the metadata of most clouds, 169.254.169.254
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'protocol assignments'], // also Oracle Cloud's metadata, 192.0.0.192
  ['192.0.2.0/24', 'documentation'],
  ['192.31.196.0/24', 'AS112'],
  ['192.52.193.0/24', 'AMT'],
  ['192.88.99.0/24', '6to4 relay'],
  ['192.168.0.0/16', 'private'],
  ['192.175.48.0/24', 'AS112'],
  ['198.18.0.0/15', 'benchmarking'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
] as const;

/**
 * All that is given out of IPv6 lies in 2000::/3 (RFC 4291 §2.4). Outside of it are loopback, unique local, link-local,
 * multicast, IPv4 in disguise (::/96, ::ffff:0:0/96), NAT64 (64:ff9b::/96, 64:ff9b:1::/48), 100::/64 and SRv6 (5f00::/16).
 */
const GIVEN_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');
const SPECIAL_IPV6 = [
  ['2001::/23', 'protocol assignments'], // Teredo, ORCHID, benchmarking, AMT, AS112 among them
  ['2001:db8::/32', 'documentation'],
  ['2002::/16', '6to4, an IPv4 address in disguise'],
  ['2620:4f:8000::/48', 'AS112'],
  ['3ffe::/16', 'given back'],
  ['3fff::/20', 'documentation'],
] as const;

const IPV4 = SPECIAL_IPV4.map(([cidr, what]) => ({ range: ipaddr.IPv4.parseCIDR(cidr), what }));
const IPV6 = SPECIAL_IPV6.map(([cidr, what]) => ({ range: ipaddr.IPv6.parseCIDR(cidr), what }));

/**
 * Why an address is not public, in a few words; null when it is. A NAT64 prefix of somebody's own lies within 2000::/3
 * and cannot be known here: a network that has one must not route it to what is inside.
 */
export function notPublic(text: string): string | null {
  if (!ipaddr.isValid(text)) return 'not an address';
  const address = ipaddr.parse(text);
  if (address instanceof ipaddr.IPv6) {
    if (!address.match(GIVEN_IPV6)) return reasonOutside(address);
    return IPV6.find(({ range }) => address.match(range))?.what ?? byLibrary(address);
  }
  const v4 = address;
  return IPV4.find(({ range }) => v4.match(range))?.what ?? byLibrary(v4);
}

function reasonOutside(address: ipaddr.IPv6): string {
  const range = address.range();
  return range === 'unicast' ? 'reserved' : range;
}

/** The library is asked last, for what it may know and this page does not. */
function byLibrary(address: ipaddr.IPv4 | ipaddr.IPv6): string | null {
  const range = address.range();
  return range === 'unicast' ? null : range;
}
