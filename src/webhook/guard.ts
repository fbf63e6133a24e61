/** Keeps webhooks outside: a merchant chooses the URL, so it must not lead to anything of ours. */
import ipaddr from 'ipaddr.js';
import { shownUrl } from '../domain/shown-url.ts';
import { notPublic } from './addresses.ts';

/** The URL leads somewhere that no webhook may go. Nothing was sent. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

/** Longer than any real address; what is longer is a merchant's way to fill logs and rows. */
const LONGEST_URL = 2_048;

/** What an operator allows. */
export type UrlRules = {
  /** host:port of receivers that may be inside and need no HTTPS, for development. */
  readonly allow: ReadonlySet<string>;
  /** Whether a URL may be http: then anybody on the way reads what is sent. */
  readonly plainHttp: boolean;
};

/**
 * The URL, if a webhook may be sent there as far as the text tells: https (or http where that is allowed), no user info,
 * and an IP literal (in whatever spelling; the URL parser normalises it) must be public. `isAllowed` tells that the
 * operator has allowed this very host and port. @throws AddressRefused, whose message holds no secret of the URL
 */
export function judgeUrl(text: string, rules: UrlRules): { url: URL; isAllowed: boolean } {
  if (text.length > LONGEST_URL) {
    throw new AddressRefused(`The webhook URL is longer than ${LONGEST_URL} characters.`);
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new AddressRefused(`The webhook URL ${shownUrl(text)} is not http(s).`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new AddressRefused('The webhook URL contains a user name or password.');
  }
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  if (rules.allow.has(`${url.hostname}:${port}`)) return { url, isAllowed: true };
  requireOutside(url.hostname);
  if (url.protocol === 'http:' && !rules.plainHttp) {
    throw new AddressRefused(
      `The webhook URL ${shownUrl(text)} is not https (WEBHOOK_PLAIN_HTTP=allow would let it pass).`,
    );
  }
  return { url, isAllowed: false };
}

/** Names and literals that need no resolver to be judged. @throws AddressRefused */
function requireOutside(hostname: string): void {
  const literal = hostname.replace(/^\[(.*)\]$/, '$1');
  if (ipaddr.isValid(literal)) requirePublic([literal], hostname);
  // RFC 6761: these names are loopback wherever they are resolved, and no resolver needs to know them.
  if (/(^|\.)localhost\.?$/i.test(hostname)) {
    throw new AddressRefused(`The webhook host ${hostname} is not public (loopback).`);
  }
}

/** Every address of a host, since any of them may be connected to. @throws AddressRefused when one is not public */
export function requirePublic(addresses: readonly string[], host: string): void {
  for (const address of addresses) {
    const reason = notPublic(address);
    if (reason === null) continue;
    throw new AddressRefused(
      `The webhook host ${host} leads to ${address}, which is not public (${reason}).`,
    );
  }
}
