// How long alternatives take on the device, to choose one of them.

import { DeviceLostError } from '../../base/errors.js';
import { type DriverApi, received } from './library.js';

/** Measures work by the device's clock. */
export interface Stopwatch {
  /** Milliseconds that what `work` enqueues takes; waits. */
  time(work: () => void): number;
}

/** A stopwatch for a stream; undefined where the driver has none. */
export function createStopwatch(driver: DriverApi, stream: number): Stopwatch | undefined {
  const { cuEventElapsedTime } = driver;
  if (!cuEventElapsedTime) return undefined;
  return {
    time(work) {
      const event = () => received((place) => driver.cuEventCreate(place, 0));
      const [from, to] = [event(), event()];
      try {
        driver.cuEventRecord(from, stream);
        work();
        driver.cuEventRecord(to, stream);
        const code = driver.cuEventSynchronize(to);
        if (code !== 0) throw driver.failed('cuEventSynchronize', code);
        const elapsed = new Float32Array(1);
        cuEventElapsedTime(elapsed, from, to);
        return elapsed[0]!;
      } finally {
        for (const each of [from, to]) driver.cuEventDestroy_v2(each);
      }
    },
  };
}

/** Each alternative runs about so long in each of so many rounds, at most so many times. */
const ROUND_MS = 1;
const ROUNDS = 3;
const MOST_RUNS = 20;
/** The first alternative stays unless another one takes less than this part of its time. */
const CLEARLY = 0.97;

/**
 * Runs each alternative some times, taking turns.
 * @returns the least milliseconds of each, null where it failed, and which is chosen: the first, unless another is clearly faster
 * @throws DeviceLostError; the last error when all have failed
 */
export function fastest(
  alternatives: readonly (() => void)[],
  { time }: Stopwatch,
): { chosen: number; milliseconds: (number | null)[] } {
  let last: unknown;
  const attempt = (run: () => void): number | null => {
    try {
      return time(run);
    } catch (error) {
      if (error instanceof DeviceLostError) throw error;
      last = error;
      return null;
    }
  };
  for (const run of alternatives) attempt(run); // the first run may load a kernel
  const once = alternatives.map(attempt);
  const milliseconds = once.map((ms, i) => {
    if (ms === null) return null;
    return { ms: Number.POSITIVE_INFINITY, runs: runsFor(ms), run: alternatives[i]! };
  });
  for (let round = 0; round < ROUNDS; round++)
    for (const each of milliseconds) {
      if (!each) continue;
      const ms = attempt(() => {
        for (let i = 0; i < each.runs; i++) each.run();
      });
      if (ms !== null) each.ms = Math.min(each.ms, ms / each.runs);
    }
  const least = milliseconds.map((each) => (each && Number.isFinite(each.ms) ? each.ms : null));
  const ranked = least.flatMap((ms, i) => (ms === null ? [] : [{ ms, i }])).sort((a, b) => a.ms - b.ms);
  if (ranked.length === 0) throw last;
  const first = least[0];
  const stays = first != null && ranked[0]!.ms >= CLEARLY * first;
  return { chosen: stays ? 0 : ranked[0]!.i, milliseconds: least };
}

const runsFor = (ms: number): number =>
  Math.max(1, Math.min(MOST_RUNS, Math.ceil(ROUND_MS / (ms || ROUND_MS))));
