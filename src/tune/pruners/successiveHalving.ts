// Asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning"),
// decision for decision as Optuna's SuccessiveHalvingPruner: a trial whose steps pass min eta^(s + k) enters
// rung k and continues if its value there is among the best 1/eta of those that entered. The values of a rung are
// kept with the trials as `completed_rung_k`, where Optuna looks for them too.

import { UsageError } from '../../base/errors.js';
import { checkInteger } from '../../base/valid.js';
import { compareValues, isBetter } from '../best.js';
import { own } from '../objects.js';
import type { Direction, Pruner, StudyView, Trial } from '../types.js';
import { firstComplete, lastStep } from './steps.js';

export type SuccessiveHalvingOptions = {
  /** Steps before rung 0; `auto`: a hundredth of the steps of the first complete trial. */
  minResource?: number | 'auto';
  /** Eta: one in so many continues. */
  reductionFactor?: number;
  /** s: rungs left out at the start. */
  minEarlyStoppingRate?: number;
  /** Trials that must have entered a rung before any leaves it. */
  bootstrapCount?: number;
};

/**
 * @throws UsageError for values out of range, and for a bootstrap count with `auto`
 */
export function successiveHalvingPruner(options: SuccessiveHalvingOptions = {}): Pruner {
  const settings = checkSettings(options);
  return {
    name: 'successive-halving',
    shouldPrune: (study, trial, setSystemAttr) =>
      halve(settings, study.trials, study.direction, trial, setSystemAttr),
  };
}

export type HalvingSettings = Required<SuccessiveHalvingOptions>;

export function checkSettings(options: SuccessiveHalvingOptions): HalvingSettings {
  const { minResource = 'auto', reductionFactor = 4, minEarlyStoppingRate = 0, bootstrapCount = 0 } = options;
  const check = (name: string, value: number, least: number) =>
    checkInteger(`${name} of successive halving`, value, least);
  if (minResource !== 'auto') check('minResource', minResource, 1);
  check('reductionFactor', reductionFactor, 2);
  check('minEarlyStoppingRate', minEarlyStoppingRate, 0);
  check('bootstrapCount', bootstrapCount, 0);
  if (bootstrapCount > 0 && minResource === 'auto')
    throw new UsageError(`Expected a number for minResource with bootstrapCount ${bootstrapCount}, got auto`);
  return { minResource, reductionFactor, minEarlyStoppingRate, bootstrapCount };
}

/**
 * One decision.
 * @param trials those that compete: the study's, or a bracket's of hyperband
 */
export function halve(
  settings: HalvingSettings,
  trials: StudyView['trials'],
  direction: Direction,
  trial: Trial,
  setSystemAttr: (key: string, value: unknown) => void,
): boolean {
  const { reductionFactor, minEarlyStoppingRate, bootstrapCount } = settings;
  const step = lastStep(trial);
  const resource = settings.minResource === 'auto' ? estimateResource(trials) : settings.minResource;
  if (step === null || resource === null) return false;
  const value = trial.intermediate.get(step)!;

  for (let rung = currentRung(trial); ; rung++) {
    if (step < resource * reductionFactor ** (minEarlyStoppingRate + rung)) return false;
    if (Number.isNaN(value)) return true;
    const key = `completed_rung_${rung}`;
    const others = trials
      .filter((other) => other.id !== trial.id)
      .map((other) => own(other.systemAttrs, key));
    const values = [value, ...others.filter((other) => typeof other === 'number')];
    setSystemAttr(key, value);
    if (values.length <= bootstrapCount) return true;
    // At first, with fewer than eta in the rung, only the best so far continues.
    const promoted = Math.max(Math.floor(values.length / reductionFactor), 1);
    values.sort(compareValues(direction));
    const bar = values[promoted - 1]!;
    if (isBetter(bar, value, direction)) return true;
  }
}

function currentRung(trial: Trial): number {
  let rung = 0;
  while (Object.hasOwn(trial.systemAttrs, `completed_rung_${rung}`)) rung++;
  return rung;
}

/** A hundredth of a complete trial's steps, at least one; null before there is one. */
function estimateResource(trials: StudyView['trials']): number | null {
  const first = firstComplete(trials);
  return first === null ? null : Math.max(Math.floor(lastStep(first)! / 100), 1);
}
