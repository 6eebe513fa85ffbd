// What the pruners share: questions about a trial's intermediate values.

import { isBetter } from '../best.js';
import type { Direction, Trial } from '../types.js';

/** The largest step reported so far, or null. */
export function lastStep(trial: Trial): number | null {
  let last: number | null = null;
  for (const step of trial.intermediate.keys()) if (last === null || step > last) last = step;
  return last;
}

/** Best of the values that are not NaN; NaN where there is none. */
export function bestOf(values: Iterable<number>, direction: Direction): number {
  let best = Number.NaN;
  for (const value of values) if (Number.isNaN(best) || isBetter(value, best, direction)) best = value;
  return best;
}

/** The complete trial that ended first among those that reported, whose length stands for the others'. */
export function firstComplete(trials: readonly Trial[]): Trial | null {
  let first: Trial | null = null;
  for (const trial of trials)
    if (trial.state === 'complete' && trial.intermediate.size > 0)
      if (first === null || (trial.end ?? 0) < (first.end ?? 0)) first = trial;
  return first;
}
