// The negative log posterior of the hyperparameters and its gradient (Rasmussen & Williams 2006, eqs 5.8, 5.9),
// with priors against overfitting few observations in many dimensions:
//   length scales  l ~ LogNormal(sqrt 2 + ln(D)/2, sqrt 3) (Hvarfner, Hellsten & Nardi, ICML 2024) times exp(-0.1 / l^2):
//                  without that factor, ripples look like structure and the search settles in one of them
//   scale          a ~ Gamma(2, 1)
//   noise          s2 ~ Gamma(1.1, 30)

import {
  cholesky,
  inverseFromFactor,
  invertFactor,
  rowDots,
  solveLower,
  solveLowerTransposed,
} from '../../math/linear.js';
import { thinned } from '../../math/order.js';
import { inverseSquares, MEAN_VARIANCE, NOISE_FLOOR, scalePoints, squaredDistance } from './kernel.js';

/** What the model is fitted to: N points in D dimensions. */
export interface Data {
  n: number;
  d: number;
  /** The first so many coordinates are numbers, the rest indices of choices. */
  numeric: number;
  /** [N, D] coordinates. */
  x: Float64Array;
  /** [N] targets, about zero mean and unit variance. */
  y: Float64Array;
  /** [N] noise variance of single observations beyond the common one. */
  extra: Float64Array;
  /** [N] whether an observation satisfies the constraints; absent where there are none. */
  feasible?: readonly boolean[];
  /** [D] what the prior's mean of ln l has in addition; absent: nothing. */
  shift?: Float64Array;
}

/**
 * All points, or `limit` of them: the best half of the limit (feasible ones first), where the search goes on, and an even
 * choice by value of the others.
 */
export function representative(data: Data, limit: number): Data {
  const { n, d } = data;
  if (n <= limit) return data;
  const last = (i: number) => (data.feasible?.[i] === false ? 1 : 0);
  const order = Array.from(data.y.keys()).sort(
    (i, j) => last(i) - last(j) || data.y[i]! - data.y[j]! || i - j,
  );
  const chosen = thinned(order, limit);
  const x = new Float64Array(limit * d);
  for (const [i, from] of chosen.entries()) x.set(data.x.subarray(from * d, (from + 1) * d), i * d);
  const pick = (values: Float64Array) => Float64Array.from(chosen, (i) => values[i]!);
  const { feasible } = data;
  return {
    ...data,
    n: limit,
    x,
    y: pick(data.y),
    extra: pick(data.extra),
    ...(feasible && { feasible: chosen.map((i) => feasible[i]!) }),
  };
}

/** Weight of 1 / l^2 against short length scales. */
const SHORT = 0.1;

/**
 * ln prior density (up to a constant), with its mean of ln l moved by `shift` [D]; its derivative in the hyperparameters is
 * added to `gradient`.
 */
export function logPrior(
  hyper: Float64Array,
  d: number,
  gradient: Float64Array,
  shift?: Float64Array,
): number {
  const center = Math.SQRT2 + 0.5 * Math.log(d);
  let total = 0;
  for (let j = 0; j < d; j++) {
    const z = hyper[j]! - center - (shift?.[j] ?? 0);
    const short = SHORT * Math.exp(-2 * hyper[j]!);
    total -= (z * z) / 6 + hyper[j]! + short;
    gradient[j]! -= z / 3 + 1 - 2 * short;
  }
  const a = Math.exp(hyper[d]!);
  total += hyper[d]! - a;
  gradient[d]! += 1 - a;
  const s2 = Math.exp(hyper[d + 1]!);
  total += 0.1 * hyper[d + 1]! - 30 * s2;
  gradient[d + 1]! += 0.1 - 30 * s2;
  return total;
}

/**
 * The negative log posterior as a function of the hyperparameters; writes its gradient unless that is null.
 * Buffers are reused between calls.
 */
