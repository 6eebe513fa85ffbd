// Classic test functions, dressed as tuning problems: inert, logarithmic, integer and categorical dimensions.
// Definitions after Surjanovic & Bingham, Virtual Library of Simulation Experiments.

import type { SearchSpace } from '../../src/tune/types.js';
import { choice, float, int, type Problem, unit } from './types.js';

const braninSpace: SearchSpace = {
  x1: float(-5, 10),
  x2: float(0, 15),
  i0: float(0, 1),
  i1: float(1e-4, 1, true),
  i2: float(1e-3, 10, true),
  i3: int(1, 9),
  i4: int(8, 512, true),
  i5: float(-1, 1),
};

/** Branin with six inert dimensions; three global minima. */
export const branin: Problem = {
  name: 'branin_8d',
  space: braninSpace,
  noise: 0.1,
  minimum: 0.397887,
  heldOut: false,
  evaluate(p) {
    const [x, y] = [p.x1 as number, p.x2 as number];
    const bowl = y - (5.1 / (4 * Math.PI ** 2)) * x * x + (5 / Math.PI) * x - 6;
    return bowl * bowl + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10;
  },
};

const levySpace: SearchSpace = Object.fromEntries(
  Array.from({ length: 10 }, (_, i) => [`x${i}`, float(-10, 10)]),
);

/** Levy's function in ten dimensions: a bowl with ripples. */
export const levy: Problem = {
  name: 'levy_10d',
  space: levySpace,
  noise: 0.1,
  minimum: 0,
  heldOut: false,
  evaluate(p) {
    const w = Array.from({ length: 10 }, (_, i) => 1 + ((p[`x${i}`] as number) - 1) / 4);
    let total = Math.sin(Math.PI * w[0]!) ** 2;
    for (let i = 0; i < 9; i++) total += (w[i]! - 1) ** 2 * (1 + 10 * Math.sin(Math.PI * w[i]! + 1) ** 2);
    return total + (w[9]! - 1) ** 2 * (1 + Math.sin(2 * Math.PI * w[9]!) ** 2);
  },
};

const ackleySpace: SearchSpace = {
  ...Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`x${i}`, float(-5, 10)])),
  n0: int(-5, 10),
  n1: int(-5, 10),
  n2: int(-5, 10),
  c0: choice('red', 'green', 'blue', 'grey', 'black'),
  c1: choice('one', 'two', 'three', 'four'),
};
const DISTANCE: Record<string, number> = {
  red: 3,
  green: 1,
  blue: 0,
  grey: 4,
  black: 2,
  one: 2,
  two: 3,
  three: 0,
  four: 1,
};

/** Ackley over five floats, three integers and two unordered categoricals; optimum off center. */
export const ackley: Problem = {
  name: 'ackley_mixed',
  space: ackleySpace,
  noise: 0.1,
  minimum: 0,
  heldOut: false,
  evaluate(p) {
    const z = [
      ...[-1.3, 0.7, 2.1, 0.2, -2.4].map((o, i) => (p[`x${i}`] as number) - o),
      ...[2, -1, 4].map((o, i) => (p[`n${i}`] as number) - o),
      DISTANCE[p.c0 as string]!,
      DISTANCE[p.c1 as string]!,
    ];
    const square = z.reduce((sum, v) => sum + v * v, 0) / z.length;
    const ripple = z.reduce((sum, v) => sum + Math.cos(2 * Math.PI * v), 0) / z.length;
    return -20 * Math.exp(-0.2 * Math.sqrt(square)) - Math.exp(ripple) + 20 + Math.E;
  },
};

const rosenbrockSpace: SearchSpace = Object.fromEntries(
  Array.from({ length: 4 }, (_, i) => [`x${i}`, float(1e-3, 10, true)]),
);

/** Rosenbrock's curved valley in four logarithmic dimensions; values over four orders of magnitude. */
export const rosenbrock: Problem = {
  name: 'rosenbrock_log_4d',
  space: rosenbrockSpace,
  noise: 0.05,
  minimum: 0,
  heldOut: false,
  evaluate(p) {
    const x = Array.from({ length: 4 }, (_, i) => 4 * unit(rosenbrockSpace, p, `x${i}`) - 2);
    let total = 0;
    for (let i = 0; i < 3; i++) total += 100 * (x[i + 1]! - x[i]! ** 2) ** 2 + (1 - x[i]!) ** 2;
    return total;
  },
};

const ellipsoidSpace: SearchSpace = {
  ...Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`x${i}`, float(0, 1)])),
  ...Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`y${i}`, float(1e-4, 1, true)])),
  ...Object.fromEntries(Array.from({ length: 4 }, (_, i) => [`n${i}`, int(0, 20)])),
};

/** A bowl in twenty dimensions whose weights fall from 4 to 0.006; optimum off center. */
export const ellipsoid: Problem = {
  name: 'ellipsoid_20d',
  space: ellipsoidSpace,
  noise: 0.02,
  minimum: 0,
  heldOut: true,
  evaluate(p) {
    let total = 0;
    Object.keys(ellipsoidSpace).forEach((name, i) => {
      // Weights and optimum walk through the dimensions out of step, so that kinds share the weights.
      const weight = 4 * 2 ** (-0.5 * ((i * 7) % 20));
      const optimum = 0.2 + 0.6 * ((i * 0.618034) % 1);
      total += weight * (unit(ellipsoidSpace, p, name) - optimum) ** 2;
    });
    return total;
  },
};
