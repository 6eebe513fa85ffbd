// The acquisition function: the logarithm of noisy expected improvement times the probability of feasibility. The
// incumbent's value is uncertain under noise, so improvement is averaged over sampled noise-free pasts (Letham et al.,
// Bayesian Analysis 14, 2019), in logarithms (Ament et al., NeurIPS 2023); feasibility as in Gelbart, Snoek & Adams,
// UAI 2014.

import { LOG_SQRT_2PI, normalCdf, normalLogCdf, normalMillsLower, normalPdf } from '../../math/normal.js';
import type { Posterior } from './posterior.js';

/** Where the closed form loses its digits to cancellation. */
const TAIL = -25;

/**
 * ln of the expected improvement of a standard normal over -z, h(z) = ln(z Phi(z) + phi(z)), for every z.
 * At z < -25: -z^2/2 - ln sqrt(2 pi) + ln(1 + z m(z)), m = Phi / phi.
 */
export function logImprovement(z: number): number {
  if (z >= TAIL) return Math.log(z * normalCdf(z) + normalPdf(z));
  return -0.5 * z * z - LOG_SQRT_2PI + Math.log(tail(z));
}

/** dh/dz = Phi(z) / (z Phi(z) + phi(z)). */
export function logImprovementSlope(z: number): number {
  if (z >= TAIL) return normalCdf(z) / (z * normalCdf(z) + normalPdf(z));
  return normalMillsLower(z) / tail(z);
}

/** 1 + z m(z) for z < -25; by its asymptotic series 1/z^2 - 3/z^4 + 15/z^6 where the difference loses digits. */
function tail(z: number): number {
  if (z > -1000) return 1 + z * normalMillsLower(z);
  const q = 1 / (z * z);
  return q * (1 - q * (3 - 15 * q));
}

/**
 * Weight of ln P(feasible) against ln EI. Regression on labels underestimates how sharp an edge is, and improvement
 * often grows towards it: with weight 1 most asks would land on the wrong side.
 */
const FEASIBILITY_WEIGHT = 3;

/** The acquisition function over the coordinates; larger is better. */
export interface Acquisition {
  /** Values at `count` points [count, D]. */
  many(points: Float64Array, count: number): Float64Array;
  /** Value at a point; writes the gradient [D]. */
  one(x: Float64Array, gradient: Float64Array): number;
}

/** ln of expected improvement averaged over the S pasts of a posterior, each with its own lowest value. */
export function logNoisyImprovement(d: number, posterior: Posterior, lowest: Float64Array): Acquisition {
  const { samples } = posterior;
  const single = new Float64Array(samples);
  const terms = new Float64Array(samples);
  const weights = new Float64Array(samples);
  const ofMean = new Float64Array(d);
  const ofVariance = new Float64Array(d);

  /** ln mean_s EI_s; leaves each past's share of it in `terms`. */
  function average(means: Float64Array, offset: number, sd: number): number {
    let largest = -Infinity;
    for (let s = 0; s < samples; s++) {
      terms[s] = logImprovement((lowest[s]! - means[offset + s]!) / sd);
      if (terms[s]! > largest) largest = terms[s]!;
    }
    let sum = 0;
    for (let s = 0; s < samples; s++) {
      terms[s] = Math.exp(terms[s]! - largest);
      sum += terms[s]!;
    }
    for (let s = 0; s < samples; s++) terms[s]! /= sum;
    return largest + Math.log(sum / samples) + Math.log(sd);
  }

  return {
    many(points, count) {
      const out = new Float64Array(count);
      const means = new Float64Array(count * samples);
      const variances = new Float64Array(count);
      posterior.predict(points, count, means, variances);
      for (let i = 0; i < count; i++) out[i] = average(means, i * samples, Math.sqrt(variances[i]!));
      return out;
    },
    one(x, gradient) {
      const sd = Math.sqrt(posterior.predictOne(x, single));
      const value = average(single, 0, sd);
      // d ln EI_s = h'(z_s) dz_s + d sd / sd, dz_s = -(d mean_s + z_s d sd) / sd, d sd = d variance / (2 sd)
      let perSd = 1;
      for (let s = 0; s < samples; s++) {
        const z = (lowest[s]! - single[s]!) / sd;
        const slope = terms[s]! * logImprovementSlope(z);
        weights[s] = -slope / sd;
        perSd -= slope * z;
      }
      posterior.gradients(weights, ofMean, ofVariance);
      for (let j = 0; j < d; j++) gradient[j] = ofMean[j]! + (perSd * ofVariance[j]!) / (2 * sd * sd);
      return value;
    },
  };
}

