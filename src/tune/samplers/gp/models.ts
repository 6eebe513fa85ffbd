// The two models behind an ask: of the objective, from what the trials were worth, and of feasibility, from whether
// they ran at all.

import type { Random } from '../../../base/random.js';
import type { Axis } from '../axes.js';
import type { Evidence } from '../evidence.js';
import type { Data } from './likelihood.js';
import { fantasize, type Posterior } from './posterior.js';
import { warp } from './targets.js';

/** Noise-free pasts that expected improvement is averaged over. */
const PASTS = 16;

/** Points of lowest posterior mean around which the search starts. */
const ANCHORS = 5;

/**
 * Noise variance with which a failure counts as an average value (targets have mean 0 and variance 1): a gentle
 * pull, so that the model neither sees a hole where nothing came back nor bends around a cliff.
 */
const FAILURE_NOISE = 0.2;

export interface ObjectiveModel {
  posterior: Posterior;
  /** [S] what to improve on: the lowest value of each past, over trials that ran or are running, or told if lower. */
  lowest: Float64Array;
  /** Observed points by posterior mean, the best first. */
  anchors: Float64Array[];
}

/** Coordinates as [N, D], with the shape that `Data` needs. */
function stack(
  axes: readonly Axis[],
  points: readonly Float64Array[],
): Pick<Data, 'n' | 'd' | 'numeric' | 'x'> {
  const d = axes.length;
  const x = new Float64Array(points.length * d);
  for (const [i, point] of points.entries()) x.set(point, i * d);
  return { n: points.length, d, numeric: axes.filter((axis) => axis.kind !== 'categorical').length, x };
}

/** The values, warped; what the objective's hyperparameters are fitted to. Null without any. */
export function objectiveData(axes: readonly Axis[], { observations }: Evidence): Data | null {
  if (observations.length === 0) return null;
  return {
    ...stack(
      axes,
      observations.map((o) => o.x),
    ),
    ...warp(observations),
  };
}

/** Conditions on values and failures, and draws pasts at the observed and running points. */
export function modelObjective(
  axes: readonly Axis[],
  evidence: Evidence,
  values: Data,
  hyper: Float64Array,
  random: Random,
): ObjectiveModel {
  const { observations, failures, running } = evidence;
  const pad = (start: Float64Array, fill: number) => {
    const out = new Float64Array(observations.length + failures.length).fill(fill);
    out.set(start);
    return out;
  };
  const data: Data = {
    ...stack(axes, [...observations.map((o) => o.x), ...failures]),
    y: pad(values.y, 0),
    extra: pad(values.extra, FAILURE_NOISE),
  };
  const { posterior, lowest, mean } = fantasize(data, hyper, stack(axes, running).x, PASTS, random, values.n);
  // Under noise the luckiest value told lies below what any past holds. Improving on it asks for more, which keeps
  // the search from settling in the first valley (measured: as good on bowls, better on multimodal functions).
  const told = Math.min(...values.y);
  for (let s = 0; s < PASTS; s++) lowest[s] = Math.min(lowest[s]!, told);
  const order = Array.from(observations.keys()).sort((a, b) => mean[a]! - mean[b]! || a - b);
  return { posterior, lowest, anchors: order.slice(0, ANCHORS).map((i) => observations[i]!.x) };
}

/** +1 for every trial that gave a value, -1 for every failure; null where nothing failed. */
export function feasibilityData(axes: readonly Axis[], { observations, failures }: Evidence): Data | null {
  if (failures.length === 0) return null;
  const shape = stack(axes, [...observations.map((o) => o.x), ...failures]);
  const y = new Float64Array(shape.n).fill(-1).fill(1, 0, observations.length);
  return { ...shape, y, extra: new Float64Array(shape.n) };
}
