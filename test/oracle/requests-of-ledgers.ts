/** What both servers are asked about ledgers: runs of them, and all that is in one. */
import { ledgerOf, operationOf, type Request } from './request.ts';
import type { Scenario } from './scenario.ts';

/** The cursor that stands just before a ledger. */
const before = (ledger: number) => (BigInt(ledger) << 32n) - 1n;

const middle = (scenario: Scenario) => ledgerOf(scenario, 'failed fee bump');

const RUNS: readonly Request[] = [
  {
    name: 'a run of ledgers that begins with the last one',
    path: ({ latest }) => `/ledgers?cursor=${before(latest)}&order=asc&limit=200`,
    keep: true,
  },
  {
    name: 'a run of ledgers that begins in the middle',
    path: (scenario) => `/ledgers?cursor=${before(middle(scenario))}&order=asc&limit=5`,
    keep: true,
  },
  {
    name: 'a run of ledgers backwards from the middle',
    path: (scenario) =>
      `/ledgers?cursor=${(BigInt(middle(scenario)) << 32n) + 1n}&order=desc&limit=4`,
    keep: true,
  },
  { name: 'all ledgers', path: () => '/ledgers?limit=200' },
  {
    name: 'no ledgers beyond the last',
    path: ({ latest }) => `/ledgers?cursor=${before(latest + 1)}`,
  },
  ...['cursor=now', 'cursor=now&order=desc&limit=1', 'cursor=4-1', 'cursor=x', 'limit=201'].map(
    (query) => ({ name: `ledgers with ${query}`, path: () => `/ledgers?${query}` }),
  ),
];

const WHOLE = ['several operations', 'failed', 'failed fee bump', 'contract call', 'trust'].flatMap(
  (name): Request[] => [
    {
      name: `the ledger of: ${name}`,
      path: (scenario) => `/ledgers/${ledgerOf(scenario, name)}`,
    },
    {
      name: `all operations of the ledger of: ${name}`,
      path: (scenario) =>
        `/ledgers/${ledgerOf(scenario, name)}/operations?limit=200&order=asc&join=transactions`,
      ...(name === 'several operations' ? { keep: true } : {}),
    },
  ],
);

const PAGES: readonly Request[] = [
  {
    name: 'operations of a ledger of three transactions',
    path: (scenario) =>
      `/ledgers/${ledgerOf(scenario, 'to oneself') - 1}/operations?limit=200&join=transactions`,
  },
  {
    name: 'the second page of the operations of a ledger',
    path: (scenario) =>
      `/ledgers/${ledgerOf(scenario, 'several operations')}/operations?limit=2&cursor=${operationOf(scenario, 'several operations', 2)}`,
  },
  {
    name: 'operations of a ledger backwards',
    path: (scenario) =>
      `/ledgers/${ledgerOf(scenario, 'several operations')}/operations?limit=3&order=desc`,
  },
  {
    name: 'operations of a ledger from a cursor of another',
    path: (scenario) =>
      `/ledgers/${ledgerOf(scenario, 'several operations')}/operations?cursor=${operationOf(scenario, 'failed')}`,
  },
  {
    name: 'operations of a ledger, failed ones too',
    path: (scenario) => `/ledgers/${ledgerOf(scenario, 'failed')}/operations?include_failed=true`,
  },
  { name: 'operations of an empty ledger', path: ({ latest }) => `/ledgers/${latest}/operations` },
  {
    name: 'operations of a ledger to come',
    path: ({ latest }) => `/ledgers/${latest + 1}/operations?limit=200`,
  },
  {
    name: 'the last payment of the shop before a ledger',
    path: (scenario) =>
      `/accounts/${scenario.shop}/payments?order=desc&limit=1&cursor=${before(middle(scenario))}`,
  },
];

/** Asked when all of history is there. */
export const OF_LEDGERS: readonly Request[] = [...RUNS, ...WHOLE, ...PAGES];

/** The ledgers that are missing when the next ones are asked: the fee bumps, through the merge in one. */
export const gapOf = (scenario: Scenario): readonly [number, number] => [
  ledgerOf(scenario, 'fee bump'),
  ledgerOf(scenario, 'merge in a fee bump'),
];

const inGap = ({ path, name }: { path: string; name: string }): Request => ({
  name,
  path: (scenario) => path.replace('LEDGER', String(gapOf(scenario)[0] + 1)),
});

/** In this order, when a gap was torn into history. */
export const OVER_A_GAP: readonly Request[] = [
  { name: 'the root', path: () => '/' },
  {
    name: 'a run of ledgers that begins before the gap',
    path: (scenario) => `/ledgers?cursor=${before(gapOf(scenario)[0] - 1)}&order=asc&limit=3`,
  },
  {
    name: 'a run of ledgers that would begin in the gap',
    path: (scenario) => `/ledgers?cursor=${before(gapOf(scenario)[0] + 1)}&order=asc&limit=2`,
  },
  {
    name: 'a run of ledgers backwards over the gap',
    path: (scenario) => `/ledgers?cursor=${before(gapOf(scenario)[1] + 2)}&order=desc&limit=3`,
  },
  ...[
    { name: 'a ledger of the gap', path: '/ledgers/LEDGER' },
    { name: 'operations of a ledger of the gap', path: '/ledgers/LEDGER/operations?limit=200' },
    { name: 'payments of a ledger of the gap', path: '/ledgers/LEDGER/payments' },
  ].map(inGap),
  {
    name: 'payments of the shop over the gap',
    path: ({ shop }) => `/accounts/${shop}/payments?limit=200&join=transactions`,
  },
  {
    name: 'payments of the network from the gap on',
    path: (scenario) => `/payments?limit=3&cursor=${before(gapOf(scenario)[0])}`,
  },
  {
    name: 'a transaction of the gap',
    path: ({ hashes }) => `/transactions/${hashes.get('fee bump')}`,
  },
  {
    name: 'payments of a transaction of the gap',
    path: ({ hashes }) => `/transactions/${hashes.get('fee bump')}/payments`,
  },
  {
    name: 'an operation of the gap',
    path: (scenario) => `/operations/${operationOf(scenario, 'fee bump')}`,
  },
  { name: 'the account of the shop', path: ({ shop }) => `/accounts/${shop}` },
  { name: 'the account of the issuer', path: ({ issuer }) => `/accounts/${issuer}` },
];
