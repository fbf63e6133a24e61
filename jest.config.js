import { projects } from './test/support/projects.ts';

const { pure, servers } = projects(import.meta.dirname);
const below = (paths) => paths.map((path) => `<rootDir>/${path}`);

/** Jest runs the TypeScript sources as native ES modules; swc only strips the types. */
const common = {
  testEnvironment: '<rootDir>/test/support/environment.ts',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
};

export default {
  // It ends what hangs. How fast something is, a test says by other means: machines are busy.
  testTimeout: 180_000,
  // Two test files at once: what needs servers waits for them half of its time.
  maxWorkers: 2,
  // Node keeps every native ES module that was ever loaded, some 40 MB for each test file. One process for all dies of
  // it: at 4 GB, without a report. A worker process above this limit is replaced after its test file.
  workerIdleMemoryLimit: '1GB',
  projects: [
    { ...common, displayName: 'pure', testMatch: below(pure) },
    {
      ...common,
      displayName: 'servers',
      testMatch: below(servers),
      globalSetup: '<rootDir>/test/support/global-setup.ts',
      globalTeardown: '<rootDir>/test/support/global-teardown.ts',
    },
  ],
};
