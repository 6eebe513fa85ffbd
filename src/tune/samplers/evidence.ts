// What samplers learn from trials: observations, failures, running trials. Values are negated if the study maximizes,
// so that smaller is better; infinite values are valid, NaN is a failure.

import { signOf } from '../best.js';
import { storedViolations, UNMEASURED } from '../constraints.js';
import { isFinished } from '../journal/records.js';
import { median, quantile } from '../math/order.js';
import { type Losses, lossesOf } from '../pareto.js';
import { SUPERSEDED } from '../storage/recovered.js';
import type { StudyView, Trial } from '../types.js';
import { type Axis, encode } from './axes.js';

/** A point with a value; `spread` is the standard deviation of a value that was extrapolated, else 0. */
export interface Observation {
  x: Float64Array;
  value: number;
  spread: number;
  /** What it violates, one number a constraint, at most 0 where it holds; absent of a trial without. */
  violations?: readonly number[];
  /** Of two objectives; `value` is then the first. */
  losses?: Losses;
}

/** Whether an observation satisfies its constraints. */
export const isFeasible = ({ violations = [] }: Observation): boolean => violations.every((v) => v <= 0);

/** The sum of what it violates. */
export const excessOf = ({ violations = [] }: Observation): number =>
  violations.reduce((sum, v) => sum + Math.max(0, v), 0);

/** The trials by what they teach. */
export interface Evidence {
  observations: Observation[];
  /** Points that failed or gave no value. */
  failures: Float64Array[];
  /** Points being evaluated by this or another worker. */
  running: Float64Array[];
}

/** Whether a trial was cut short, which says nothing about its configuration. */
export function isSilent({ state, userAttrs }: Pick<Trial, 'state' | 'userAttrs'>): boolean {
  return state === 'fail' && ['interrupted', 'killed', SUPERSEDED].includes(userAttrs.fail_reason as string);
}

/**
 * Finished trials that teach something, in the order in which they finished: a prefix of it never changes when
 * others finish later. Left out: trials that were cut short, and those refused before they ran where the study's
 * check tells that of every point.
 */
export function finishedTrials(study: StudyView): Trial[] {
  return study.trials
    .filter((t) => isFinished(t.state) && !isSilent(t))
    .filter((t) => !(study.canRun && t.userAttrs.fail_reason === 'infeasible'))
    .sort(byEnd);
}

/** The order in which trials finished. */
export const byEnd = (a: Trial, b: Trial): number => (a.end ?? 0) - (b.end ?? 0) || a.number - b.number;

/** The last step and value that a trial reported, NaN apart. */
function lastReport(trial: Trial): { step: number; value: number } | null {
  let last: { step: number; value: number } | null = null;
  for (const [step, value] of trial.intermediate)
    if (!Number.isNaN(value) && (last === null || step >= last.step)) last = { step, value };
  return last;
}

/** The value of a complete trial, smaller better; null where there is none. */
export function lossOf(study: StudyView, { state, value }: Trial): number | null {
  if (state !== 'complete' || value === null || Number.isNaN(value)) return null;
  return signOf(study.direction) * value;
}

/**
 * Gives the value of a complete or pruned trial, smaller better; null of a failed one. A pruned trial counts with its last
 * intermediate value, carried to the end by the median change that complete trials made after the same step, its
 * uncertainty their spread; where fewer than three reported that step, it is taken to be no better than their median.
 * @param complete trials that have a value; each step is worked out once for all trials that were pruned there
 */
export function estimator(
  study: StudyView,
  complete: readonly Trial[],
): (trial: Trial) => { value: number; spread: number } | null {
  const sign = signOf(study.direction);
  const known = new Map<number, { change: number; spread: number } | null>();
  let middle: number | undefined;
  const changeAfter = (step: number) => {
    const changes = complete
      .map((t) => lossOf(study, t)! - sign * (t.intermediate.get(step) ?? NaN))
      .filter(Number.isFinite);
    if (changes.length < 3) return null;
    const spread = (quantile(changes, 0.75) - quantile(changes, 0.25)) / 1.349;
    return { change: median(changes), spread };
  };
  return (trial) => {
    const loss = lossOf(study, trial);
    if (loss !== null) return { value: loss, spread: 0 };
    const report = trial.state === 'pruned' ? lastReport(trial) : null;
    if (report === null) return null;
    const value = sign * report.value;
    if (!known.has(report.step)) known.set(report.step, changeAfter(report.step));
    const after = known.get(report.step);
    if (after) return { value: value + after.change, spread: after.spread };
    middle ??= median(complete.map((t) => lossOf(study, t)!)); // NaN of none, and between both infinities
    return { value: Number.isNaN(middle) ? value : Math.max(value, middle), spread: 0 };
  };
}

/** Sorts finished trials into observations and failures. */
export function gather(study: StudyView, axes: readonly Axis[], finished: readonly Trial[]): Evidence {
  const observations: Observation[] = [];
  const failures: Float64Array[] = [];
  const estimate = estimator(
    study,
    finished.filter((trial) => lossOf(study, trial) !== null),
  );
  for (const trial of finished) {
    const x = encode(axes, trial.params);
    if (x === null) continue;
    const estimated = estimate(trial);
    const losses = study.directions ? lossesOf(trial, study.directions) : undefined;
    if (!estimated || losses === null || UNMEASURED in trial.systemAttrs) {
      failures.push(x);
      continue;
    }
    const violations = storedViolations(trial);
    const limited = violations.length > 0 && { violations };
    observations.push({ x, ...estimated, ...limited, ...(losses && { losses }) });
  }
  const running = study.trials
    .filter((t) => t.state === 'running')
    .flatMap((t) => encode(axes, t.params) ?? []);
  return { observations, failures, running };
}
