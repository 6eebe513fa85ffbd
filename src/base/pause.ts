// Waiting that a signal cuts short.

import { setTimeout } from 'node:timers/promises';

/** The longest time that a timer of Node can wait, in milliseconds: 24 days. One for longer ends at once. */
export const LONGEST_WAIT = 2 ** 31 - 1;

/** Resolves after a time, or as soon as the signal aborts; leaves no listener behind. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  setTimeout(ms, undefined, { ...(signal && { signal }) }).catch(() => {});

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Blocks the thread. */
export const sleepSync = (ms: number): void => void Atomics.wait(sleeper, 0, 0, ms);
