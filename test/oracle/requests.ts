/** What both servers are asked. */
import { addressOf, muxed } from './cast.ts';
import { hashOf, ledgerOf, operationOf, type Request } from './request.ts';
import type { Scenario } from './scenario.ts';

const STRANGER = addressOf('stranger');
const CONTRACT = 'CDOE3OWBDW2OKSLH23KJCMXHF2UXDWIWGJXUM66HT5VNCCCW5EYV6HXE';

const payments = (name: string, query: string): Request => ({
  name: `payments of the shop with ${name}`,
  path: ({ shop }) => `/accounts/${shop}/payments?${query}`,
});

const middle = (scenario: Scenario) => operationOf(scenario, 'strict send');

const CURSORS: readonly Request[] = [
  'order=asc',
  'order=desc',
  'limit=1',
  'limit=200&order=desc',
  'cursor=0',
  'cursor=now',
  'cursor=now&order=desc&limit=3',
  'cursor=',
  'limit=&order=',
  'limit=%2B5',
  'cursor=12-1&limit=2',
  'cursor=9223372036854775807',
  'cursor=9223372036854775807&order=desc&limit=2',
  'include_failed=true&limit=200',
  'include_failed=false&limit=2',
  'include_failed=t&limit=200&order=desc',
  'include_failed=on&limit=200&order=desc',
  'include_failed=0&limit=1',
  'include_failed=&limit=1',
  'unknown=1&limit=1',
  'limit=1&limit=3',
  'join=&limit=1',
].map((query) => payments(query, query));

const REFUSED: readonly Request[] = [
  'limit=0',
  'limit=-1',
  'limit=201',
  'limit=ten',
  'limit=1.5',
  'limit=9223372036854775808',
  'order=ASC',
  'order=newest',
  'cursor=-1',
  'cursor=abc',
  'cursor=1.5',
  'cursor=1-',
  'cursor=1-2-3',
  'cursor=%2B7&limit=1',
  'cursor=9223372036854775808',
  'cursor=99999999999999999999999',
  'cursor=-99999999999999999999999',
  'cursor=-5-3',
  'cursor=5--3',
  'join=operations',
  'join=operations&include_failed=maybe',
  'include_failed=maybe',
  'include_failed=yes&order=desc&cursor=1',
  'limit=0&order=newest',
  'cursor=abc&order=newest',
  'cursor=-1&limit=0',
  'join=operations&limit=0',
].map((query) => payments(query, query));

const AT_A_CURSOR: readonly Request[] = ['', '-1', '-0']
  .flatMap((end) => ['asc', 'desc'].map((order) => [end, order] as const))
  .map(([end, order]) => ({
    name: `payments of the shop around a cursor${end}, ${order}`,
    path: (scenario) =>
      `/accounts/${scenario.shop}/payments?cursor=${middle(scenario)}${end}&limit=4&order=${order}&join=transactions`,
  }));

const LISTS: readonly Request[] = [
  {
    name: 'all payments of the shop',
    path: ({ shop }) => `/accounts/${shop}/payments?order=asc&limit=200&join=transactions`,
    keep: true,
  },
  {
    name: 'all payments of the customer',
    path: ({ customer }) => `/accounts/${customer}/payments?limit=200&join=transactions`,
    keep: true,
  },
  {
    name: 'all payments of the issuer',
    path: ({ issuer }) => `/accounts/${issuer}/payments?limit=200&join=transactions`,
  },
  {
    name: 'payments of an account that was merged',
    path: ({ newcomer }) => `/accounts/${newcomer}/payments?join=transactions`,
    keep: true,
  },
  {
    name: 'all payments of the network',
    path: () => '/payments?limit=200&join=transactions',
  },
  {
    name: 'operations of the shop',
    path: ({ shop }) => `/accounts/${shop}/operations?limit=200&join=transactions`,
  },
  {
    name: 'operations of the customer, failed ones too',
    path: ({ customer }) => `/accounts/${customer}/operations?limit=200&include_failed=true`,
  },
  { name: 'ledgers', path: () => '/ledgers?limit=3' },
  { name: 'ledgers from the end', path: () => '/ledgers?limit=3&order=desc' },
  {
    name: 'no payments of an account nobody knows',
    path: () => `/accounts/${STRANGER}/payments`,
    keep: true,
  },
  ...['limit=0', 'join=x', 'include_failed=x', 'order=desc&cursor=1'].flatMap((query) => [
    {
      name: `payments of an account nobody knows with ${query}`,
      path: () => `/accounts/${STRANGER}/payments?${query}`,
    },
    {
      name: `payments of a word with ${query}`,
      path: () => `/accounts/shop/payments?${query}`,
    },
    {
      name: `payments of an unknown transaction with ${query}`,
      path: () => `/transactions/${'cd'.repeat(32)}/payments?${query}`,
    },
    {
      name: `payments of no transaction with ${query}`,
      path: () => `/transactions/abc/payments?${query}`,
    },
  ]),
  ...[
    ['a muxed address', muxed(STRANGER, '1')],
    ['a contract', CONTRACT],
    ['a wrong checksum', `${STRANGER.slice(0, -1)}${STRANGER.endsWith('A') ? 'B' : 'A'}`],
    ['lower case', STRANGER.toLowerCase()],
    ['a word', 'shop'],
  ].flatMap(([what, id]) => [
    { name: `payments of ${what}`, path: () => `/accounts/${id}/payments` },
    { name: `the account of ${what}`, path: () => `/accounts/${id}` },
  ]),
];

