// Categorical parameters in CMA-ES: independent categorical distributions that follow the natural gradient with
// an adaptive step (ASNG) and keep a minimum probability for each choice.
// Source: Hamano, Saito, Nomura, Uchida, Shirakawa, CatCMA, GECCO 2024 (arXiv 2405.09962);
// the step adaptation is Akimoto et al., Adaptive Stochastic Natural Gradient, ICML 2019.
//
// q_i probabilities of the choices of parameter i; s accumulated direction; Delta, gamma its trust and weight.

import { norm } from './gaussian.js';

/** Threshold of the squared accumulated direction, relative to its expectation under noise. */
const ALPHA_SNR = 1.5;

/** A state of the search; updates return a new one. */
export interface Categories {
  readonly q: readonly Float64Array[];
  /** Minimum probability of a choice, by parameter. */
  readonly least: readonly number[];
  readonly s: Float64Array;
  readonly gamma: number;
  readonly delta: number;
  /** Length of the next move; follows 1 / Delta one generation behind, as in the authors' code. */
  readonly step: number;
}

/**
 * @param start (K_i) initial probabilities by parameter, K_i >= 2
 */
export function initialCategories(start: readonly Float64Array[]): Categories {
  // With these margins a sample has the most likely choice everywhere with probability 0.73.
  const least = start.map((q) => (1 - 0.73 ** (1 / start.length)) / (q.length - 1));
  const freedom = start.reduce((sum, q) => sum + q.length - 1, 0);
  return {
    q: start.map((q, i) => keepLeast(q, least[i]!)),
    least,
    s: new Float64Array(freedom),
    gamma: 0,
    delta: 1,
    step: 1,
  };
}

/**
 * One generation.
 * @param ranked choices by parameter, best first; at least as many as weights
 * @param weights positive, summing to 1
 */
export function updateCategories(
  state: Categories,
  ranked: readonly ArrayLike<number>[],
  weights: ArrayLike<number>,
): Categories {
  const { q, least } = state;
  if (q.length === 0) return state;
  // Natural gradient of the log likelihood: one-hot minus q.
  const gradient = q.map((p) => p.map((x) => -x));
  for (let r = 0; r < weights.length; r++)
    for (let i = 0; i < q.length; i++) gradient[i]![ranked[r]![i]!]! += weights[r]!;

  // Times the square root of the Fisher matrix, whose closed form is in the appendix of Akimoto et al.
  const scaled = new Float64Array(state.s.length);
  let at = 0;
  for (let i = 0; i < q.length; i++) {
    const last = q[i]!.length - 1;
    const rest = q[i]![last]!;
    let sum = 0;
    for (let k = 0; k < last; k++) sum += gradient[i]![k]!;
    for (let k = 0; k < last; k++) {
      const root = Math.sqrt(q[i]![k]!);
      scaled[at++] = gradient[i]![k]! / root + (root * sum) / (rest + Math.sqrt(rest));
    }
  }
  const length = norm(scaled) + 1e-30;
  const moved = q.map((p, i) => p.map((x, k) => x + (state.step / length) * gradient[i]![k]!));

  const step = 1 / state.delta;
  const beta = step / Math.sqrt(state.s.length);
  const gain = Math.sqrt(beta * (2 - beta));
  const s = state.s.map((x, k) => (1 - beta) * x + (gain * scaled[k]!) / length);
  const gamma = (1 - beta) ** 2 * state.gamma + beta * (2 - beta);
  const delta = state.delta * Math.exp(beta * (gamma - norm(s) ** 2 / ALPHA_SNR));
  return { q: moved.map((p, i) => keepLeast(p, least[i]!)), least, s, gamma, delta, step };
}

/** Raises every probability to at least `least`, at the expense of the others in proportion to their excess. */
function keepLeast(q: Float64Array, least: number): Float64Array {
  const raised = q.map((p) => Math.max(p, least));
  const sum = raised.reduce((a, b) => a + b, 0);
  const above = sum - least * q.length;
  if (!(above > 0)) return raised.fill(1 / q.length);
  return raised.map((p) => p - ((sum - 1) * (p - least)) / above);
}
