// Error functions and the standard normal distribution in double precision.
// erfc and erfcx are Cody's rational Chebyshev approximations (W. J. Cody, Math. Comp. 23, 1969; relative
// error of erfcx below 1e-15); the quantile is Acklam's approximation refined by one step of Halley's method.

const SQRT_HALF = Math.SQRT1_2;
const INV_SQRT_PI = 0.5641895835477563;
/** ln sqrt(2 pi) */
export const LOG_SQRT_2PI = 0.9189385332046728;

const A = [3.1611237438705655, 113.86415415105016, 377.485237685302, 3209.3775891384694, 0.18577770618460315];
const B = [23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171];
const C = [
  0.5641884969886701, 8.883149794388377, 66.11919063714163, 298.6351381974001, 881.952221241769,
  1712.0476126340707, 2051.0783778260716, 1230.3393547979972, 2.1531153547440383e-8,
];
const D = [
  15.744926110709835, 117.6939508913125, 537.1811018620099, 1621.3895745666903, 3290.7992357334597,
  4362.619090143247, 3439.3676741437216, 1230.3393548037495,
];
const P = [
  0.30532663496123236, 0.36034489994980445, 0.12578172611122926, 0.016083785148742275, 6.587491615298378e-4,
  0.016315387137302097,
];
const Q = [
  2.568520192289822, 1.8729528499234604, 0.5279051029514285, 0.06051834131244132, 0.0023352049762686918,
];

/** erf on |x| <= 0.46875. */
function erfSmall(x: number): number {
  const y = x * x;
  let top = A[4]! * y;
  let bottom = y;
  for (let i = 0; i < 3; i++) {
    top = (top + A[i]!) * y;
    bottom = (bottom + B[i]!) * y;
  }
  return (x * (top + A[3]!)) / (bottom + B[3]!);
}

/** exp(x^2) erfc(x) for x > 0.46875. */
function erfcxLarge(x: number): number {
  if (x <= 4) {
    let top = C[8]! * x;
    let bottom = x;
    for (let i = 0; i < 7; i++) {
      top = (top + C[i]!) * x;
      bottom = (bottom + D[i]!) * x;
    }
    return (top + C[7]!) / (bottom + D[7]!);
  }
  if (x > 1e8) return INV_SQRT_PI / x;
  const y = 1 / (x * x);
  let top = P[5]! * y;
  let bottom = y;
  for (let i = 0; i < 4; i++) {
    top = (top + P[i]!) * y;
    bottom = (bottom + Q[i]!) * y;
  }
  return (INV_SQRT_PI - (y * (top + P[4]!)) / (bottom + Q[4]!)) / x;
}

/** exp(-x^2) without the rounding error of x^2 (Cody's split at 1/16). */
function expMinusSquare(x: number): number {
  const head = Math.trunc(x * 16) / 16;
  return Math.exp(-head * head) * Math.exp(-(x - head) * (x + head));
}

/** 1 - erf(x), accurate in the upper tail. */
export function erfc(x: number): number {
  if (Number.isNaN(x)) return NaN;
  if (Math.abs(x) <= 0.46875) return 1 - erfSmall(x);
  if (x > 27) return 0;
  if (x < -6) return 2;
  const tail = expMinusSquare(x) * erfcxLarge(Math.abs(x));
  return x > 0 ? tail : 2 - tail;
}

/** exp(x^2) erfc(x), finite for every x above -26. */
export function erfcx(x: number): number {
  if (Number.isNaN(x)) return NaN;
  if (x > 0.46875) return erfcxLarge(x);
  if (x >= -0.46875) return Math.exp(x * x) * (1 - erfSmall(x));
  return 2 * Math.exp(x * x) - erfcxLarge(-x);
}

/** Density of the standard normal. */
export function normalPdf(x: number): number {
  return Math.exp(-0.5 * x * x - LOG_SQRT_2PI);
}

/** P(Z <= x). */
export function normalCdf(x: number): number {
  return 0.5 * erfc(-x * SQRT_HALF);
}

/** ln P(Z <= x), accurate far into the lower tail. */
export function normalLogCdf(x: number): number {
  if (x > -1) return Math.log1p(-0.5 * erfc(x * SQRT_HALF));
  return Math.log(0.5 * erfcx(-x * SQRT_HALF)) - 0.5 * x * x;
}

/** P(Z <= x) / density(x); finite for x below about 37. */
export function normalMillsLower(x: number): number {
  return Math.sqrt(Math.PI / 2) * erfcx(-x * SQRT_HALF);
}

/** The x with P(Z <= x) = p; -Infinity at 0 and Infinity at 1. */
export function normalQuantile(p: number): number {
  if (!(p > 0 && p < 1)) return p === 0 ? -Infinity : p === 1 ? Infinity : NaN;
  // The lower half only: 1 - p is exact for p in [1/2, 1].
  if (p > 0.5) return -normalQuantile(1 - p);
  let x: number;
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    x =
      (((((-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) *
        q +
        4.374664141464968) *
        q +
        2.938163982698783) /
      ((((7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) *
        q +
        1);
  } else {
    const q = p - 0.5;
    const r = q * q;
    x =
      ((((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r -
        30.66479806614716) *
        r +
        2.506628277459239) *
        q) /
      (((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r -
        13.28068155288572) *
        r +
        1);
  }
  const error = (normalCdf(x) - p) / normalPdf(x);
  return x - error / (1 + 0.5 * x * error);
}
