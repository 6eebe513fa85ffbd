// Constants against the published check values, updates against the reference implementation's numbers
// (test/golden/samplers/cmaes.py).

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { float, int } from '../../../src/tune/distributions.js';
import { axesOf } from '../../../src/tune/samplers/axes.js';
import { initialCategories, updateCategories } from '../../../src/tune/samplers/cmaes/categorical.js';
import { cmaConstants, defaultPopulation } from '../../../src/tune/samplers/cmaes/constants.js';
import { type Gaussian, initialGaussian, updateGaussian } from '../../../src/tune/samplers/cmaes/gaussian.js';
import { correctMargin } from '../../../src/tune/samplers/cmaes/margin.js';
import { promisingRegion } from '../../../src/tune/samplers/cmaes/warmStart.js';

type Step = { x: number[][]; mean: number[]; sigma: number; c: number[]; pSigma: number[]; pC: number[] };
type Golden = {
  plain: { mean: number[]; sigma: number; generations: Step[] };
  margin: { mean: number[]; sigma: number; counts: number[]; generations: (Step & { stretch: number[] })[] };
  categories: {
    counts: number[];
    weights: number[];
    generations: { choices: number[][]; q: number[][]; delta: number }[];
  };
  warmStart: { x: number[][]; loss: number[]; mean: number[]; sigma: number; covariance: number[] };
};
const golden = JSON.parse(
  readFileSync(new URL('../../../../test/golden/samplers/cmaes.json', import.meta.url), 'utf8'),
) as Golden;

// The same formulas in double precision; sums run in another order and eigenvectors come from another routine.
function expectClose(actual: ArrayLike<number>, expected: readonly number[], tolerance = 1e-9): void {
  expect(actual.length).toBe(expected.length);
  const worst = expected.reduce((max, value, i) => {
    const error = Math.abs(actual[i]! - value) / (1 + Math.abs(value));
    return Math.max(max, error); // NaN counts
  }, 0);
  expect(worst).toBeLessThan(tolerance);
}

function expectState(state: Gaussian, step: Step, tolerance?: number): void {
  expectClose(state.mean, step.mean, tolerance);
  expectClose([state.sigma], [step.sigma], tolerance);
  expectClose(state.c, step.c, tolerance);
  expectClose(state.pSigma, step.pSigma, tolerance);
  expectClose(state.pC, step.pC, tolerance);
}

const stepsOf = (state: Gaussian, x: readonly number[][]) =>
  x.map((row) => Float64Array.from(row, (v, i) => (v - state.mean[i]!) / state.sigma));

describe('strategy parameters', () => {
  test.each([
    {
      n: 12,
      lambda: 11,
      muEff: 3.414772,
      cc: 0.258587,
      c1: 0.011092,
      cMu: 0.017126,
      cSigma: 0.265238,
      dSigma: 1.265238,
      chi: 3.393078,
    },
    {
      n: 8,
      lambda: 10,
      muEff: 3.167299,
      cc: 0.34365,
      c1: 0.022307,
      cMu: 0.02875,
      cSigma: 0.319614,
      dSigma: 1.319614,
      chi: 2.742143,
    },
  ])('in $n dimensions', ({ n, ...expected }) => {
    const constants = cmaConstants(n);
    expect(defaultPopulation(n)).toBe(expected.lambda);
    for (const [name, value] of Object.entries(expected))
      expect(constants[name as keyof typeof expected]).toBeCloseTo(value, 6);
  });

  test.each([1, 2, 5, 20, 100])('weights in %i dimensions: descending, positive ones sum to 1', (n) => {
    const { weights, mu, c1, cMu, lambda } = cmaConstants(n);
    expect(weights.length).toBe(lambda);
    expect([...weights].sort((a, b) => b - a)).toEqual([...weights]);
    expect(weights.slice(0, mu).reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(c1 + cMu).toBeLessThanOrEqual(1);
    // Negative weights may not make C indefinite (tutorial, eq. 52).
    const negative = weights.filter((w) => w < 0).reduce((a, b) => a - b, 0);
    expect(negative * n * cMu).toBeLessThanOrEqual(1 - c1 - cMu + 1e-12);
  });
});

test('six generations equal those of the reference implementation', () => {
  const { mean, sigma, generations } = golden.plain;
  let state = initialGaussian(Float64Array.from(mean), sigma);
  for (const step of generations) {
    state = updateGaussian(cmaConstants(5), state, stepsOf(state, step.x));
    expectState(state, step);
  }
});

test('the margin correction of integers equals that of the reference implementation', () => {
  const { mean, sigma, counts, generations } = golden.margin;
  const space = {
    a: int(0, counts[0]! - 1),
    b: int(0, counts[1]! - 1),
    c: int(0, counts[2]! - 1),
    d: float(0, 1),
  };
  const axes = axesOf(space);
  const constants = cmaConstants(4);
  let state = initialGaussian(Float64Array.from(mean), sigma);
  let stretch = new Float64Array(4).fill(1);
  let corrections = 0;
  for (const step of generations) {
    const updated = updateGaussian(constants, state, stepsOf(state, step.x));
    const corrected = correctMargin(axes, updated, stretch, 1 / (4 * constants.lambda));
    if (corrected.mean.some((m, i) => m !== updated.mean[i]!)) corrections++;
    stretch = Float64Array.from(corrected.stretch);
    state = { ...updated, mean: corrected.mean };
    // The reference solves for the spread also where nothing has to change, through two quantiles.
    expectClose(stretch, step.stretch, 1e-7);
    expectState(state, step, 1e-7);
  }
  expect(corrections).toBeGreaterThan(3);
});

test('the categorical distributions equal those of the reference implementation', () => {
  const { counts, weights, generations } = golden.categories;
  let state = initialCategories(counts.map((k) => new Float64Array(k).fill(1 / k)));
  for (const step of generations) {
    state = updateCategories(state, step.choices, weights);
    state.q.forEach((q, i) => {
      expectClose(q, step.q[i]!);
    });
    expectClose([state.delta], [step.delta]);
  }
});

test('the promising region of earlier trials equals that of the reference implementation', () => {
  const { x, loss, mean, sigma, covariance } = golden.warmStart;
  const region = promisingRegion(x.map((row, i) => ({ u: Float64Array.from(row), loss: loss[i]! })));
  expectClose(region.mean, mean);
  expectClose([region.sigma], [sigma]);
  expectClose(region.covariance, covariance);
});
