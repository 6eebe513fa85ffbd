// What a benchmark problem is, and the noise and random points that pair the runs of all samplers.
// The generator and the noise stream are those of the published benchmark, so its numbers can be compared.

import type { Params, SearchSpace } from '../../src/tune/types.js';

/** A function to minimize over a mixed space. */
export interface Problem {
  name: string;
  space: SearchSpace;
  /** Noise-free value, or null where a trial would fail (out of memory, divergence). */
  evaluate(params: Params): number | null;
  /** Standard deviation of the noise that the samplers see. */
  noise: number;
  /** Lowest noise-free value, where known (or the best that a long search found). */
  minimum: number;
  /** Trial 0; a random point of the seed where a problem has none. */
  defaults?: Params;
  /** True: no setting of a sampler was chosen by its results. */
  heldOut: boolean;
}

/** Real training, with its own noise; nobody knows the noise-free value. */
export interface TrainingProblem extends Pick<Problem, 'name' | 'space'> {
  defaults: Params;
  /** The value of a trial that trains with this seed, for a share of the budget if given; null where it failed. */
  train(params: Params, seed: number, share?: number): Promise<number | null>;
}

/** The 32-bit generator mulberry32 as a stream in [0, 1). */
export function mulberry32(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1) >>> 0;
    t = (t ^ (t + Math.imul(t ^ (t >>> 7), t | 61))) >>> 0;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Standard normal of (seed, trial number), the same for every sampler (Box-Muller on mulberry32). */
export function noiseOf(seed: number, number: number): number {
  // The products stay below 2^53, so that taking them modulo 2^32 is exact.
  const uniform = mulberry32((seed * 1000003 + number * 7919 + 12345) % 4294967296);
  for (let i = 0; i < 3; i++) uniform();
  const u1 = uniform();
  const u2 = uniform();
  return Math.sqrt(-2 * Math.log(Math.max(u1, 1e-12))) * Math.cos(2 * Math.PI * u2);
}

/** A uniform point of the space (half-step widening for integers, as Optuna's random sampler). */
export function randomParams(space: SearchSpace, uniform: () => number): Params {
  const params: Params = {};
  for (const [name, d] of Object.entries(space)) {
    if (d.kind === 'categorical') {
      params[name] = d.choices[Math.floor(uniform() * d.choices.length)]!;
      continue;
    }
    const half = d.kind === 'int' ? 0.5 : 0;
    const [a, b] = [d.low - half, d.high + half];
    const u = uniform();
    const x = d.log ? Math.exp(Math.log(a) + u * (Math.log(b) - Math.log(a))) : a + u * (b - a);
    params[name] = d.kind === 'int' ? Math.min(Math.max(Math.round(x), d.low), d.high) : x;
  }
  return params;
}

/** Unit coordinate in [0, 1] of a numeric parameter, without widening. */
export function unit(space: SearchSpace, params: Params, name: string): number {
  const d = space[name]!;
  const x = params[name] as number;
  if (d.kind === 'categorical') throw new TypeError(`${name} is categorical`);
  return d.log
    ? (Math.log(x) - Math.log(d.low)) / (Math.log(d.high) - Math.log(d.low))
    : (x - d.low) / (d.high - d.low);
}

export const float = (low: number, high: number, log = false) =>
  ({ kind: 'float', low, high, log, step: null }) as const;
export const int = (low: number, high: number, log = false) =>
  ({ kind: 'int', low, high, log, step: 1 }) as const;
export const choice = (...choices: (string | number | boolean)[]) =>
  ({ kind: 'categorical', choices }) as const;