const ACCOUNTS: readonly Request[] = [
  { name: 'the account of the shop', path: ({ shop }) => `/accounts/${shop}`, keep: true },
  { name: 'the account of the customer', path: ({ customer }) => `/accounts/${customer}` },
  { name: 'the account of the issuer', path: ({ issuer }) => `/accounts/${issuer}` },
  { name: 'an account that was merged', path: ({ newcomer }) => `/accounts/${newcomer}` },
  {
    name: 'an account nobody has funded',
    path: () => `/accounts/${STRANGER}`,
    keep: true,
  },
];

const TRANSACTION_NAMES = [
  'issue',
  'no memo',
  'id memo',
  'text memo',
  'empty text memo',
  'hash memo',
  'return memo',
  'NUL memo',
  'not UTF-8 memo',
  'cut short memo',
  'id memo 0',
  'digits memo',
  'byte order mark memo',
  'id typed as text',
  'to muxed',
  'to muxed 0',
  'operation from muxed 0',
  'transaction from muxed',
  'strict send',
  'strict send over a path',
  'strict receive of a long code',
  'failed strict send',
  'failed strict receive',
  'merge after a payment',
  'fee bump',
  'inner of fee bump',
  'fee bump from muxed',
  'failed fee bump',
  'inner of failed fee bump',
  'merge in a fee bump',
  'inner of merge in a fee bump',
  'several operations',
  'to oneself',
  'between muxed addresses of oneself',
  'failed',
  'contract transfer',
  'failed contract transfer',
  'contract call',
];

const TRANSACTIONS: readonly Request[] = TRANSACTION_NAMES.flatMap((name) => [
  {
    name: `the transaction: ${name}`,
    path: (scenario: Scenario) => `/transactions/${hashOf(scenario, name)}`,
  },
  {
    name: `payments of the transaction: ${name}`,
    path: (scenario: Scenario) =>
      `/transactions/${hashOf(scenario, name)}/payments?join=transactions&limit=200`,
    keep: true as const,
  },
  {
    name: `operations of the transaction: ${name}`,
    path: (scenario: Scenario) => `/transactions/${hashOf(scenario, name)}/operations`,
  },
]);

const UNKNOWN = 'ab'.repeat(32);
const NO_TRANSACTIONS: readonly Request[] = [UNKNOWN, UNKNOWN.toUpperCase(), 'abc', 'x'.repeat(64)]
  .flatMap((hash) => [`/transactions/${hash}`, `/transactions/${hash}/payments`])
  .map((path) => ({ name: path, path: () => path }));

const LEDGERS: readonly Request[] = [
  { name: 'the first ledger', path: () => '/ledgers/1' },
  { name: 'the last ledger', path: ({ latest }) => `/ledgers/${latest}`, keep: true },
  {
    name: 'a ledger of three transactions',
    path: (scenario) => `/ledgers/${ledgerOf(scenario, 'to oneself') - 1}`,
  },
  {
    name: 'a ledger with a failed transaction',
    path: (scenario) => `/ledgers/${ledgerOf(scenario, 'failed')}`,
  },
  {
    name: 'payments of a ledger of three transactions',
    path: (scenario) =>
      `/ledgers/${ledgerOf(scenario, 'to oneself') - 1}/payments?join=transactions&limit=200`,
    keep: true,
  },
  {
    name: 'payments of a ledger from its second on',
    path: (scenario) => {
      const ledger = ledgerOf(scenario, 'several operations');
      return `/ledgers/${ledger}/payments?cursor=${operationOf(scenario, 'several operations')}&limit=2`;
    },
  },
  { name: 'payments of an empty ledger', path: ({ latest }) => `/ledgers/${latest}/payments` },
  {
    name: 'payments of a ledger to come',
    path: ({ latest }) => `/ledgers/${latest + 1}/payments`,
    keep: true,
  },
  { name: 'operations of a ledger', path: () => '/ledgers/2/operations' },
  ...[
    '/ledgers/0',
    '/ledgers/0/payments?limit=2',
    '/ledgers/-1',
    '/ledgers/x',
    '/ledgers/x/payments',
    '/ledgers/4294967296',
    '/ledgers/2147483648',
    '/ledgers/2147483647',
    '/ledgers/99999/operations',
    '/ledgers/2147483648/payments',
    '/ledgers/9999999999/payments',
    '/ledgers/+1',
    '/ledgers/0x1',
    '/ledgers/01',
    '/ledgers/x/payments?limit=0',
    '/ledgers/99999/payments?limit=0',
    '/ledgers/99999/payments?join=x',
  ].map((path) => ({ name: path, path: () => path })),
];

