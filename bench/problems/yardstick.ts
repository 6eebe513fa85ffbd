// The two problems of the published benchmark: Hartmann's six-dimensional function hidden in twelve mixed
// dimensions, and a valley of learning-rate shape with a region (10%) where trials fail.

import type { Params, SearchSpace } from '../../src/tune/types.js';
import { float, int, type Problem, unit } from './types.js';

const space: SearchSpace = {
  ...Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`l${i}`, float(1e-5, 1, true)])),
  f0: float(0, 1),
  f1: float(0, 1),
  k0: int(1, 12),
  k1: int(16, 256, true),
};

const A = [
  [10, 3, 17, 3.5, 1.7, 8],
  [0.05, 10, 17, 0.1, 8, 14],
  [3, 3.5, 1.7, 10, 17, 8],
  [17, 8, 0.05, 10, 0.1, 14],
];
const P = [
  [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
  [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
  [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
  [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
];
const ALPHA = [1, 1.2, 3, 3.2];

/** Hartmann's function on [0, 1]^6; minimum -3.32237. */
export function hartmann6(z: readonly number[]): number {
  let total = 0;
  for (let i = 0; i < 4; i++) {
    let square = 0;
    for (let j = 0; j < 6; j++) square += A[i]![j]! * (z[j]! - P[i]![j]!) ** 2;
    total -= ALPHA[i]! * Math.exp(-square);
  }
  return total;
}

/** Six coordinates matter (four log floats, one float, one log integer); six are inert. */
export const hartmann: Problem = {
  name: 'hartmann6_12d',
  space,
  noise: 0.05,
  minimum: -3.32237,
  heldOut: false,
  evaluate: (p) => hartmann6(['l0', 'l1', 'l2', 'l3', 'f0', 'k1'].map((name) => unit(space, p, name))),
};

// Threshold at which a tenth of the space fails.
const TAU = 0.3612;

/** Fails where the first coordinate is too far right of its optimum, as a learning rate diverges. */
export const valley: Problem = {
  name: 'valley_fail',
  space,
  noise: 0.02,
  minimum: 3,
  heldOut: false,
  evaluate(p: Params) {
    const u = (name: string) => unit(space, p, name);
    const optimum = 0.55 + 0.15 * (u('l2') - 0.5) - 0.2 * (u('k1') - 0.5) + 0.1 * (u('l5') - 0.5);
    const d = u('l0') - optimum;
    if (d + 0.25 * (0.5 - u('l6')) > TAU) return null;
    let loss = 3;
    loss += d < 0 ? 1.5 * (1 - Math.exp(-8 * d * d)) : 12 * d * d;
    loss += 0.5 * (u('l1') - 0.6 - 0.3 * d) ** 2;
    loss += 0.4 * (u('l3') - 0.5) ** 2 + 0.1 * (u('l4') - 0.3) ** 2 + 0.05 * (u('l6') - 0.5) ** 2;
    loss += 0.15 * (u('l7') - 0.45) ** 2 + 0.2 * (u('f0') - 0.15) ** 2 + 0.1 * (u('f1') - 0.1) ** 2;
    return loss + 0.3 * (u('k0') - 0.7) ** 2 + 0.25 * (u('k1') - 0.8) ** 2;
  },
};
