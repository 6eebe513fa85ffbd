// Chooses the most promising of many draws from the search distribution: a Gaussian process over the trials so far,
// in the metric of the distribution (distances along its axes, in units of its standard deviations), predicts their
// losses. Every second point of a generation is chosen this way; the others stay plain draws, since with all of them
// chosen the covariance adapts more slowly on ill-conditioned functions.
// The idea is local meta-model CMA-ES (Kern, Hansen, Koumoutsakos, PPSN 2006); the model is simpler here.
//
// N trials in the model; n coordinates; z = C^{-1/2} (x - m) / sigma.

import { cholesky, solveLower, solveLowerTransposed } from '../../math/linear.js';
import { moments, softCap } from '../softCap.js';
import { type Gaussian, whiten } from './gaussian.js';

/** A point of the mixed space. */
export interface Point {
  /** (n) numeric coordinates in [0, 1]. */
  readonly u: Float64Array;
  /** Index of the choice of each categorical parameter. */
  readonly choices: readonly number[];
}

/** A finished trial; loss null where it failed. */
export interface Evaluated extends Point {
  readonly loss: number | null;
  /** Index of the other study in whose promising region it is the center. */
  readonly region?: number;
  /** By how much it violates the constraints; absent where it satisfies them. */
  readonly excess?: number;
}

/** The loss of a trial that satisfies the constraints; null of others. */
export const feasibleLoss = ({ loss, excess }: Evaluated): number | null =>
  excess === undefined ? loss : null;

/** The model is fitted to this many trials, those nearest to the mean, */
const MODEL_SIZE = 80;
/** among this many of the latest. */
const MEMORY = 400;
/** Length scales tried, in units of sqrt(n): the typical distance of a draw from the mean is 1. */
const LENGTHS = [1, 2, 4];
/** Noise variances tried, relative to the signal's. */
const NOISES = [0.03, 0.3];

/** z of a point, without the stretch of integer axes. */
function standardize(state: Gaussian, stretch: Float64Array, u: Float64Array): Float64Array {
  return whiten(
    state,
    u.map((x, i) => (x - state.mean[i]!) / (state.sigma * stretch[i]!)),
  );
}

/**
 * Index of the candidate with the lowest predicted loss; 0 where no prediction is possible.
 * Failures, and what violates a constraint, count as the worst loss seen. Length scale and noise maximize the marginal likelihood over a small grid.
 */
export function mostPromising(
  candidates: readonly Point[],
  evaluated: readonly Evaluated[],
  state: Gaussian,
  stretch: Float64Array,
): number {
  const n = state.mean.length + (evaluated[0]?.choices.length ?? 0);
  const near = nearest(evaluated, state, stretch);
  const y = standardizedLosses(near.map((t) => t.loss));
  if (y === null) return 0;
  const count = near.length;

  const distances = new Float64Array(count * count);
  for (let i = 0; i < count; i++)
    for (let j = 0; j < i; j++) distances[i * count + j] = squaredDistance(near[i]!, near[j]!, n);

  let best: { length: number; weights: Float64Array; likelihood: number } | null = null;
  const kernel = new Float64Array(count * count);
  const covariance = new Float64Array(count * count);
  for (const relative of LENGTHS) {
    const length = relative * Math.sqrt(n);
    for (let i = 0; i < count; i++)
      for (let j = 0; j < i; j++) kernel[i * count + j] = matern(distances[i * count + j]!, length);
    for (const noise of NOISES) {
      covariance.set(kernel);
      for (let i = 0; i < count; i++) covariance[i * count + i] = 1 + noise;
      if (!cholesky(covariance, count)) continue;
      const weights = y.slice();
      solveLower(covariance, count, weights);
      let square = 0;
      let logDeterminant = 0;
      for (let i = 0; i < count; i++) {
        square += weights[i]! ** 2;
        logDeterminant += Math.log(covariance[i * count + i]!);
      }
      // Profiled over the signal variance, whose best value is square / N.
      const likelihood = -0.5 * count * Math.log(square / count) - logDeterminant;
      if (best !== null && likelihood <= best.likelihood) continue;
      solveLowerTransposed(covariance, count, weights);
      best = { length, weights, likelihood };
    }
  }
  if (best === null) return 0;

  let chosen = 0;
  let lowest = Infinity;
  candidates.forEach((candidate, index) => {
    const at = { z: standardize(state, stretch, candidate.u), choices: candidate.choices };
    let prediction = 0;
    for (let i = 0; i < count; i++)
      prediction += best.weights[i]! * matern(squaredDistance(at, near[i]!, n), best.length);
    if (prediction < lowest) [lowest, chosen] = [prediction, index];
  });
  return chosen;
}

type Standardized = { z: Float64Array; choices: readonly number[]; loss: number | null };

/** The trials nearest to the mean, in z. */
function nearest(evaluated: readonly Evaluated[], state: Gaussian, stretch: Float64Array): Standardized[] {
  const all = evaluated
    .slice(-MEMORY)
    .map((t) => ({ z: standardize(state, stretch, t.u), choices: t.choices, loss: feasibleLoss(t) }));
  if (all.length <= MODEL_SIZE) return all;
  const square = (z: Float64Array) => z.reduce((sum, x) => sum + x * x, 0);
  return all
    .map((t) => ({ t, far: square(t.z) }))
    .sort((a, b) => a.far - b.far)
    .slice(0, MODEL_SIZE)
    .map(({ t }) => t);
}

/** Mean 0, variance 1, failures as the worst value; null where no trial succeeded or all are equal. */
function standardizedLosses(losses: readonly (number | null)[]): Float64Array | null {
  const known = losses.filter((loss) => loss !== null);
  if (known.length === 0) return null;
  const worst = known.reduce((a, b) => Math.max(a, b));
  const cap = softCap(known);
  const filled = losses.map((loss) => cap(loss ?? worst));
  const { mean, deviation } = moments(filled);
  return deviation > 0 ? Float64Array.from(filled, (x) => (x - mean) / deviation) : null;
}

/** In z; a different choice counts as the typical distance of a draw from the mean. */
function squaredDistance(
  a: { z: Float64Array; choices: readonly number[] },
  b: { z: Float64Array; choices: readonly number[] },
  n: number,
): number {
  let sum = 0;
  for (let k = 0; k < a.z.length; k++) sum += (a.z[k]! - b.z[k]!) ** 2;
  for (let k = 0; k < a.choices.length; k++) if (a.choices[k] !== b.choices[k]) sum += n;
  return sum;
}

/** Matérn 5/2. */
function matern(squared: number, length: number): number {
  const r = Math.sqrt(5 * squared) / length;
  return (1 + r + (r * r) / 3) * Math.exp(-r);
}
