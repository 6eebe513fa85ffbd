// The course of a study: the best value so far, trial by trial.

import type { Direction, Trial } from './types.js';

/** A complete trial that was better than all before it. */
export type Improvement = { number: number; value: number; trial: Trial };

/** The trials that improved on all earlier ones, in order; the last is the best. */
export function bestSoFar(trials: readonly Trial[], direction: Direction): Improvement[] {
  const sign = direction === 'minimize' ? 1 : -1;
  const improvements: Improvement[] = [];
  for (const trial of trials) {
    const { number, value, state } = trial;
    if (state !== 'complete' || value === null) continue;
    const best = improvements.at(-1);
    if (!best || sign * (value - best.value) < 0) improvements.push({ number, value, trial });
  }
  return improvements;
}
