// Lets a pruner compare final values instead of intermediate ones. In training with a falling learning rate the loss
// drops most at the end, and by how much depends on the configuration: the eventual winner is often behind in the
// middle. So a running trial's values are extrapolated to the end by the largest improvement that any complete trial
// made after the same step, and complete trials count with their final values. A trial is pruned if it would be
// behind even then.

import { completeTrials, signOf } from '../best.js';
import type { Pruner, Trial } from '../types.js';

/** A pruner that decides by `inner` on values carried to the end; before any trial is complete it prunes nothing. */
export function finalValuesPruner(inner: Pruner): Pruner {
  return {
    name: inner.name,
    shouldPrune(study, trial, setSystemAttr) {
      const sign = signOf(study.direction);
      const complete = completeTrials(study.trials).filter(({ value }) => Number.isFinite(value));
      const carried = new Map<number, number>();
      for (const [step, value] of trial.intermediate) {
        const changes = complete
          .map((other) => sign * (other.value - (other.intermediate.get(step) ?? Number.NaN)))
          .filter(Number.isFinite);
        if (changes.length > 0) carried.set(step, value + sign * changes.reduce((a, b) => Math.min(a, b)));
      }
      if (carried.size < trial.intermediate.size) return false; // a step that no complete trial has reported
      const atTheEnd = (other: Trial): Trial =>
        other.state === 'complete'
          ? {
              ...other,
              intermediate: new Map([...other.intermediate.keys()].map((step) => [step, other.value!])),
            }
          : other;
      const view = { ...study, trials: study.trials.map(atTheEnd) };
      return inner.shouldPrune(view, { ...trial, intermediate: carried }, setSystemAttr);
    },
  };
}
