// The search distribution N(m, sigma^2 C) and its update from one ranked generation (Hansen's tutorial,
// arXiv 1604.00772, with its equation numbers). Sampling bounds, integers and restarts are in other files.
//
// n dimension; m mean (n); sigma step size; C covariance (n, n); B, D its eigenvectors and square-rooted
// eigenvalues; y = (x - m) / sigma; p_sigma, p_c evolution paths (n).

import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { CmaConstants } from './constants.js';

/** A state of the search; updates return a new one. Matrices are row-major. */
export interface Gaussian {
  readonly generation: number;
  readonly mean: Float64Array;
  readonly sigma: number;
  /** (n, n) */
  readonly c: Float64Array;
  /** (n, n), columns are eigenvectors of C. */
  readonly b: Float64Array;
  /** (n), square roots of the eigenvalues of C. */
  readonly d: Float64Array;
  readonly pSigma: Float64Array;
  readonly pC: Float64Array;
}

/** Fresh state at `mean`; the covariance is the identity unless given. */
export function initialGaussian(mean: Float64Array, sigma: number, covariance?: Float64Array): Gaussian {
  const n = mean.length;
  const c = covariance ?? identity(n);
  return {
    generation: 0,
    mean,
    sigma,
    ...eigen(c, n),
    pSigma: new Float64Array(n),
    pC: new Float64Array(n),
  };
}

/** y = B D z, so that z ~ N(0, I) gives y ~ N(0, C) (eq. 39). */
export function colour(state: Gaussian, z: ArrayLike<number>): Float64Array {
  const { b, d } = state;
  const n = d.length;
  const y = new Float64Array(n);
  for (let j = 0; j < n; j++) {
    const t = d[j]! * z[j]!;
    for (let i = 0; i < n; i++) y[i]! += b[i * n + j]! * t;
  }
  return y;
}

/** C^{-1/2} y = B D^{-1} B^T y. */
export function whiten(state: Gaussian, y: ArrayLike<number>): Float64Array {
  const { b, d } = state;
  const n = d.length;
  const z = new Float64Array(n);
  for (let j = 0; j < n; j++) {
    let t = 0;
    for (let i = 0; i < n; i++) t += b[i * n + j]! * y[i]!;
    t /= d[j]!;
    for (let i = 0; i < n; i++) z[i]! += b[i * n + j]! * t;
  }
  return z;
}

/** Euclidean length. */
export function norm(v: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < v.length; i++) sum += v[i]! * v[i]!;
  return Math.sqrt(sum);
}

/**
 * One generation.
 * @param ranked (lambda, n) steps y = (x - m) / sigma, best first
 */
export function updateGaussian(k: CmaConstants, state: Gaussian, ranked: readonly Float64Array[]): Gaussian {
  const { n, mu, muEff, weights, cSigma, dSigma, cc, c1, cMu, chi } = k;
  const generation = state.generation + 1;

  const yw = new Float64Array(n); // eq. 41
  for (let r = 0; r < mu; r++) for (let i = 0; i < n; i++) yw[i]! += weights[r]! * ranked[r]![i]!;
  const mean = state.mean.map((m, i) => m + state.sigma * yw[i]!); // eq. 42, c_m = 1

  const zw = whiten(state, yw);
  const gainSigma = Math.sqrt(cSigma * (2 - cSigma) * muEff);
  const pSigma = state.pSigma.map((p, i) => (1 - cSigma) * p + gainSigma * zw[i]!); // eq. 43
  const length = norm(pSigma);
  const sigma = Math.min(1e32, state.sigma * Math.exp((cSigma / dSigma) * (length / chi - 1))); // eq. 44

  const short =
    length / Math.sqrt(1 - (1 - cSigma) ** (2 * (generation + 1))) < (1.4 + 2 / (n + 1)) * chi ? 1 : 0;
  const gainC = short * Math.sqrt(cc * (2 - cc) * muEff);
  const pC = state.pC.map((p, i) => (1 - cc) * p + gainC * yw[i]!); // eq. 45

  let sum = 0;
  for (const w of weights) sum += w;
  const keep = 1 + c1 * (1 - short) * cc * (2 - cc) - c1 - cMu * sum; // eq. 47
  const c = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) c[i * n + j] = keep * state.c[i * n + j]! + c1 * pC[i]! * pC[j]!;
  for (let r = 0; r < weights.length; r++) {
    const y = ranked[r]!;
    let w = cMu * weights[r]!;
    if (w < 0) w *= n / (norm(whiten(state, y)) ** 2 + 1e-8); // eq. 46
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) c[i * n + j]! += w * y[i]! * y[j]!;
  }
  return { generation, mean, sigma, ...eigen(c, n), pSigma, pC };
}

/** Eigendecomposition of the symmetrised C; eigenvalues lost to rounding are floored and C rebuilt. */
function eigen(c: Float64Array, n: number): Pick<Gaussian, 'b' | 'c' | 'd'> {
  if (n === 0) return { b: c, c, d: new Float64Array() };
  const matrix = Matrix.zeros(n, n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) matrix.set(i, j, (c[i * n + j]! + c[j * n + i]!) / 2);
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, {
    assumeSymmetric: true,
  });
  const b = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) b[i * n + j] = eigenvectorMatrix.get(i, j);
  const d = Float64Array.from(realEigenvalues, (value) => Math.sqrt(value < 0 ? 1e-8 : value));
  const rebuilt = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += b[i * n + k]! * d[k]! * d[k]! * b[j * n + k]!;
      rebuilt[i * n + j] = sum;
    }
  return { b, c: rebuilt, d };
}

function identity(n: number): Float64Array {
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) matrix[i * n + i] = 1;
  return matrix;
}