export function negativeLogPosterior(
  data: Data,
): (hyper: Float64Array, gradient: Float64Array | null) => number {
  const { n, d, numeric, x, y, extra, shift } = data;
  const pairs = (n * (n - 1)) / 2;
  const slopes = new Float64Array(pairs);
  const values = new Float64Array(pairs);
  const factor = new Float64Array(n * n);
  const upper = new Float64Array(n * n);
  const inverse = new Float64Array(n * n);
  const alpha = new Float64Array(n);
  const points = new Float64Array(n * d);
  const columns = new Float64Array(numeric * n);
  for (let i = 0; i < n; i++) for (let k = 0; k < numeric; k++) columns[k * n + i] = x[i * d + k]!;
  const products = new Float64Array(n * numeric);

  return (hyper, gradient) => {
    const theta = inverseSquares(hyper, d);
    const a = Math.exp(hyper[d]!);
    const s2 = Math.exp(hyper[d + 1]!);
    scalePoints(x, n, d, numeric, theta, points);
    const rows = { n, d, numeric, x: points, theta, a };
    let p = 0;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++, p++) {
        const r2 = squaredDistance(rows, i, points, j * d);
        const t = Math.sqrt(5 * r2);
        const e = a * Math.exp(-t);
        const value = e * (1 + t + (5 / 3) * r2);
        values[p] = value;
        slopes[p] = (5 / 3) * e * (1 + t);
        factor[i * n + j] = value + MEAN_VARIANCE;
      }
      factor[i * n + i] = a + MEAN_VARIANCE + s2 + NOISE_FLOOR + extra[i]!;
    }
    gradient?.fill(0);
    if (!cholesky(factor, n)) return Infinity;
    alpha.set(y);
    solveLower(factor, n, alpha);
    let total = 0.5 * n * Math.log(2 * Math.PI);
    for (let i = 0; i < n; i++) total += 0.5 * alpha[i]! ** 2 + Math.log(factor[i * n + i]!);
    if (gradient === null) return total - logPrior(hyper, d, new Float64Array(d + 2), shift);

    solveLowerTransposed(factor, n, alpha);
    invertFactor(factor, n, upper);
    inverseFromFactor(upper, n, inverse);

    // d/dphi = -sum_{i>j} W_ij dK_ij - 1/2 sum_i W_ii dK_ii, W = alpha alpha^T - K^-1. In place of K^-1 goes
    // V_ij = W_ij (5/3) a (1 + t) e^-t, so that dK / d(ln l_k) contributes V_ij d_k^2 / l_k^2.
    let ofScale = 0;
    let ofNoise = 0;
    p = 0;
    for (let i = 0; i < n; i++) {
      const ai = alpha[i]!;
      for (let j = 0; j < i; j++, p++) {
        const w = ai * alpha[j]! - inverse[i * n + j]!;
        ofScale += w * values[p]!;
        const v = w * slopes[p]!;
        inverse[i * n + j] = v;
        inverse[j * n + i] = v;
        for (let k = numeric; k < d; k++) if (x[i * d + k] !== x[j * d + k]) gradient[k]! -= v * theta[k]!;
      }
      const diagonal = ai * ai - inverse[i * n + i]!;
      inverse[i * n + i] = 0;
      ofScale += 0.5 * diagonal * a;
      ofNoise += 0.5 * diagonal * s2;
    }
    // sum_{i>j} V_ij (x_i - x_j)^2 = sum_i x_i^2 (V 1)_i - x_i (V x)_i, for all dimensions by one product.
    rowDots(columns, numeric, inverse, n, n, products);
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let j = 0, q = i * n; j < n; j++) sum += inverse[q + j]!;
      for (let k = 0; k < numeric; k++) {
        const xi = x[i * d + k]!;
        gradient[k]! -= theta[k]! * xi * (xi * sum - products[i * numeric + k]!);
      }
    }
    gradient[d] = -ofScale;
    gradient[d + 1] = -ofNoise;

    for (let k = 0; k < d + 2; k++) gradient[k]! *= -1;
    total -= logPrior(hyper, d, gradient, shift);
    for (let k = 0; k < d + 2; k++) gradient[k]! *= -1;
    return total;
  };
}
