// Hyperparameters by maximum a posteriori: L-BFGS from several starts, warm-started along the study.
// Fits happen at fixed numbers of finished trials, so that the outcome depends on the trials alone and a resumed
// study finds the same one.

import { minimize } from '../../math/lbfgsb.js';
import { type Data, negativeLogPosterior, representative } from './likelihood.js';

/** Below this many observations fits are cheap enough to be searched thoroughly. */
const CHEAP = 64;

/** Length scales near the mode of their prior, moved by `shift` [D], unit scale, a little noise. */
export function priorMode(d: number, shift?: Float64Array): Float64Array {
  const hyper = new Float64Array(d + 2);
  const mode = Math.SQRT2 + 0.5 * Math.log(d) - 3;
  for (let j = 0; j < d; j++) hyper[j] = mode + (shift?.[j] ?? 0);
  hyper[d + 1] = Math.log(0.01);
  return hyper;
}

function bounds(d: number): { lower: Float64Array; upper: Float64Array } {
  const lower = new Float64Array(d + 2).fill(Math.log(0.01));
  const upper = new Float64Array(d + 2).fill(Math.log(1e3));
  lower[d] = Math.log(0.02);
  upper[d] = Math.log(50);
  lower[d + 1] = Math.log(1e-9);
  upper[d + 1] = Math.log(2);
  return { lower, upper };
}

/** From this many finished trials on, fits start afresh instead of from the one before: a resumed study makes only one. */
const AFRESH = 256;

/** Whether a fit is due at n finished trials: always at first, then ever more rarely. */
export function fitDue(n: number): boolean {
  return n % (n < 30 ? 1 : n < 60 ? 2 : n < 120 ? 4 : n < AFRESH ? 8 : 64) === 0;
}

/** Whether the fit at n finished trials needs none before it. */
export const startsAfresh = (n: number): boolean => n >= AFRESH;

/** At most this many points decide the hyperparameters; of a fit that starts afresh, the first steps. */
const FITTED = 256;
const FITTED_FIRST = 128;

export interface Fit {
  hyper: Float64Array;
  /** Negative log posterior there. */
  value: number;
}

/**
 * Maximum a posteriori, by L-BFGS.
 * @param warm the previous fit's hyperparameters; without them, and now and then, several starts compete
 */
export function fitHyper(data: Data, warm: Float64Array | null): Fit {
  const { d, n, shift } = data;
  if (!warm && n > FITTED_FIRST)
    warm = climb(representative(data, FITTED_FIRST), priorMode(d, shift), 30, 40).hyper;
  const starts = warm ? [warm] : [];
  if (!warm || n < 16 || (n < CHEAP && n % 8 === 0)) {
    // All is smooth and the noise small; or smoother still, and the noise explains much.
    const noisy = priorMode(d, shift);
    for (let j = 0; j < d; j++) noisy[j]! += 2;
    noisy[d + 1] = Math.log(0.2);
    starts.push(priorMode(d, shift), noisy);
  }
  const shown = representative(data, FITTED);
  const fits = starts.map((start) =>
    warm && n >= CHEAP ? climb(shown, start, 6, n < 150 ? 8 : 5) : climb(shown, start, 30, 40),
  );
  return fits.reduce((best, fit) => (fit.value < best.value ? fit : best));
}

function climb(data: Data, start: Float64Array, maxIterations: number, maxEvaluations: number): Fit {
  const result = minimize(negativeLogPosterior(data), start, {
    ...bounds(data.d),
    tolerance: 1e-2,
    improvement: 1e-3,
    maxIterations,
    maxEvaluations,
  });
  return { hyper: result.x, value: result.value };
}
