// Another study as prior knowledge for TPE: the densities of its own good and bad trials. The logarithm of their ratio
// is added to that of this study's trials, with a weight that falls with the trials made here and that is 0 where it
// contradicts them.

import { normalQuantile } from '../../math/normal.js';
import type { StudyView, Trial } from '../../types.js';
import type { Axis } from '../axes.js';
import { gather, type Observation } from '../evidence.js';
import { moments } from '../softCap.js';
import { factorsOf } from '../sources.js';
import { split } from './groups.js';
import { logDensities, type Mixture, mixture } from './mixture.js';

/** Fewer values than this are ignored. */
const LEAST = 5;

/** After so many trials of this study, a source has half of its weight. */
const HALF = 10;

export interface Source {
  good: Mixture;
  /** ln g(x) - ln l(x), the smaller the better, in units of its standard deviation over the source's trials. */
  score(points: readonly Float64Array[]): Float64Array;
}

/** Densities of another study's trials, see sources.ts; null of too few. */
export function sourceOf(
  study: StudyView,
  axes: readonly Axis[],
  trials: readonly Trial[],
  narrowest: number,
): Source | null {
  const evidence = gather({ ...study, trials: [] }, axes, trials);
  if (evidence.observations.length < LEAST) return null;
  const groups = split(evidence);
  const good = mixture(axes, groups.good.points, groups.good.weights, narrowest);
  const bad = mixture(axes, groups.bad.points, groups.bad.weights, narrowest);
  const difference = (points: readonly Float64Array[]) => {
    const l = logDensities(good, points);
    return logDensities(bad, points).map((g, i) => g - l[i]!);
  };
  const { deviation } = moments([...difference(evidence.observations.map(({ x }) => x))]);
  return { good, score: (points) => difference(points).map((v) => v / Math.max(deviation, 1e-9)) };
}

/** The weights of sources given the values so far; 1 in all before there are any. */
export function weightsOf(sources: readonly Source[], observations: readonly Observation[]): number[] {
  const n = observations.length;
  const order = Array.from(observations.keys()).sort(
    (i, j) => observations[i]!.value - observations[j]!.value,
  );
  const y = new Float64Array(n);
  for (const [rank, i] of order.entries()) y[i] = normalQuantile((rank + 0.5) / n);
  const points = observations.map(({ x }) => x);
  const factors = factorsOf(
    y,
    sources.map((source) => source.score(points)),
  );
  return factors.map((factor) => (Math.min(1, factor) * HALF) / (HALF + n));
}
