// The Gaussian process conditioned on data: mean and variance of the latent function (noise excluded), one by one with
// gradients, and in batches (Rasmussen & Williams 2006, eqs 2.25, 2.26). It may carry several target vectors over
// the same points, S means with one variance: plausible noise-free pasts drawn by `fantasize`.

import type { Random } from '../../../base/random.js';
import {
  cholesky,
  dot,
  inverseFromFactor,
  invertFactor,
  multiply,
  multiplyLower,
  rowDots,
  solveLower,
  solveLowerTransposed,
  transpose,
  triangularNorms,
} from '../../math/linear.js';
import {
  MEAN_VARIANCE,
  matern,
  NOISE_FLOOR,
  type Scaled,
  scaled,
  scalePoints,
  squaredDistance,
} from './kernel.js';
import type { Data } from './likelihood.js';

/** Candidates whose covariances are held at a time; keeps the block in the second-level cache. */
const BLOCK = 64;

export interface Posterior {
  /** Target vectors, S. */
  samples: number;
  hyper: Float64Array;
  /** Noise variance. */
  noise: number;
  /** Means [count, S] and variances [count] at the rows of `points` [count, D]. */
  predict(points: Float64Array, count: number, means: Float64Array, variances: Float64Array): void;
  /** Means [S] at one point; returns the variance. Remembers the point for `gradients`. */
  predictOne(x: Float64Array, means: Float64Array): number;
  /** At the point of the last `predictOne`: gradients [D] of sum_s w_s mean_s and of the variance. */
  gradients(weights: Float64Array, ofMean: Float64Array, ofVariance: Float64Array): void;
}

/** [N, N] lower triangle of the covariance of the latent values. */
function covariance(s: Scaled): Float64Array {
  const { n, d, a } = s;
  const k = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) k[i * n + j] = a * matern(squaredDistance(s, i, s.x, j * d)) + MEAN_VARIANCE;
    k[i * n + i] = a + MEAN_VARIANCE;
  }
  return k;
}

/** The Cholesky factor of a copy of k; the diagonal is raised until the matrix is definite. */
function factorize(k: Float64Array, n: number): Float64Array {
  const factor = k.slice();
  for (let jitter = NOISE_FLOOR; !cholesky(factor, n); jitter *= 10) {
    factor.set(k);
    for (let i = 0; i < n; i++) factor[i * n + i]! += jitter;
  }
  return factor;
}

/** Conditions on the data at fixed hyperparameters. */
export function condition(data: Data, hyper: Float64Array): Posterior {
  const { n, d, numeric, x, y, extra } = data;
  const points = scaled(x, n, d, numeric, hyper);
  const k = covariance(points);
  for (let i = 0; i < n; i++) k[i * n + i]! += Math.exp(hyper[d + 1]!) + NOISE_FLOOR + extra[i]!;
  const factor = factorize(k, n);
  const alpha = y.slice();
  solveLower(factor, n, alpha);
  solveLowerTransposed(factor, n, alpha);
  return predictor(points, hyper, factor, alpha, 1);
}

/** Noise-free pasts. */
export interface Fantasies {
  /** Given each past, S target vectors. */
  posterior: Posterior;
  /** [S] lowest value of each past, over feasible observations. */
  lowest: Float64Array;
  /** [S, N + M] values of each past, running trials last. */
  pasts: Float64Array;
  /** [N] posterior mean at the observed points, before any drawing. */
  mean: Float64Array;
}

/**
 * Draws S noise-free pasts: joint samples of the latent function at the observed points and at further ones whose
 * values are not known, and the posterior given each. Matheron's rule (Wilson et al., ICML 2020):
 * f = u + K_all,obs (K_obs + noise)^-1 (y - u_obs - e) with u, e from the prior and the noise.
 * @param pending [M, D] points of running trials
 * @param ran so many of the first observations count for `lowest`; the others failed
 * @param offset [N] a mean to be added to the sampled values, at points [N, D]
 */
