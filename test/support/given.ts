/**
 * What global-setup.ts has started or made for all tests, told to each worker process of jest by its environment.
 * A test that reaches this module belongs to the project `servers` (projects.ts), which runs that setup.
 */
const NAMES = {
  /** The run's PostgreSQL, as its owner; each test file makes databases of its own in it. */
  postgres: 'TEST_POSTGRES',
  /** The file with the bundled workflow code. */
  bundle: 'WORKFLOW_BUNDLE',
  /** The executable of Temporal's server that skips time. */
  timeSkippingServer: 'TIME_SKIPPING_SERVER',
} as const;

export type Given = keyof typeof NAMES;

/** Tells every test of this run. */
export function give(name: Given, value: string): void {
  process.env[NAMES[name]] = value;
}

/** @throws Error when the setup has not run */
export function given(name: Given): string {
  const value = process.env[NAMES[name]];
  if (!value)
    throw new Error(`${NAMES[name]} is not set: test/support/global-setup.ts has not run.`);
  return value;
}
