// The covariance: Matern 5/2 with one length scale per dimension, Hamming distance for categoricals
// (Rasmussen & Williams 2006, eq. 4.17), plus a constant for the unknown mean.
//
// N observations, D dimensions, the first `numeric` of them numbers, the rest indices of choices.
// r^2 = sum_j d_j^2 / l_j^2 with d_j the difference of coordinates, or 1 where two choices differ.
// k = a (1 + t + t^2 / 3) e^-t, t = sqrt(5) r; dk / d(r^2) = -(5/6) a (1 + t) e^-t.
// Hyperparameters are one vector [D + 2]: ln l_1 .. ln l_D, ln a, ln s2 (noise variance).

/** Prior variance of the constant mean: the targets have unit variance, their true mean is not known. */
export const MEAN_VARIANCE = 1;

/** Added to the noise variance of every observation; keeps the matrix well conditioned. */
export const NOISE_FLOOR = 1e-8;

/** Points prepared for distances under fixed length scales. */
export interface Scaled {
  n: number;
  d: number;
  numeric: number;
  /** [N, D] numeric coordinates over their length scale, then the indices of choices. */
  x: Float64Array;
  /** [D] 1 / l_j^2. */
  theta: Float64Array;
  /** Scale a. */
  a: number;
}

/** 1 / l_j^2. */
export function inverseSquares(hyper: Float64Array, d: number): Float64Array {
  return Float64Array.from({ length: d }, (_, j) => Math.exp(-2 * hyper[j]!));
}

/** Divides the numeric coordinates of `count` rows by their length scales, into `out`. */
export function scalePoints(
  points: Float64Array,
  count: number,
  d: number,
  numeric: number,
  theta: Float64Array,
  out: Float64Array,
): void {
  for (let j = 0; j < d; j++) {
    const factor = j < numeric ? Math.sqrt(theta[j]!) : 1;
    for (let i = 0; i < count; i++) out[i * d + j] = points[i * d + j]! * factor;
  }
}

export function scaled(x: Float64Array, n: number, d: number, numeric: number, hyper: Float64Array): Scaled {
  const theta = inverseSquares(hyper, d);
  const out = new Float64Array(n * d);
  scalePoints(x, n, d, numeric, theta, out);
  return { n, d, numeric, x: out, theta, a: Math.exp(hyper[d]!) };
}

/** r^2 between row i of `s` and the scaled point at `offset` of `points`. */
export function squaredDistance(s: Scaled, i: number, points: Float64Array, offset: number): number {
  const { x, d, numeric } = s;
  let r2 = 0;
  let p = i * d;
  let q = offset;
  for (const end = p + numeric; p < end; p++, q++) {
    const difference = x[p]! - points[q]!;
    r2 += difference * difference;
  }
  for (let j = numeric; j < d; j++, p++, q++) if (x[p] !== points[q]) r2 += s.theta[j]!;
  return r2;
}

/** k / a as a function of r^2. */
export function matern(r2: number): number {
  const t = Math.sqrt(5 * r2);
  return (1 + t + (5 / 3) * r2) * Math.exp(-t);
}
