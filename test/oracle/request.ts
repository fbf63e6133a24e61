/** A question to both servers, and the words to ask it in. */
import type { Scenario } from './scenario.ts';

/** A GET. `keep`: the real answer is kept as a fixture. */
export type Request = {
  readonly name: string;
  readonly path: (scenario: Scenario) => string;
  readonly keep?: true;
};

/** The hash of a transaction of the play. @throws Error when there is none called so */
export const hashOf = ({ hashes }: Scenario, name: string): string => {
  const hash = hashes.get(name);
  if (hash === undefined) throw new Error(`The play has no transaction "${name}".`);
  return hash;
};

/** The ledger that a transaction of the play is in. */
export const ledgerOf = (scenario: Scenario, name: string): number =>
  scenario.ledger.chain.history.transaction(hashOf(scenario, name))?.ledger.sequence ?? 0;

/** The id of an operation of a transaction of the play; the first is 1. */
export const operationOf = (scenario: Scenario, name: string, order = 1): bigint =>
  (scenario.ledger.chain.history.transaction(hashOf(scenario, name))?.id ?? 0n) + BigInt(order);
