// Tests that take minutes are called `*.slow.test.ts`: `npm run test:slow` runs them and nothing else, `npm test` does not.
const slow = process.env.BREAKWATER_SLOW_TESTS === '1';

export default {
  testMatch: slow
    ? ['<rootDir>/packages/*/{src,test}/**/*.slow.test.ts']
    : [
        '<rootDir>/packages/*/src/**/*.test.ts',
        '<rootDir>/packages/*/test/**/*.test.ts',
        '<rootDir>/examples/**/*.test.ts',
        '<rootDir>/scripts/**/*.test.mjs',
      ],
  testPathIgnorePatterns: slow ? ['/node_modules/'] : ['/node_modules/', '\\.slow\\.test\\.ts$'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^@breakwater/([a-z-]+)$': '<rootDir>/packages/$1/src/index.ts',
  },
  setupFiles: ['<rootDir>/scripts/jest/property-runs.mjs'],
  testEnvironment: 'node',
  testTimeout: slow ? 600_000 : 30_000,
  maxWorkers: 2,
  reporters: ['<rootDir>/scripts/jest/reporter.mjs'],
  globalSetup: '<rootDir>/scripts/jest/global-setup.mjs',
  globalTeardown: '<rootDir>/scripts/jest/global-teardown.mjs',
};
