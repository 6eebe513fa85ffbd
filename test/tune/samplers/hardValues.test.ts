// Objectives whose values would mislead a model: heavy tails, infinities, ties. Each sampler must still find the optimum.

import { describe, expect, test } from '@jest/globals';
import { float, int, toUnit } from '../../../src/tune/distributions.js';
import { cmaesSampler } from '../../../src/tune/samplers/cmaes.js';
import { gpSampler } from '../../../src/tune/samplers/gp.js';
import { randomSampler } from '../../../src/tune/samplers/random.js';
import { tpeSampler } from '../../../src/tune/samplers/tpe.js';
import type { Params, Sampler, SearchSpace } from '../../../src/tune/types.js';
import { expectInSpace, memoryStudy } from './memoryStudy.js';

const SPACE: SearchSpace = {
  matrixLr: float(0.005, 0.5, { log: true }),
  embeddingLr: float(0.01, 2, { log: true }),
  depth: int(2, 12),
  weightDecay: float(0, 0.5),
  warmdown: float(0.1, 0.9),
};
const u = (params: Params, name: string) => toUnit(SPACE[name]!, params[name]!);

/** Like val_bpb: a bowl of 0.97 .. 1.2; beyond an edge near its bottom, a third of the space, the tail. */
const surface = (tail: (excess: number, value: number) => number) => (params: Params) => {
  const rate = u(params, 'matrixLr') - 0.5;
  let value = 0.97 + 0.3 * rate ** 2 + 0.05 * (u(params, 'embeddingLr') - 0.6) ** 2;
  value += 0.06 * (u(params, 'depth') - 0.6) ** 2 + 0.05 * (u(params, 'warmdown') - 0.7) ** 2;
  value += 0.03 * (u(params, 'weightDecay') - 0.3) ** 2;
  const excess = rate + 0.3 * (u(params, 'embeddingLr') - 0.6) - 0.15;
  return excess > 0 ? tail(excess, value) : value;
};

const TAILS: [string, (excess: number, value: number) => number][] = [
  ['growing exponentially', (excess, value) => value + Math.expm1(20 * excess)],
  ['fifty times as steep', (excess, value) => value + 50 * Math.expm1(20 * excess)],
  ['constant', () => 11.09],
  ['over 300 orders of magnitude', (excess) => 10 ** Math.min(308, 700 * excess)],
  ['infinite', () => Infinity],
];

/** Median over seeds of the best value's distance to the minimum. */
function regret(make: () => Sampler, objective: (params: Params) => number, trials: number): number {
  const found = [1, 2, 3].map((seed) => memoryStudy(SPACE, { seed }).run(make(), trials, objective).best());
  return found.sort((a, b) => a - b)[1]! - 0.97;
}

describe.each(TAILS)('a tail %s', (_, tail) => {
  test('hardly slows down the Gaussian process', () => {
    expect(regret(gpSampler, surface(tail), 40)).toBeLessThan(0.001);
  });
});

test.each([
  ['cmaes', cmaesSampler],
  ['tpe', tpeSampler],
] as const)('%s beats random search on a tail of infinite values', (_, make) => {
  const objective = surface(() => Infinity);
  expect(regret(make, objective, 60)).toBeLessThan(regret(randomSampler, objective, 60));
});

describe.each([
  ['gp', gpSampler],
  ['cmaes', cmaesSampler],
  ['tpe', tpeSampler],
] as const)('%s', (_, make) => {
  const outcomes: [string, (number: number, value: number) => number][] = [
    ['are all equal', () => 1],
    ['are all infinite', (number) => (number % 2 ? Infinity : -Infinity)],
    ['are as good in half of the trials', (number, value) => (number % 2 ? value : 0.97)],
    ['are infinitely good once', (number, value) => (number === 3 ? -Infinity : value)],
  ];
  test.each(outcomes)('asks for new points where values %s', (_, outcome) => {
    const study = memoryStudy(SPACE).run(make(), 30, (params, number) =>
      outcome(number, surface((_, value) => value)(params)),
    );
    for (const { params } of study.trials) expectInSpace(SPACE, params);
    expect(new Set(study.trials.map(({ params }) => JSON.stringify(params))).size).toBe(30);
  });

  test('asks for new points after two trials, and where all trials share a parameter', () => {
    const study = memoryStudy(SPACE).run(
      make(),
      2,
      surface((_, value) => value),
    );
    expectInSpace(SPACE, make().ask(study, 2).params);
    const fixed = memoryStudy(SPACE).run(
      {
        name: 'fixed',
        ask: (view, number) => ({ params: { ...make().ask(view, number).params, depth: 4 } }),
      },
      15,
      surface((_, value) => value),
    );
    expectInSpace(SPACE, make().ask(fixed, 15).params);
  });
});
