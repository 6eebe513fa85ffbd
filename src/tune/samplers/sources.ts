// Other studies as prior knowledge: their trials in the parameters of this one, and how far they are to be trusted.

import type { Params, SearchSpace, StudyView, Trial } from '../types.js';
import { type Axis, decode, encode } from './axes.js';
import { lossOf } from './evidence.js';

/** At first, a source counts as much as this many trials with predictions of unit variance. */
const CONFIDENCE = 2;

/**
 * Trials of other studies, a list for each; parameters that they lack take the defaults of this one.
 * @param given a source beside those of the study
 */
export function sourcesOf(study: StudyView, given?: readonly Trial[]): Trial[][] {
  return [...(given ? [given] : []), ...(study.warmStart ?? [])].map((trials) =>
    trials.map((trial) => ({ ...trial, params: { ...study.defaults, ...trial.params } })),
  );
}

/**
 * Caches what a sampler works out once for each study: by its space, and again where the seed or the studies that it
 * started from differ.
 */
export function oncePerStudy<T>(make: (study: StudyView) => T): (study: StudyView) => T {
  const cache = new WeakMap<SearchSpace, Pick<StudyView, 'seed' | 'warmStart'> & { made: T }>();
  return (study) => {
    const { space, seed, warmStart } = study;
    const kept = cache.get(space);
    if (kept?.seed === seed && kept.warmStart === warmStart) return kept.made;
    const made = make(study);
    cache.set(space, { seed, warmStart, made });
    return made;
  };
}

/** The best configuration of each source, moved into the space; none of a source without values. */
export function bestOfSources(
  study: StudyView,
  axes: readonly Axis[],
  sources: readonly (readonly Trial[])[],
): Params[] {
  return sources.flatMap((trials) => {
    const losses = trials.map((trial) => lossOf(study, trial) ?? Infinity);
    const least = losses.reduce((a, b) => Math.min(a, b), Infinity);
    const best = least < Infinity && encode(axes, trials[losses.indexOf(least)]!.params);
    return best ? [decode(study.space, axes, best)] : [];
  });
}

/**
 * Factors that suit the predictions of K sources to the values here, f_k >= 0: the minimum of
 * sum_i (y_i - sum_k f_k (m_ki - mean m_k))^2 + CONFIDENCE sum_k (f_k - 1/K)^2. They start at 1/K, and a source that
 * contradicts the values gets 0.
 * @param y [N] values, smaller better, in the units of the predictions
 * @param predictions [K][N]
 */
export function factorsOf(y: ArrayLike<number>, predictions: readonly Float64Array[]): number[] {
  const share = 1 / predictions.length;
  const factors = predictions.map(() => share);
  const centered = predictions.map((m) => {
    const center = m.reduce((sum, v) => sum + v, 0) / m.length;
    return m.map((v) => v - center);
  });
  const sweeps = predictions.length > 1 ? 30 : 1;
  for (let sweep = 0; sweep < sweeps; sweep++)
    for (const [k, m] of centered.entries()) {
      let covariance = CONFIDENCE * share;
      let variance = CONFIDENCE;
      for (let i = 0; i < m.length; i++) {
        let others = 0;
        for (const [j, other] of centered.entries()) if (j !== k) others += factors[j]! * other[i]!;
        covariance += (y[i]! - others) * m[i]!;
        variance += m[i]! ** 2;
      }
      factors[k] = Math.max(0, covariance / variance);
    }
  return factors;
}
