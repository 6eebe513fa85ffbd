// How many threads the native kernels use.

import { availableParallelism } from 'node:os';
import { expect } from '../../base/errors.js';
import { usableThreads } from '../../base/threads.js';
import type { Library } from './library.js';

let wanted: number | undefined;
let library: Library | undefined;
let running = 0;

/**
 * Sets the number of threads of the native backend, from now on; results do not depend on it. The library takes 256 at
 * most, and fewer where the system refuses more.
 * Default: $TINYGPT_THREADS, else the cores that this process may use, which is also the most that the variable can ask for.
 * @throws UsageError unless it is a whole number > 0
 */
export function setThreads(count: number): void {
  expect(
    Number.isInteger(count) && count > 0,
    () => `Expected the number of threads to be a whole number > 0, got ${count}; set TINYGPT_THREADS`,
  );
  wanted = count;
  if (library) running = library.tg_set_threads(count);
}

/** Starts the threads of a library that was just loaded. @throws UsageError on a bad TINYGPT_THREADS */
export function startThreads(loaded: Library): void {
  library = loaded;
  const count = threadsWanted();
  setThreads(count);
  const asked = Number(process.env.TINYGPT_THREADS || count);
  if (asked > count)
    process.stderr.write(
      `Using ${count} thread${count === 1 ? '' : 's'} (one per core) instead of ${asked}\n`,
    );
}

/** Threads at work; before the start, how many are wanted. @throws UsageError on a bad TINYGPT_THREADS */
export function threadsInUse(): number {
  return running || threadsWanted();
}

function threadsWanted(): number {
  return wanted ?? usableThreads(Number(process.env.TINYGPT_THREADS || availableParallelism()));
}