const OPERATIONS: readonly Request[] = [
  ...[
    'trust',
    'no memo',
    'to muxed',
    'operation from muxed 0',
    'strict send over a path',
    'strict receive',
    'strict receive without conversion',
    'create account',
    'create account from muxed',
    'merge',
    'merge into muxed',
    'contract transfer to muxed',
    'contract mint',
    'contract burn',
    'contract call',
    'failed contract transfer',
    'set options',
    'require a memo',
    'end of trust',
    'forget',
    'bump sequence',
  ].map((name) => ({
    name: `the operation: ${name}`,
    path: (scenario: Scenario) => `/operations/${operationOf(scenario, name)}?join=transactions`,
  })),
  {
    name: 'the third operation of several',
    path: (scenario) => `/operations/${operationOf(scenario, 'several operations', 3)}`,
  },
  {
    name: 'an operation that is none',
    path: (scenario) => `/operations/${operationOf(scenario, 'several operations', 9)}`,
  },
  ...[
    '/operations/x/effects',
    '/operations/0/effects?limit=2',
    '/operations/77/effects?limit=0',
    '/operations/9223372036854775808',
    '/operations/18446744073709551616',
    '/operations/9223372036854775807',
    '/operations/0',
    '/operations/x',
    '/operations/99999999999999999999',
    '/operations/-1',
  ].map((path) => ({ name: path, path: () => path })),
  {
    name: 'an operation with a join there is not',
    path: (scenario) => `/operations/${operationOf(scenario, 'merge')}?join=ledgers`,
  },
];

const EFFECTS: readonly Request[] = [
  'merge',
  'merge into muxed',
  'create account',
  'to muxed 0',
  'fee bump',
  'contract transfer to muxed',
  'contract mint',
  'contract burn',
  'contract call',
  'strict receive without conversion',
  'failed',
].flatMap((name) => [
  {
    name: `effects of the operation: ${name}`,
    path: (scenario: Scenario) => `/operations/${operationOf(scenario, name)}/effects`,
  },
  {
    name: `effects of the transaction: ${name}`,
    path: (scenario: Scenario) => `/transactions/${hashOf(scenario, name)}/effects?order=desc`,
  },
]);

const EFFECT_PAGES: readonly Request[] = [
  'limit=1',
  'limit=1&order=desc',
  'cursor=OP-1',
  'cursor=OP-2&order=desc',
  'cursor=OP',
  'cursor=OP&order=desc',
  'cursor=OP-99999999999&order=desc',
  'cursor=now',
  'cursor=now&order=desc',
  'cursor=0-0',
  'cursor=x',
].map((query) => ({
  name: `effects with ${query}`,
  path: (scenario) => {
    const hash = hashOf(scenario, 'merge');
    const operation = String(operationOf(scenario, 'merge'));
    return `/transactions/${hash}/effects?${query.replace('OP', operation)}`;
  },
}));

/** Asked when all of history is there. */
export const REQUESTS: readonly Request[] = [
  { name: 'the root', path: () => '/', keep: true },
  ...LISTS,
  ...CURSORS,
  ...AT_A_CURSOR,
  ...REFUSED,
  ...ACCOUNTS,
  ...TRANSACTIONS,
  ...NO_TRANSACTIONS,
  ...LEDGERS,
  ...OPERATIONS,
  ...EFFECTS,
  ...EFFECT_PAGES,
  ...['/nothing', '/accounts/x/nothing', '/payments/', '//'].map((path) => ({
    name: `a path: ${path}`,
    path: () => path,
  })),
];
