// The median rule (Golovin et al. 2017, "Google Vizier", section 3.1.2), decision for decision as Optuna's
// MedianPruner: stop where the trial's best value so far is strictly worse than the median, over complete
// trials, of the values reported at this step.

import { checkInteger } from '../../base/valid.js';
import { completeTrials, isBetter } from '../best.js';
import { median } from '../math/order.js';
import type { Pruner } from '../types.js';
import { bestOf, lastStep } from './steps.js';

export type MedianOptions = {
  /** No pruning before this many trials are complete. */
  startupTrials?: number;
  /** No pruning before this step. */
  warmupSteps?: number;
  /** Decide only once in so many steps, counted from the warm-up. */
  intervalSteps?: number;
  /** No pruning at steps that fewer complete trials reported. */
  minTrials?: number;
};

/**
 * @throws UsageError for a negative option, or an interval or number of trials below one
 */
export function medianPruner(options: MedianOptions = {}): Pruner {
  const { startupTrials = 5, warmupSteps = 0, intervalSteps = 1, minTrials = 1 } = options;
  for (const [name, value, least] of [
    ['startupTrials', startupTrials, 0],
    ['warmupSteps', warmupSteps, 0],
    ['intervalSteps', intervalSteps, 1],
    ['minTrials', minTrials, 1],
  ] as const)
    checkInteger(`${name} of the median pruner`, value, least);

  return {
    name: 'median',
    shouldPrune(study, trial) {
      const complete = completeTrials(study.trials);
      if (complete.length === 0 || complete.length < startupTrials) return false;
      const step = lastStep(trial);
      if (step === null || step < warmupSteps) return false;

      // Only the first report of an interval decides.
      const intervalStart = Math.floor((step - warmupSteps) / intervalSteps) * intervalSteps + warmupSteps;
      for (const earlier of trial.intermediate.keys())
        if (earlier !== step && earlier >= intervalStart) return false;

      const best = bestOf(trial.intermediate.values(), study.direction);
      if (Number.isNaN(best)) return true;
      const others = complete.flatMap((other) => other.intermediate.get(step) ?? []);
      if (others.length < minTrials) return false;
      const middle = median(others.filter((value) => !Number.isNaN(value)));
      return isBetter(middle, best, study.direction);
    },
  };
}
