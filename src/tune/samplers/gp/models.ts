// The two models behind an ask: one of the objective's values, one of feasibility (whether trials fail).

import type { Random } from '../../../base/random.js';
import type { StudyView, Trial } from '../../types.js';
import type { Axis } from '../axes.js';
import { type Evidence, gather, isFeasible } from '../evidence.js';
import { filled } from '../prior.js';
import { fitHyper } from './fit.js';
import { type Data, representative } from './likelihood.js';
import { condition, fantasize, type Posterior } from './posterior.js';
import { warp } from './targets.js';
import { type PriorMean, residual, type Source, sourceOf, withMean } from './transfer.js';

/** Sampled noise-free pasts over which expected improvement is averaged. */
export const PASTS = 16;

/** Points of lowest posterior mean around which the search starts. */
export const ANCHORS = 5;

/**
 * A failure counts as an average value (targets have mean 0 and variance 1) with this noise variance: a weak pull, so
 * that the model neither stays ignorant where trials fail nor bends around a cliff.
 */
const FAILURE_NOISE = 0.2;

export interface ObjectiveModel {
  posterior: Posterior;
  /** [S] what to improve on: the lowest value of each past, over trials that ran or are running, or the lowest value seen. */
  lowest: Float64Array;
  /** Observed points by posterior mean, the best first, feasible ones before others. */
  anchors: Float64Array[];
  /** [V, D] the observations that the model uses, their targets, and posterior means. */
  x: Float64Array;
  targets: Float64Array;
  mean: Float64Array;
  /** [S, points] values of each past: at the observations, failures and, last, the `running` trials. */
  pasts: Float64Array;
  points: number;
  running: number;
}

/** Coordinates as [N, D], with the shape that `Data` needs. */
export function stack(
  axes: readonly Axis[],
  points: readonly Float64Array[],
): Pick<Data, 'n' | 'd' | 'numeric' | 'x'> {
  const d = axes.length;
  const x = new Float64Array(points.length * d);
  for (const [i, point] of points.entries()) x.set(filled(axes, point), i * d);
  return { n: points.length, d, numeric: axes.filter((axis) => axis.kind !== 'categorical').length, x };
}

/**
 * The values, warped; what the objective's hyperparameters are fitted to, with the prior moved by `shift`. Null without
 * any.
 */
export function objectiveData(
  axes: readonly Axis[],
  { observations }: Evidence,
  shift: Float64Array | null = null,
): Data | null {
  if (observations.length === 0) return null;
  return {
    ...stack(
      axes,
      observations.map((o) => o.x),
    ),
    ...warp(observations),
    ...(observations.some((o) => o.violations) && { feasible: observations.map(isFeasible) }),
    ...(shift && { shift }),
  };
}

/** At most this many observations, and half as many failures, are conditioned on. */
export const CONDITIONED = 320;

/** Conditions on values and failures, and draws pasts at the observed and running points. */
export function modelObjective(
  axes: readonly Axis[],
  evidence: Evidence,
  all: Data,
  hyper: Float64Array,
  random: Random,
  mean: PriorMean | null = null,
  samples = PASTS,
): ObjectiveModel {
  const values = representative(all, CONDITIONED);
  const failures = spread(evidence.failures, CONDITIONED / 2);
  const pad = (start: Float64Array, fill: number) => {
    const out = new Float64Array(values.n + failures.length).fill(fill);
    out.set(start);
    return out;
  };
  const failed = stack(axes, failures);
  const x = new Float64Array(values.x.length + failed.x.length);
  x.set(values.x);
  x.set(failed.x, values.x.length);
  const data: Data = {
    ...failed,
    n: values.n + failed.n,
    x,
    y: pad(values.y, 0),
    ...(values.feasible && { feasible: values.feasible }),
    extra: pad(values.extra, FAILURE_NOISE),
  };
  const pending = stack(axes, evidence.running).x;
  const fantasies = fantasize(
    mean ? residual(data, mean) : data,
    hyper,
    pending,
    samples,
    random,
    values.n,
    mean && ((points) => mean.at(points, points.length / data.d)),
  );
  const { lowest } = fantasies;
  const posterior = mean ? withMean(fantasies.posterior, mean) : fantasies.posterior;
  // Under noise the luckiest observed value lies below what any past holds. Improving on it asks for more, which keeps
  // the search from settling in the first valley (measured: as good on bowls, better on multimodal functions).
  const isPossible = (i: number) => values.feasible?.[i] !== false;
  const observed = Math.min(...values.y.filter((_, i) => isPossible(i)));
  for (let s = 0; s < samples; s++) lowest[s] = Math.min(lowest[s]!, observed);
  const order = Array.from(values.y.keys()).sort(
    (a, b) =>
      Number(isPossible(b)) - Number(isPossible(a)) || fantasies.mean[a]! - fantasies.mean[b]! || a - b,
  );
  const anchors = order.slice(0, ANCHORS).map((i) => values.x.slice(i * values.d, (i + 1) * values.d));
  const { mean: means, pasts } = fantasies;
  const running = evidence.running.length;
  const points = data.n + running;
  return { posterior, lowest, anchors, x: values.x, targets: values.y, mean: means, pasts, points, running };
}

/** Trials of another study that are used, the best ones and a choice of the others; too few are ignored. */
const MOST_OF_SOURCE = 200;
const LEAST_OF_SOURCE = 5;

/** A model of another study's trials, see sources.ts; null of too few. */
export function sourceModel(
  study: StudyView,
  axes: readonly Axis[],
  trials: readonly Trial[],
): Source | null {
  const data = objectiveData(axes, gather({ ...study, trials: [] }, axes, trials));
  if (data === null || data.n < LEAST_OF_SOURCE) return null;
  const shown = representative(data, MOST_OF_SOURCE);
  return sourceOf(shown, fitHyper(shown, null).hyper);
}

/** `limit` of the elements, evenly from first to last. */
function spread<T>(all: readonly T[], limit: number): readonly T[] {
  if (all.length <= limit) return all;
  return Array.from({ length: limit }, (_, i) => all[Math.round((i * (all.length - 1)) / (limit - 1))]!);
}

/** +1 for every trial that gave a value, -1 for every failure; null where nothing failed. */
export function feasibilityData(axes: readonly Axis[], { observations, failures }: Evidence): Data | null {
  if (failures.length === 0) return null;
  const shape = stack(axes, [...observations.map((o) => o.x), ...failures]);
  const y = new Float64Array(shape.n).fill(-1).fill(1, 0, observations.length);
  return { ...shape, y, extra: new Float64Array(shape.n) };
}

/** Conditions on the labels. */
export function modelFeasibility(labels: Data, hyper: Float64Array): Posterior {
  return condition(representative(labels, CONDITIONED), hyper);
}
