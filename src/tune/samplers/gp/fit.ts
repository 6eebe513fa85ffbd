// Hyperparameters by maximum a posteriori: L-BFGS from several starts, warm-started along the study.
// Fits happen at fixed numbers of observations and each starts from the one before, so that the outcome depends
// on the trials alone and a resumed study finds the same one.

import { minimize } from '../../math/lbfgsb.js';
import { type Data, negativeLogPosterior } from './likelihood.js';

/** Below this many observations fits are cheap enough to be searched thoroughly. */
const CHEAP = 64;

/** Length scales near the mode of their prior, unit scale, a little noise. */
export function priorMode(d: number): Float64Array {
  const hyper = new Float64Array(d + 2);
  hyper.fill(Math.SQRT2 + 0.5 * Math.log(d) - 3, 0, d);
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

/** Whether a fit is due at n finished trials: always at first, then ever more rarely. */
export function fitDue(n: number): boolean {
  return n % (n < 30 ? 1 : n < 60 ? 2 : n < 120 ? 4 : n < 250 ? 8 : 32) === 0;
}

/** At most this many points decide the hyperparameters: cost grows with the cube, what is learned hardly. */
const FITTED = 256;

/** All points, or the best half of the limit and an even choice of the others. */
function representative(data: Data): Data {
  const { n, d } = data;
  if (n <= FITTED) return data;
  const order = Array.from(data.y.keys()).sort((i, j) => data.y[i]! - data.y[j]! || i - j);
  const others = order.slice(FITTED / 2);
  const chosen = order.slice(0, FITTED / 2);
  for (let i = 0; i < FITTED / 2; i++) chosen.push(others[Math.floor((i * others.length) / (FITTED / 2))]!);
  const x = new Float64Array(FITTED * d);
  for (const [i, from] of chosen.entries()) x.set(data.x.subarray(from * d, (from + 1) * d), i * d);
  const pick = (values: Float64Array) => Float64Array.from(chosen, (i) => values[i]!);
  return { ...data, n: FITTED, x, y: pick(data.y), extra: pick(data.extra) };
}

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
  const { d, n } = data;
  const evaluate = negativeLogPosterior(representative(data));
  const { lower, upper } = bounds(d);
  const starts = warm ? [warm] : [];
  if (!warm || n < 16 || (n < CHEAP && n % 8 === 0)) {
    // All is smooth and the noise small; or smoother still, and the noise explains much.
    const noisy = priorMode(d);
    noisy.fill(Math.SQRT2 + 0.5 * Math.log(d) - 1, 0, d);
    noisy[d + 1] = Math.log(0.2);
    starts.push(priorMode(d), noisy);
  }
  const brief = warm && n >= CHEAP;
  let best: Fit | null = null;
  for (const start of starts) {
    const result = minimize(evaluate, start, {
      lower,
      upper,
      tolerance: 1e-2,
      improvement: 1e-3,
      maxIterations: brief ? 6 : 30,
      maxEvaluations: brief ? (n < 150 ? 8 : 5) : 40,
    });
    if (best === null || result.value < best.value) best = { hyper: result.x, value: result.value };
  }
  return best!;
}
