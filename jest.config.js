// Tests run on the compiled tree (build/test), so that worker threads find the same modules.
export default {
  rootDir: '.',
  roots: ['<rootDir>/build/test'],
  testMatch: ['**/*.test.js'],
  testEnvironment: '<rootDir>/test/environment.cjs',
  globalSetup: '<rootDir>/web/build.js', // the page of reports, as its sources are now
  transform: {},
  testTimeout: 240_000,
  maxWorkers: 2,
};
