/** What both servers are asked when history begins at the merge. */
import { addressOf } from './cast.ts';
import { hashOf, operationOf, type Request } from './request.ts';
import type { Scenario } from './scenario.ts';

/** In this order. */
export const AFTER_REAPING: readonly Request[] = [
  { name: 'the root', path: () => '/' },
  ...['asc', 'desc'].map((order) => ({
    name: `an old cursor, ${order}`,
    path: ({ shop }: Scenario) => `/accounts/${shop}/payments?cursor=4294967296&order=${order}`,
  })),
  ...['asc', 'desc'].map((order) => ({
    name: `no cursor, ${order}`,
    path: ({ shop }: Scenario) => `/accounts/${shop}/payments?limit=200&order=${order}`,
  })),
  {
    name: 'payments of an account all of whose payments are gone',
    path: ({ customer, hashes }) =>
      `/accounts/${customer}/payments?cursor=${hashes.size > 0 ? 1 : 0}&limit=1`,
  },
  { name: 'the network, from an old cursor', path: () => '/payments?cursor=1&limit=2' },
  { name: 'ledgers, from an old cursor', path: () => '/ledgers?cursor=1&limit=2' },
  { name: 'ledgers backwards from an old cursor', path: () => '/ledgers?cursor=1&order=desc' },
  { name: 'a ledger that is gone', path: () => '/ledgers/2' },
  { name: 'ledger 0', path: () => '/ledgers/0' },
  { name: 'payments of a ledger that is gone', path: () => '/ledgers/2/payments' },
  {
    name: 'an operation that is gone',
    path: (scenario) => `/operations/${operationOf(scenario, 'id memo')}`,
  },
  {
    name: 'a transaction that is gone',
    path: (scenario) => `/transactions/${hashOf(scenario, 'id memo')}`,
  },
  {
    name: 'payments of a transaction that is gone',
    path: (scenario) => `/transactions/${hashOf(scenario, 'id memo')}/payments`,
  },
  {
    name: 'the account of the issuer, last changed in a ledger that is gone',
    path: ({ issuer }) => `/accounts/${issuer}`,
  },
  {
    name: 'the account of somebody whose ledgers are gone',
    path: () => `/accounts/${addressOf('other')}`,
  },
  { name: 'an ancient operation', path: () => '/operations/7' },
];
