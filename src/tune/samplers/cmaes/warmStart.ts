// The start of CMA-ES when good points are known: mean and covariance of the best tenth.
// Source: Nomura, Watanabe, Akimoto, Ozaki, Onishi, Warm Starting CMA-ES, AAAI 2021 (arXiv 2012.06932).
//
// n dimension; alpha = 0.1 standard deviation around each point; gamma = 0.1 share of points used.

import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { Axis } from '../axes.js';
import type { Point } from './screen.js';

const ALPHA = 0.1;
const GAMMA = 0.1;

/**
 * Mean, step size and covariance (its determinant 1) of the promising region.
 * @param points (count, n) with their losses, in any order; at least one
 */
export function promisingRegion(points: readonly { u: Float64Array; loss: number }[]): {
  mean: Float64Array;
  sigma: number;
  covariance: Float64Array;
} {
  const count = Math.max(1, Math.floor(GAMMA * points.length));
  const best = [...points].sort((a, b) => a.loss - b.loss).slice(0, count);
  const n = best[0]!.u.length;
  const mean = new Float64Array(n);
  for (const { u } of best) for (let i = 0; i < n; i++) mean[i]! += u[i]! / count;
  const covariance = new Float64Array(n * n);
  if (n === 0) return { mean, sigma: 1, covariance }; // choices alone
  for (let i = 0; i < n; i++) {
    covariance[i * n + i] = ALPHA ** 2;
    for (let j = 0; j < n; j++)
      for (const { u } of best) covariance[i * n + j]! += ((u[i]! - mean[i]!) * (u[j]! - mean[j]!)) / count;
  }
  const matrix = Matrix.zeros(n, n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) matrix.set(i, j, covariance[i * n + j]!);
  const { realEigenvalues } = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
  let logDeterminant = 0;
  for (const value of realEigenvalues) logDeterminant += Math.log(Math.max(value, ALPHA ** 2));
  const variance = Math.exp(logDeterminant / n);
  return { mean, sigma: Math.sqrt(variance), covariance: covariance.map((x) => x / variance) };
}

/** Where the trials of another study were good. */
export interface Region {
  mean: Float64Array;
  /** (n, n) in units of the initial step size. */
  covariance: Float64Array;
  /** By categorical axis, the frequencies of its choices. */
  choices: Float64Array[];
  /** Its center as a configuration: the mean and the most frequent choices. */
  center: Point;
}

/**
 * The promising region of another study's trials. The fewer points it is made of, the closer its covariance is to that
 * of a start without it: few points span few directions.
 * @param points with their losses; at least one
 */
export function regionOf(
  categorical: readonly Axis[],
  points: readonly (Point & { loss: number })[],
  sigma0: number,
): Region {
  const count = Math.max(1, Math.floor(GAMMA * points.length));
  const { mean, sigma, covariance } = promisingRegion(points);
  const n = mean.length;
  const weight = count / (count + n);
  const scale = (sigma / sigma0) ** 2;
  const blended = covariance.map((c, i) => weight * scale * c + (i % (n + 1) === 0 ? 1 - weight : 0));
  const top = [...points].sort((a, b) => a.loss - b.loss).slice(0, count);
  const choices = frequencies(categorical, top);
  const center = { u: mean, choices: choices.map((q) => q.indexOf(Math.max(...q))) };
  return { mean, covariance: blended, choices, center };
}

/** Relative frequencies of the choices among the points, with add-one smoothing. */
export function frequencies(categorical: readonly Axis[], points: readonly Point[]): Float64Array[] {
  return categorical.map(({ values }, i) =>
    Float64Array.from(
      values,
      (k) => (1 + points.filter((p) => p.choices[i] === k).length) / (values.length + points.length),
    ),
  );
}
