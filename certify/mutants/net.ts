/** Deliberate breakages of how names, addresses, receivers, Horizon and the database are reached, and the test for each. */
import type { TestedMutant } from './settlement.ts';

const ADDRESSES = 'src/webhook/addresses.ts';
const GUARD = 'src/webhook/guard.ts';
const RESOLVE = 'src/webhook/resolve.ts';
const POST = 'src/webhook/post.ts';
const DATABASE_URL = 'src/db/database-url.ts';
const HTTP = 'src/horizon/http.ts';
const PAGES = 'src/horizon/pages.ts';

const inTest = (file: string, name: string) => ({ file: `test/${file}.test.ts`, name });
const guard = (name: string) => inTest('webhook/guard', name);
const names = (name: string) => inTest('webhook/names', name);
const post = (name: string) => inTest('webhook/post', name);
const ranges = guard('every special range of the registries is not public');
const everywhere = inTest('db/database-url', 'is refused, everywhere and by name');
const reader = (name: string) => inTest('horizon/budget', name);

/** Every one of them. */
export const NET_MUTANTS: readonly TestedMutant[] = [
  {
    name: "Azure's own service is public",
    edits: [
      {
        file: ADDRESSES,
        from: "  ['168.63.129.16/32', \"Azure's own service\"],",
        to: '  // one less',
      },
    ],
    test: ranges,
  },
  {
    name: 'IPv6 outside of what is given out is public',
    edits: [
      {
        file: ADDRESSES,
        from: 'if (!address.match(GIVEN_IPV6)) return reasonOutside(address);',
        to: 'if (!address.match(GIVEN_IPV6) && reasonOutside(address) === "") return null;',
      },
    ],
    test: ranges,
  },
  {
    name: 'only the first address of a host is judged',
    edits: [
      {
        file: GUARD,
        from: 'for (const address of addresses) {',
        to: 'for (const address of addresses.slice(0, 1)) {',
      },
    ],
    test: names('is nothing when what leads inside is'),
  },
  {
    name: 'only the addresses that are tried are judged',
    edits: [
      {
        file: RESOLVE,
        from: 'found.map(({ address }) => address),\n      host,',
        to: 'found.slice(0, ADDRESSES_TRIED).map(({ address }) => address),\n      host,',
      },
    ],
    test: names('is nothing when what leads inside is'),
  },
  {
    name: 'every address of a name is tried',
    edits: [
      { file: RESOLVE, from: 'return found.slice(0, ADDRESSES_TRIED);', to: 'return found;' },
    ],
    test: names('is at most eight addresses of a name that has many'),
  },
  {
    name: 'connections ask for the name again',
    edits: [
      {
        file: POST,
        from: 'connect: { ...connect, lookup: names.lookup }',
        to: 'connect',
      },
    ],
    test: inTest('webhook/names', 'is what was judged, also by the socket'),
  },
  {
    name: 'a POST that is over goes on asking name servers',
    edits: [
      {
        file: RESOLVE,
        from: "  signal.addEventListener('abort', cancel, { once: true });\n",
        to: '',
      },
    ],
    test: names('are given up when the POST is'),
  },
  {
    name: 'a silent name server is waited for',
    edits: [
      {
        file: RESOLVE,
        from: 'setTimeout(cancel, withinMs)',
        to: 'setTimeout(cancel, 100 * withinMs)',
      },
    ],
    test: names('are given up after a time of their own'),
  },
  {
    name: 'the other family is waited for',
    edits: [
      {
        file: RESOLVE,
        from: 'await Promise.race([Promise.all([four, six]), late])',
        to: 'await Promise.race([Promise.all([four, six])])',
      },
    ],
    test: names('for IPv6 alone do not keep the IPv4 address waiting'),
  },
  {
    name: 'an empty answer is a list of addresses',
    edits: [
      {
        file: RESOLVE,
        from: 'if (found.length === 0) throw noAddress(host, answers, withinMs);',
        to: 'if (found.length < 0) throw noAddress(host, answers, withinMs);',
      },
    ],
    test: names('is nothing when there is no such name'),
  },
  {
    name: 'HTTPS is not required',
    edits: [{ file: GUARD, from: "url.protocol === 'http:' && !rules.plainHttp", to: 'false' }],
    test: guard('is refused, and the setting is named'),
  },
  {
    name: 'HTTPS is required nowhere unless a setting says so',
    edits: [
      {
        file: 'src/config.ts',
        from: "WEBHOOK_PLAIN_HTTP = isPublic ? 'refuse' : 'allow'",
        to: "WEBHOOK_PLAIN_HTTP = isPublic ? 'allow' : 'allow'",
      },
    ],
    test: guard('is a matter of the network'),
  },
  {
    name: 'a URL may have a password',
    edits: [
      {
        file: GUARD,
        from: "url.username !== '' || url.password !== ''",
        to: "url.username === ' '",
      },
    ],
    test: guard('allows user info no more than before'),
  },
  {
    name: 'localhost is a name like others',
    edits: [
      { file: GUARD, from: '/(^|\\.)localhost\\.?$/i.test(hostname)', to: "hostname === ''" },
    ],
    test: guard('a name that is loopback by definition is refused'),
  },
  {
    name: 'a merchant has as many POSTs at once as endpoints allow',
    edits: [
      { file: POST, from: 'const MERCHANT_AT_ONCE = 20;', to: 'const MERCHANT_AT_ONCE = 99;' },
    ],
    test: post('twenty POSTs of one merchant at once'),
  },
  {
    name: 'an endpoint has as many POSTs at once as it likes',
    edits: [{ file: POST, from: 'const AT_ONCE = 5;', to: 'const AT_ONCE = 20;' }],
    test: post('five POSTs at once to one endpoint'),
  },
  {
    name: 'sending may take all slots of commits',
    edits: [
      {
        file: POST,
        from: 'if (beside >= BESIDE_COMMITS)',
        to: 'if (beside >= 2 * BESIDE_COMMITS)',
      },
    ],
    test: post('fifty pieces of work beside the commits'),
  },
  {
    name: 'an answer is read to its end',
    edits: [{ file: POST, from: 'if (size < LARGEST_ANSWER) continue;', to: 'continue;' }],
    test: post('that never ends is read only at its beginning'),
  },
  {
    name: 'DATABASE_URL may set anything',
    edits: [
      { file: DATABASE_URL, from: 'if (!PARAMETERS.includes(name)) {', to: "if (name === '') {" },
    ],
    test: everywhere,
  },
  {
    name: 'DATABASE_URL may have an empty sslmode',
    edits: [
      { file: DATABASE_URL, from: "if (value === '') return", to: 'if (value === " ") return' },
      {
        file: DATABASE_URL,
        from: '!SSL_MODES.includes(value)',
        to: '!["", ...SSL_MODES].includes(value)',
      },
    ],
    test: everywhere,
  },
  {
    name: 'a pool connects by whatever DATABASE_URL says',
    edits: [
      {
        file: 'src/db/connection.ts',
        from: 'if (problem !== null) throw',
        to: 'if (problem === "") throw',
      },
    ],
    test: everywhere,
  },
  {
    name: 'a role may weaken what a commit means',
    edits: [{ file: 'src/db/connection.ts', from: "'-c synchronous_commit=on',", to: '' }],
    test: inTest('db/database-url', 'has our limits and our durability'),
  },
  {
    name: 'whatever hangs takes the connections of the reader',
    edits: [
      {
        file: HTTP,
        from: 'dispatcher: agentOf(currentUse())',
        to: "dispatcher: agentOf('reading')",
      },
    ],
    test: inTest(
      'horizon/http',
      'answers that hang for a report take no connection from the reader',
    ),
  },
  {
    name: 'a page that is too large is never smaller',
    edits: [
      {
        file: PAGES,
        from: '!(error instanceof HorizonTooMuch) || limit <= least',
        to: '!(error instanceof HorizonTooMuch) || limit <= 2 * most',
      },
    ],
    test: inTest('horizon/pages', 'a page that is too large is asked for by half'),
  },
  {
    name: 'a Horizon that hangs is asked at every size',
    edits: [
      {
        file: PAGES,
        from: "if (error.limit === 'time' && !isAlive) await ask(http, request, least);",
        to: '',
      },
    ],
    test: inTest('horizon/pages', 'a Horizon that hangs is asked twice, not at every size'),
  },
  {
    name: 'reports may use the whole budget',
    edits: [{ file: 'src/horizon/budget.ts', from: 'reports: 1 / 8,', to: 'reports: 1,' }],
    test: reader('the reader waits for two requests at the most'),
  },
  {
    name: 'a report waits for its share for ever',
    edits: [
      {
        file: 'src/horizon/budget.ts',
        from: '  reports: 3_000,',
        to: '  reports: Number.POSITIVE_INFINITY,',
      },
    ],
    test: reader('nobody of a share waits longer than a caller does'),
  },
  {
    name: 'reports are asked about as the reader',
    edits: [
      {
        file: 'src/activities/prove-report.ts',
        from: "return askingFor('reports', () => prove(deps, input));",
        to: "return askingFor('reading', () => prove(deps, input));",
      },
    ],
    test: inTest('pipeline/reports-limited', 'five of a merchant are asked about at once'),
  },
];