export function fantasize(
  data: Data,
  hyper: Float64Array,
  pending: Float64Array,
  samples: number,
  random: Random,
  ran = data.n,
  offset: ((points: Float64Array) => Float64Array) | null = null,
): Fantasies {
  const { d, numeric, extra, y } = data;
  const m = data.n;
  const n = m + pending.length / d;
  const x = new Float64Array(n * d);
  x.set(data.x);
  x.set(pending, m * d);
  const added = offset?.(x) ?? new Float64Array(n);
  const points = scaled(x, n, d, numeric, hyper);
  const prior = covariance(points);
  const noise = Float64Array.from(extra, (e) => e + Math.exp(hyper[d + 1]!) + NOISE_FLOOR);

  const observed = new Float64Array(m * m);
  for (let i = 0; i < m; i++) {
    observed.set(prior.subarray(i * n, i * n + i + 1), i * m);
    observed[i * m + i]! += noise[i]!;
  }
  const observedFactor = factorize(observed, m);

  // Points close together determine each other; a little noise keeps the inverse accurate. It must stay far below
  // the observations' own, or values over several orders of magnitude lose their fine structure.
  for (let i = 0; i < n; i++) prior[i * n + i]! += 0.01 * Math.exp(hyper[d + 1]!) + 1e-8 * points.a;
  const factor = factorize(prior, n);

  const pasts = new Float64Array(samples * n);
  const values = new Float64Array(samples * n);
  const lowest = new Float64Array(samples).fill(Infinity);
  const mean = y.slice();
  const z = new Float64Array(n);
  const errors = new Float64Array(m);
  const weights = new Float64Array(m);
  const u = new Float64Array(n);
  for (let s = -1; s < samples; s++) {
    // Before the samples: the mean, f = y - noise alpha.
    u.fill(0);
    if (s >= 0) {
      for (let i = 0; i < n; i++) z[i] = random.normal();
      multiplyLower(factor, n, z, u);
    }
    for (let i = 0; i < m; i++) {
      errors[i] = s >= 0 ? Math.sqrt(noise[i]!) * random.normal() : 0;
      weights[i] = y[i]! - u[i]! - errors[i]!;
    }
    solveLower(observedFactor, m, weights);
    solveLowerTransposed(observedFactor, m, weights);
    if (s < 0) {
      for (let i = 0; i < m; i++) mean[i]! += added[i]! - noise[i]! * weights[i]!;
      continue;
    }
    // u + K_all,obs w. At the observations K w = (y - u - e) - noise w, by the definition of w.
    for (let i = 0; i < m; i++) u[i] = y[i]! - errors[i]! - noise[i]! * weights[i]!;
    for (let i = m; i < n; i++) u[i]! += dot(prior, i * n, weights, 0, 0, m);
    for (let i = 0; i < n; i++) {
      const value = (values[s * n + i] = u[i]! + added[i]!);
      if (i >= m || (i < ran && data.feasible?.[i] !== false)) lowest[s] = Math.min(lowest[s]!, value);
    }
    solveLower(factor, n, u);
    solveLowerTransposed(factor, n, u);
    pasts.set(u, s * n);
  }
  return { posterior: predictor(points, hyper, factor, pasts, samples), lowest, pasts: values, mean };
}

/** @param alphas [S, N] K^-1 times each target vector */
function predictor(
  s: Scaled,
  hyper: Float64Array,
  factor: Float64Array,
  alphas: Float64Array,
  samples: number,
): Posterior {
  const { n, d, numeric, theta, a } = s;
  const priorVariance = a + MEAN_VARIANCE;
  const upper = new Float64Array(n * n);
  const lower = new Float64Array(n * n);
  const inverse = new Float64Array(n * n);
  invertFactor(factor, n, upper);
  transpose(upper, n, lower);
  inverseFromFactor(upper, n, inverse);
  const covariances = new Float64Array(BLOCK * n);
  const block = new Float64Array(BLOCK * d);
  const norms = new Float64Array(BLOCK);
  const at = new Float64Array(d);
  const k = new Float64Array(n);
  const slopes = new Float64Array(n);
  const weighted = new Float64Array(n);

  return {
    samples,
    hyper,
    noise: Math.exp(hyper[d + 1]!),
    predict(points, count, means, variances) {
      for (let from = 0; from < count; from += BLOCK) {
        const size = Math.min(BLOCK, count - from);
        scalePoints(points.subarray(from * d), size, d, numeric, theta, block);
        for (let c = 0; c < size; c++)
          for (let i = 0; i < n; i++)
            covariances[c * n + i] = a * matern(squaredDistance(s, i, block, c * d)) + MEAN_VARIANCE;
        rowDots(alphas, samples, covariances, size, n, means.subarray(from * samples));
        triangularNorms(lower, n, covariances, size, norms);
        for (let c = 0; c < size; c++) variances[from + c] = Math.max(priorVariance - norms[c]!, 1e-14);
      }
    },
    predictOne(point, means) {
      scalePoints(point, 1, d, numeric, theta, at);
      for (let i = 0; i < n; i++) {
        const r2 = squaredDistance(s, i, at, 0);
        const t = Math.sqrt(5 * r2);
        const e = a * Math.exp(-t);
        k[i] = e * (1 + t + (5 / 3) * r2) + MEAN_VARIANCE;
        slopes[i] = -(5 / 3) * e * (1 + t);
      }
      rowDots(alphas, samples, k, 1, n, means);
      multiply(inverse, n, k, weighted);
      let variance = priorVariance;
      for (let i = 0; i < n; i++) variance -= k[i]! * weighted[i]!;
      return Math.max(variance, 1e-14);
    },
    gradients(weights, ofMean, ofVariance) {
      ofMean.fill(0);
      ofVariance.fill(0);
      for (let i = 0; i < n; i++) {
        let alpha = 0;
        for (let q = 0; q < samples; q++) alpha += weights[q]! * alphas[q * n + i]!;
        const m = slopes[i]! * alpha;
        const v = -2 * slopes[i]! * weighted[i]!;
        for (let j = 0, p = i * d; j < numeric; j++) {
          const difference = at[j]! - s.x[p + j]!;
          ofMean[j]! += m * difference;
          ofVariance[j]! += v * difference;
        }
      }
      // d r^2 / d x_j = 2 (x_j - x_ij) / l_j^2, one 1 / l_j already in the difference.
      for (let j = 0; j < numeric; j++) {
        ofMean[j]! *= Math.sqrt(theta[j]!);
        ofVariance[j]! *= Math.sqrt(theta[j]!);
      }
    },
  };
}