/** ln of the probability to run, weighted, from a posterior over +1 (ran) and -1 (failed). */
export const logFeasibility = (d: number, posterior: Posterior): Acquisition =>
  logProbability(d, posterior, { side: 1, threshold: 0, weight: FEASIBILITY_WEIGHT });

/** ln of the probability that an observation lies above (side 1) or below (-1) a threshold, times a weight. */
export function logProbability(
  d: number,
  posterior: Posterior,
  { side, threshold, weight }: { side: 1 | -1; threshold: number; weight: number },
): Acquisition {
  const single = new Float64Array(1);
  const weights = new Float64Array(1);
  const ofMean = new Float64Array(d);
  const ofVariance = new Float64Array(d);
  return {
    many(points, count) {
      const out = new Float64Array(count);
      const variances = new Float64Array(count);
      posterior.predict(points, count, out, variances);
      for (let i = 0; i < count; i++)
        out[i] =
          weight * normalLogCdf((side * (out[i]! - threshold)) / Math.sqrt(variances[i]! + posterior.noise));
      return out;
    },
    one(x, gradient) {
      const sd = Math.sqrt(posterior.predictOne(x, single) + posterior.noise);
      const z = (side * (single[0]! - threshold)) / sd;
      // d ln Phi / dz = phi / Phi
      const slope = weight / normalMillsLower(z);
      weights[0] = (side * slope) / sd;
      posterior.gradients(weights, ofMean, ofVariance);
      for (let j = 0; j < d; j++) gradient[j] = ofMean[j]! - (slope * z * ofVariance[j]!) / (2 * sd * sd);
      return weight * normalLogCdf(z);
    },
  };
}

/** Sum of two (in logarithms: the product). */
export function both(a: Acquisition, b: Acquisition): Acquisition {
  let scratch = new Float64Array();
  return {
    many(points, count) {
      const out = a.many(points, count);
      const other = b.many(points, count);
      for (let i = 0; i < count; i++) out[i]! += other[i]!;
      return out;
    },
    one(x, gradient) {
      if (scratch.length !== gradient.length) scratch = new Float64Array(gradient.length);
      const value = a.one(x, gradient) + b.one(x, scratch);
      for (let j = 0; j < gradient.length; j++) gradient[j]! += scratch[j]!;
      return value;
    },
  };
}

/** ln of the mean of two that are given as logarithms. */
export function averaged(a: Acquisition, b: Acquisition): Acquisition {
  let scratch = new Float64Array();
  return {
    many(points, count) {
      const out = a.many(points, count);
      const other = b.many(points, count);
      for (let i = 0; i < count; i++) {
        const largest = Math.max(out[i]!, other[i]!);
        out[i] = largest + Math.log((Math.exp(out[i]! - largest) + Math.exp(other[i]! - largest)) / 2);
      }
      return out;
    },
    one(x, gradient) {
      if (scratch.length !== gradient.length) scratch = new Float64Array(gradient.length);
      const first = a.one(x, gradient);
      const second = b.one(x, scratch);
      const largest = Math.max(first, second);
      const [p, q] = [Math.exp(first - largest), Math.exp(second - largest)];
      for (let j = 0; j < gradient.length; j++) gradient[j] = (p * gradient[j]! + q * scratch[j]!) / (p + q);
      return largest + Math.log((p + q) / 2);
    },
  };
}
