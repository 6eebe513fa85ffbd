// What the trials say, in the model's words: observations to fit, failures to learn from, runs in progress.
// Values are turned so that smaller is better, and warped to look normal: standardised, transformed by
// Yeo-Johnson (as HEBO does: Cowen-Rivers et al., JAIR 74, 2022), standardised again. Failed trials have no value and
// get none here.

import { median, quantile } from '../../math/order.js';
import { fitYeoJohnson, yeoJohnson } from '../../math/yeoJohnson.js';
import type { StudyView, Trial } from '../../types.js';
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

/**
 * Range of the power. Below 0 the best few values are pulled so far apart that the search settles around the first
 * good point (measured on multimodal and categorical functions).
 */
const POWERS = [0, 2] as const;

/** Warped targets, mean 0 and variance 1, and the variance of each one's own uncertainty. */
export function warp(observations: readonly Observation[]): { y: Float64Array; extra: Float64Array } {
  const values = observations.map((o) => o.value);
  const center = values.reduce((sum, v) => sum + v, 0) / values.length;
  const scale = Math.sqrt(values.reduce((sum, v) => sum + (v - center) ** 2, 0) / values.length);
  if (!(scale > 0)) return { y: new Float64Array(values.length), extra: new Float64Array(values.length) };
  const scaled = values.map((v) => (v - center) / scale);
  const power = fitYeoJohnson(scaled, POWERS[0], POWERS[1]);
  const bent = scaled.map((v) => yeoJohnson(v, power));
  const mean = bent.reduce((sum, v) => sum + v, 0) / bent.length;
  const sd = Math.sqrt(bent.reduce((sum, v) => sum + (v - mean) ** 2, 0) / bent.length) || 1;
  const extra = observations.map(({ spread }, i) => {
    const reach = spread / scale;
    return reach > 0
      ? ((yeoJohnson(scaled[i]! + reach, power) - yeoJohnson(scaled[i]! - reach, power)) / (2 * sd)) ** 2
      : 0;
  });
  return { y: Float64Array.from(bent, (v) => (v - mean) / sd), extra: Float64Array.from(extra) };
}
