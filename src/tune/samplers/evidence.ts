// What the trials say, in a sampler's words: observations to learn from, failures, runs in progress. Values are
// turned so that smaller is better. Failed trials have no value and get none here.

import { median, quantile } from '../math/order.js';
import type { StudyView, Trial } from '../types.js';
import { type Axis, encode } from './axes.js';

/** A point with a value; `spread` is the standard deviation of a value that was extrapolated, else 0. */
export interface Observation {
  x: Float64Array;
  value: number;
  spread: number;
}

/** The trials sorted by what they tell. */
export interface Evidence {
  observations: Observation[];
  /** Points that failed or gave no finite value. */
  failures: Float64Array[];
  /** Points being evaluated by this or another worker. */
  running: Float64Array[];
}

/** Finished trials in the order in which they finished: a prefix of it never changes when others finish later. */
export function finishedTrials(study: StudyView): Trial[] {
  return study.trials
    .filter((t) => t.state === 'complete' || t.state === 'pruned' || t.state === 'fail')
    .sort((a, b) => (a.end ?? 0) - (b.end ?? 0) || a.number - b.number);
}

/** The last step and value that a trial reported, finite ones only. */
function lastReport(trial: Trial): { step: number; value: number } | null {
  let last: { step: number; value: number } | null = null;
  for (const [step, value] of trial.intermediate)
    if (Number.isFinite(value) && (last === null || step >= last.step)) last = { step, value };
  return last;
}

/**
 * Sorts finished trials into observations and failures. A pruned trial counts with its last intermediate value,
 * carried to the end by the median change that complete trials made after the same step, its uncertainty
 * their spread; where no complete trial reported that step, it is taken to be no better than their median.
 */
export function gather(study: StudyView, axes: readonly Axis[], finished: readonly Trial[]): Evidence {
  const sign = study.direction === 'maximize' ? -1 : 1;
  const observations: Observation[] = [];
  const failures: Float64Array[] = [];
  const complete = finished.filter(
    (t) => t.state === 'complete' && t.value !== null && Number.isFinite(t.value),
  );
  for (const trial of finished) {
    const x = encode(axes, trial.params);
    if (x === null) continue;
    if (trial.state === 'complete' && trial.value !== null && Number.isFinite(trial.value))
      observations.push({ x, value: sign * trial.value, spread: 0 });
    else if (trial.state === 'pruned' && lastReport(trial) !== null)
      observations.push({ x, ...extrapolate(lastReport(trial)!, complete, sign) });
    else failures.push(x);
  }
  const running = study.trials
    .filter((t) => t.state === 'running')
    .flatMap((t) => encode(axes, t.params) ?? []);
  return { observations, failures, running };
}

function extrapolate(
  report: { step: number; value: number },
  complete: readonly Trial[],
  sign: number,
): { value: number; spread: number } {
  const value = sign * report.value;
  const changes = complete.flatMap((t) => {
    const then = t.intermediate.get(report.step);
    return then !== undefined && Number.isFinite(then) ? [sign * (t.value! - then)] : [];
  });
  if (changes.length >= 3)
    return {
      value: value + median(changes),
      spread: (quantile(changes, 0.75) - quantile(changes, 0.25)) / 1.349,
    };
  const values = complete.map((t) => sign * t.value!);
  return { value: values.length ? Math.max(value, median(values)) : value, spread: 0 };
}
