// Landscapes that are hard for models of smooth functions: many valleys, valleys across the axes, plateaus between
// steps, only categorical parameters.

import type { Params, SearchSpace } from '../../src/tune/types.js';
import { choice, float, int, mulberry32, type Problem } from './types.js';

const box = (n: number, low: number, high: number): SearchSpace =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`x${i}`, float(low, high)]));
const values = (params: Params) => Object.values(params) as number[];

/** An orthogonal matrix [n, n] by Gram-Schmidt of fixed normal vectors. */
function rotation(n: number, seed: number): number[][] {
  const uniform = mulberry32(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const rows: number[][] = [];
  while (rows.length < n) {
    let row = Array.from({ length: n }, normal);
    for (const other of rows) {
      const along = row.reduce((sum, v, i) => sum + v * other[i]!, 0);
      row = row.map((v, i) => v - along * other[i]!);
    }
    const length = Math.hypot(...row);
    rows.push(row.map((v) => v / length));
  }
  return rows;
}
const turn = (matrix: number[][], x: number[]) =>
  matrix.map((row) => row.reduce((sum, v, i) => sum + v * x[i]!, 0));

const SHIFT = [1.1, -0.7, 0.4, -1.6, 0.9, 1.3, -0.2, 0.6];

const FAR = [3.1, -2.7, -3.6, 2.2, 3.9, -1.8, -3.3, 2.9];

/** Rastrigin's function: a bowl under a grid of ripples as deep as the bowl is over most of the box. */
const rastrigin = (name: string, optimum: number[]): Problem => ({
  name,
  space: box(5, -5, 5),
  noise: 0.1,
  minimum: 0,
  heldOut: false,
  evaluate: (p) =>
    values(p)
      .map((x, i) => x - optimum[i]!)
      .reduce((sum, x) => sum + x * x + 10 - 10 * Math.cos(2 * Math.PI * x), 0),
});

const TURN = rotation(8, 3);

/** A bowl of condition 1000 whose axes are not those of the space. */
const rotated = (name: string, optimum: number[]): Problem => ({
  name,
  space: box(8, -5, 5),
  noise: 0.01,
  minimum: 0,
  heldOut: false,
  evaluate: (p) =>
    turn(
      TURN,
      values(p).map((x, i) => x - optimum[i]!),
    ).reduce((sum, z, i) => sum + 1000 ** (i / 7 - 1) * z * z, 0),
});

const stepsSpace: SearchSpace = Object.fromEntries(
  Array.from({ length: 8 }, (_, i) => [`n${i}`, i % 2 ? int(0, 15) : int(-30, 30)]),
);

/** Integers alone; the function is flat over pairs of values, and neighbors pull on each other. */
const steps: Problem = {
  name: 'integer_steps_8d',
  space: stepsSpace,
  noise: 0.01,
  minimum: 0,
  heldOut: false,
  evaluate(p) {
    const z = values(p).map((n, i) =>
      i % 2 ? (Math.floor(n / 2) - 5) / 7 : (Math.floor(n / 4) - 1 - (i >> 1)) / 15,
    );
    return z.reduce((sum, v, i) => sum + v * v + 0.5 * (v - (z[i - 1] ?? v)) ** 2, 0);
  },
};

const choicesSpace: SearchSpace = Object.fromEntries(
  Array.from({ length: 8 }, (_, i) => [`c${i}`, choice('a', 'b', 'c', 'd')]),
);

/** Choices alone, in pairs: of 16 combinations each, one is good and its neighbors are not. */
const choices: Problem = {
  name: 'choices_8d',
  space: choicesSpace,
  noise: 0.01,
  minimum: 0,
  heldOut: false,
  evaluate(p) {
    const index = Object.values(p).map((c) => 'abcd'.indexOf(c as string));
    let total = 0;
    for (let i = 0; i < 8; i += 2) {
      const [a, b] = [(index[i]! + i) % 4, (index[i + 1]! + 3 * i) % 4];
      total += a === 2 && b === 1 ? 0 : 0.3 + 0.1 * Math.abs(a - 2) + 0.2 * ((a + b) % 3);
    }
    return total;
  },
};

/** Two of them with the optimum near the center of the box and far from it. */
export const LANDSCAPES: readonly Problem[] = [
  rastrigin('rastrigin_5d', SHIFT),
  rastrigin('rastrigin_off_centre_5d', FAR),
  rotated('rotated_ellipsoid_8d', SHIFT),
  rotated('rotated_ellipsoid_off_centre_8d', FAR),
  steps,
  choices,
];
