// Problems that were never used to choose a sampler's settings: many equal valleys, a strongly correlated bowl over
// floats and integers, and a small network whose best rate depends on its optimizer and that diverges above it. The
// first two after Surjanovic & Bingham, Virtual Library of Simulation Experiments.

import type { SearchSpace } from '../../src/tune/types.js';
import { choice, float, int, type Problem, unit } from './types.js';

const styblinskiSpace: SearchSpace = Object.fromEntries(
  Array.from({ length: 6 }, (_, i) => [`x${i}`, float(-5, 5)]),
);

/** Styblinski & Tang's function in six dimensions, mean over dimensions: 64 valleys, one of them lowest. */
export const styblinski: Problem = {
  name: 'styblinski_6d',
  space: styblinskiSpace,
  noise: 0.3,
  minimum: -39.16617,
  heldOut: true,
  evaluate(p) {
    const x = Object.keys(styblinskiSpace).map((name) => p[name] as number);
    return x.reduce((sum, v) => sum + 0.5 * (v ** 4 - 16 * v * v + 5 * v), 0) / x.length;
  },
};

const tridSpace: SearchSpace = Object.fromEntries(
  Array.from({ length: 7 }, (_, i) => [`x${i}`, i % 2 ? int(-49, 49) : float(-49, 49)]),
);

/** Trid in seven dimensions, three of them integers: neighbors pull on each other; minimum at x_i = (i + 1)(7 - i). */
export const trid: Problem = {
  name: 'trid_mixed_7d',
  space: tridSpace,
  noise: 5,
  minimum: -77,
  heldOut: true,
  evaluate(p) {
    const x = Object.keys(tridSpace).map((name) => p[name] as number);
    let total = 0;
    for (let i = 0; i < x.length; i++) total += (x[i]! - 1) ** 2 - (i > 0 ? x[i]! * x[i - 1]! : 0);
    return total;
  },
};

const networkSpace: SearchSpace = {
  optimizer: choice('sgd', 'momentum', 'adam'),
  activation: choice('tanh', 'relu', 'gelu'),
  learningRate: float(1e-5, 10, true),
  layers: int(1, 8),
  width: int(16, 1024, true),
  dropout: float(0, 0.6),
  weightDecay: float(1e-6, 1, true),
  batchExponent: int(3, 10),
};

/** ln of the rate that suits each optimizer at width 128, and how low the error gets with it. */
const OPTIMIZERS: Record<string, readonly [number, number]> = {
  sgd: [-0.9, 0.03],
  momentum: [-3.2, 0.01],
  adam: [-6.2, 0],
};

/** Validation error of a small network; a quarter of the space diverges. */
export const network: Problem = {
  name: 'network_fail_8d',
  space: networkSpace,
  noise: 0.003,
  minimum: 0.0501,
  heldOut: true,
  evaluate(p) {
    const u = (name: string) => unit(networkSpace, p, name);
    const [suits, floor] = OPTIMIZERS[p.optimizer as string]!;
    const optimum = suits - 0.4 * Math.log((p.width as number) / 128) + 2 * (u('batchExponent') - 0.4);
    const rate = Math.log(p.learningRate as number) - optimum;
    if (rate + 1.5 * (u('layers') - 0.3) > 2.3) return null;
    let error = 0.05 + floor + 0.5 * (1 - Math.exp(-0.05 * rate * rate));
    error += { tanh: 0.02, relu: 0.004, gelu: 0 }[p.activation as string]!;
    const size = 0.6 * u('width') + 0.4 * u('layers');
    error += 0.25 * (1 - size) ** 3 + 0.15 * Math.max(0, size - 0.3 - u('dropout')) ** 2;
    error += 0.08 * (u('weightDecay') - 0.55) ** 2 + 0.06 * (u('batchExponent') - 0.4) ** 2;
    return error + 0.1 * Math.max(0, u('dropout') - 0.6) ** 2;
  },
};
