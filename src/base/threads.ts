// How many of the requested threads are used.

import { availableParallelism } from 'node:os';
import { expect } from './errors.js';

/**
 * As many threads as were asked for, but no more than the cores that this process may use: more are slower, and thousands
 * fill the memory. Default: all cores, at most 8.
 * @throws UsageError when `wanted` is not a whole number above 0
 */
export function usableThreads(wanted = 8): number {
  expect(
    Number.isInteger(wanted) && wanted >= 1,
    () => `Expected threads to be a whole number above 0, got ${wanted}; set --threads`,
  );
  return Math.min(wanted, availableParallelism());
}
