/**
 * The names of merchants, resolved by c-ares: its queries are sockets of their own. `dns.lookup` would take one of the few
 * threads on which Horizon's name, files and crypto wait, too, for as long as a merchant's name server is silent.
 */
import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { reached } from '../metrics/bounds.ts';
import { AddressRefused, requirePublic } from './guard.ts';

/** One try at one name server. A server that is further away than this is as good as silent. */
const QUERY_WITHIN_MS = 1_500;
const TRIES = 2;
/** All of it, over all name servers: a third of the POST's time, so that the rest is enough to connect and to answer. */
const RESOLVE_WITHIN_MS = 5_000;
/** When one family has answered, so long is waited for the other: some name servers never answer for AAAA. */
const OTHER_FAMILY_WITHIN_MS = 300;
/** Addresses of one name that are tried; a name may have thousands. All of them are judged. */
const ADDRESSES_TRIED = 8;
/** Answers of a name server that mean: this family has no address. */
const EMPTY = new Set(['ENODATA', 'ENOTFOUND']);

/** A name was not resolved; it may be another time. */
export class NotResolved extends Error {
  override readonly name = 'NotResolved';
}

/** Names as they were judged, for the connections that are made while a POST is under way. */
export type Names = {
  /**
   * Resolves and judges the name, and runs the work: connections made by `lookup` meanwhile get the judged addresses.
   * @throws AddressRefused, NotResolved
   */
  holding<T>(host: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** Answers with what was judged and nothing else, so another answer of the DNS cannot change where a POST goes. */
  readonly lookup: LookupFunction;
};

/** `servers`: name servers (`address:port`) instead of the system's. `withinMs`: 5 s unless given. */
export function createNames(
  options: { servers?: readonly string[]; withinMs?: number } = {},
): Names {
  const held = new Map<string, { addresses: readonly LookupAddress[]; users: number }>();
  return {
    async holding(host, signal, work) {
      const addresses = await resolve(host, signal, options);
      const name = { addresses, users: (held.get(host)?.users ?? 0) + 1 };
      held.set(host, name);
      try {
        return await work();
      } finally {
        const users = (held.get(host)?.users ?? 1) - 1;
        if (users === 0) held.delete(host);
        else held.set(host, { addresses: held.get(host)?.addresses ?? addresses, users });
      }
    },
    lookup: (host, { all }, callback) => {
      const addresses = held.get(host)?.addresses ?? [];
      const [first] = addresses;
      // Node's `net` cannot bear an empty list: it throws where nobody catches.
      if (!first) callback(new AddressRefused(`The webhook host ${host} was not judged.`), [], 0);
      else if (all === true) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    },
  };
}

/** Addresses of a name, all of them public; never none. @throws AddressRefused, NotResolved */
async function resolve(
  host: string,
  signal: AbortSignal,
  options: { servers?: readonly string[]; withinMs?: number },
): Promise<LookupAddress[]> {
  signal.throwIfAborted();
  const resolver = new Resolver({ timeout: QUERY_WITHIN_MS, tries: TRIES });
  if (options.servers) resolver.setServers(options.servers);
  const withinMs = options.withinMs ?? RESOLVE_WITHIN_MS;
  const cancel = () => resolver.cancel();
  const timer = setTimeout(cancel, withinMs);
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const answers = await bothFamilies(resolver, host);
    signal.throwIfAborted();
    const found = answers.flatMap(({ addresses }) => addresses);
    if (found.length === 0) throw noAddress(host, answers, withinMs);
    requirePublic(
      found.map(({ address }) => address),
      host,
    );
    if (found.length > ADDRESSES_TRIED) reached('addresses');
    return found.slice(0, ADDRESSES_TRIED);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', cancel);
    resolver.cancel();
  }
}

type Answer = { readonly addresses: readonly LookupAddress[]; readonly code: string | null };

/** Both families at once; the second is waited for only a moment when the first has brought something. */
async function bothFamilies(resolver: Resolver, host: string): Promise<readonly Answer[]> {
  const four = query(resolver.resolve4(host), 4);
  const six = query(resolver.resolve6(host), 6);
  const first = await Promise.race([four, six]);
  if (first.addresses.length === 0) return Promise.all([four, six]);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly Answer[]>((done) => {
    timer = setTimeout(() => done([first]), OTHER_FAMILY_WITHIN_MS);
  });
  const answers = await Promise.race([Promise.all([four, six]), late]);
  clearTimeout(timer);
  return answers;
}

async function query(asked: Promise<string[]>, family: 4 | 6): Promise<Answer> {
  try {
    return { addresses: (await asked).map((address) => ({ address, family })), code: null };
  } catch (error) {
    return { addresses: [], code: String((error as { code?: unknown }).code) };
  }
}

/** A name that exists without an address leads nowhere; one that is unknown or did not answer may come. */
function noAddress(host: string, answers: readonly Answer[], withinMs: number): Error {
  const codes = answers.flatMap(({ code }) => (code === null ? [] : [code]));
  const problem = codes.find((code) => !EMPTY.has(code));
  if (problem === 'ECANCELLED') {
    reached('resolve_ms');
    return new NotResolved(`No name server answered for ${host} within ${withinMs / 1000} s.`);
  }
  if (problem !== undefined)
    return new NotResolved(`${problem} The name ${host} was not resolved.`);
  if (codes.includes('ENOTFOUND')) {
    return new NotResolved(`ENOTFOUND The name ${host} does not exist.`);
  }
  return new AddressRefused(`The webhook host ${host} has no address.`);
}
