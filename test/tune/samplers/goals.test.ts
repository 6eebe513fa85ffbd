// Constraints and two objectives in the samplers.
import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../../src/base/random.js';
import { type AskTell, askTell } from '../../../src/tune/askTell.js';
import { categorical, float, int } from '../../../src/tune/distributions.js';
import { mean } from '../../../src/tune/math/order.js';
import { hypervolume, type Losses } from '../../../src/tune/pareto.js';
import { axesOf } from '../../../src/tune/samplers/axes.js';
import { cmaesSampler } from '../../../src/tune/samplers/cmaes.js';
import type { Observation } from '../../../src/tune/samplers/evidence.js';
import {
  logHypervolumeImprovement,
  representativeOfFront,
  staircase,
} from '../../../src/tune/samplers/gp/front.js';
import type { Data } from '../../../src/tune/samplers/gp/likelihood.js';
import { limitOf, logHolds } from '../../../src/tune/samplers/gp/limits.js';
import { fantasize } from '../../../src/tune/samplers/gp/posterior.js';
import { gpSampler } from '../../../src/tune/samplers/gp.js';
import { nsga2Sampler, survivors } from '../../../src/tune/samplers/nsga2.js';
import { randomSampler } from '../../../src/tune/samplers/random.js';
import { split } from '../../../src/tune/samplers/tpe/groups.js';
import { tpeSampler } from '../../../src/tune/samplers/tpe.js';
import type { Sampler, SearchSpace } from '../../../src/tune/types.js';
import { describeContract } from './memoryStudy.js';

describe('nsga2', () => describeContract(() => nsga2Sampler({ populationSize: 8 })));

const HYPER = Float64Array.from([-0.7, 0.1, 0.2, -3]);

/** Points in two dimensions with values of an objective. */
function data(seed: number, f: (x: number, y: number) => number): Data {
  const random = randomStream(1, 'points');
  const noise = randomStream(seed, 'noise');
  const n = 12;
  const x = Float64Array.from({ length: 2 * n }, () => random.uniform());
  const y = Float64Array.from({ length: n }, (_, i) => f(x[2 * i]!, x[2 * i + 1]!) + 0.1 * noise.normal());
  return { n, d: 2, numeric: 2, x, y, extra: new Float64Array(n) };
}

/** Central differences of f at x. */
const differences = (f: (x: Float64Array) => number, x: Float64Array, step = 1e-5): number[] =>
  Array.from(x, (v, j) => (f(x.with(j, v + step)) - f(x.with(j, v - step))) / (2 * step));

describe('expected hypervolume improvement', () => {
  const samples = 6;
  const reference: Losses = [2, 2];
  const pasts = [(x: number, y: number) => 2 * x - y, (x: number, y: number) => 1.5 * y - x].map((f, k) =>
    fantasize(data(k, f), HYPER, new Float64Array(), samples, randomStream(k, 'pasts')),
  );
  const [first, second] = [pasts[0]!, pasts[1]!];
  const fronts = Array.from({ length: samples }, (_, s) =>
    Array.from({ length: 12 }, (_, i): Losses => [first.pasts[s * 12 + i]!, second.pasts[s * 12 + i]!]),
  );
  const target = logHypervolumeImprovement(
    2,
    [first.posterior, second.posterior],
    fronts.map((points) => staircase(points, reference)),
  );

  test('is what random values at the point gain on average', () => {
    const random = randomStream(5, 'draws');
    for (const at of [
      [0.1, 0.6],
      [0.9, 0.9],
      [0.5, 0.2],
    ]) {
      const x = Float64Array.from(at);
      const means = [new Float64Array(samples), new Float64Array(samples)];
      const deviations = [first, second].map(({ posterior }, k) =>
        Math.sqrt(posterior.predictOne(x, means[k]!)),
      );
      const draws = 4000;
      const gains: number[] = [];
      for (const [s, points] of fronts.entries()) {
        const before = hypervolume(points, reference);
        for (let i = 0; i < draws; i++) {
          const point = [0, 1].map((k) => means[k]![s]! + deviations[k]! * random.normal());
          gains.push(hypervolume([...points, point], reference) - before);
        }
      }
      const mean = gains.reduce((a, b) => a + b) / gains.length;
      const error = Math.sqrt(gains.reduce((sum, g) => sum + (g - mean) ** 2, 0)) / gains.length;
      expect(Math.abs(Math.exp(target.many(x, 1)[0]!) - mean)).toBeLessThan(5 * error + 1e-9);
    }
  });

  test('its gradient agrees with finite differences, batch with single', () => {
    const random = randomStream(3, 'points');
    for (let i = 0; i < 8; i++) {
      const x = Float64Array.from([random.uniform(), random.uniform()]);
      const gradient = new Float64Array(2);
      const value = target.one(x, gradient);
      expect(target.many(x, 1)[0]!).toBeCloseTo(value, 8);
      for (const [j, slope] of differences((v) => target.one(v, new Float64Array(2)), x).entries())
        expect(Math.abs(gradient[j]! - slope)).toBeLessThan(1e-4 * (1 + Math.abs(slope)));
    }
  });

  test('stays finite, with a gradient, where hardly anything can be gained', () => {
    const low = staircase([[-60, -60]], reference);
    const far = logHypervolumeImprovement(
      2,
      [first.posterior, second.posterior],
      fronts.map(() => low),
    );
    const gradient = new Float64Array(2);
    const x = Float64Array.from([0.4, 0.4]);
    expect(far.one(x, gradient)).toBeLessThan(-500);
    for (const [j, slope] of differences((v) => far.one(v, new Float64Array(2)), x, 1e-4).entries())
      expect(Math.abs(gradient[j]! / slope - 1)).toBeLessThan(1e-3);
  });
});

describe('constraints in gp', () => {
  const axes = axesOf({ x: float(0, 1), y: float(0, 1) });
  const at = (x: number, y: number, violation: number): Observation => ({
    x: Float64Array.from([x, y]),
    value: 0,
    spread: 0,
    violations: [violation],
  });
  const random = randomStream(2, 'points');
  const observations = Array.from({ length: 30 }, () => {
    const [x, y] = [random.uniform(), random.uniform()];
    return at(x, y, x > 0.9 ? 1e6 : x - 0.5);
  });
  const evidence = { observations, failures: [], running: [] };

  test('the probability that one holds has its edge where the violation is 0, in spite of a heavy tail', () => {
    const holds = logHolds(limitOf(axes, evidence, 0)!, HYPER);
    const probability = (x: number) => Math.exp(holds.many(Float64Array.from([x, 0.5]), 1)[0]!);
    expect(probability(0.3)).toBeGreaterThan(0.9);
    expect(probability(0.7)).toBeLessThan(0.1);
    const gradient = new Float64Array(2);
    const x = Float64Array.from([0.45, 0.5]);
    holds.one(x, gradient);
    for (const [j, slope] of differences((v) => holds.one(v, new Float64Array(2)), x).entries())
      expect(Math.abs(gradient[j]! - slope)).toBeLessThan(1e-4 * (1 + Math.abs(slope)));
  });

  test('infinite violations leave the edge where it is', () => {
    const infinite = observations.map((o) => ({
      ...o,
      violations: [o.x[0]! > 0.5 ? Infinity : o.x[0]! - 0.5],
    }));
    const holds = logHolds(limitOf(axes, { ...evidence, observations: infinite }, 0)!, HYPER);
    const probability = (x: number) => Math.exp(holds.many(Float64Array.from([x, 0.5]), 1)[0]!);
    expect(probability(0.2)).toBeGreaterThan(0.9);
    expect(probability(0.8)).toBeLessThan(0.1);
  });

  test('one that all trials violate alike, or that none has, says nothing', () => {
    for (const violation of [1, 0, -1, Infinity]) {
      const alike = observations.map((o) => ({ ...o, violations: [violation] }));
      expect(limitOf(axes, { ...evidence, observations: alike }, 0)).toBeNull();
    }
    expect(limitOf(axes, evidence, 1)).toBeNull();
  });
});

test('a large study of two objectives is represented by its front, in order', () => {
  const observations = Array.from({ length: 50 }, (_, i): Observation => {
    const losses = [i, i % 5 === 0 ? -i : 100];
    return { x: Float64Array.from([i]), value: i, spread: 0, losses };
  });
  const kept = representativeOfFront({ observations, failures: [], running: [] }, 20).observations;
  expect(kept).toHaveLength(20);
  expect(kept.filter((_, i) => i > 0 && kept[i - 1]!.value >= kept[i]!.value)).toEqual([]);
  for (const o of observations.filter((_, i) => i % 5 === 0)) expect(kept).toContain(o);
});

test('nsga2 keeps feasible trials first, by layer, the ends of a layer before its middle', () => {
  const at = (a: number, b: number, violation = 0): Observation => ({
    x: new Float64Array(1),
    value: a,
    spread: 0,
    losses: [a, b],
    violations: [violation],
  });
  const all = [at(0, 0, 2), at(5, 5), at(1, 3), at(2, 2.1), at(3, 1), at(0, 9, 1)];
  expect(survivors(all, 6)).toEqual([all[4], all[2], all[3], all[1], all[5], all[0]]);
});

test('tpe counts a trial that violates a constraint as worse than any other, by how much', () => {
  const at = (value: number, violation: number): Observation => ({
    x: Float64Array.from([value]),
    value,
    spread: 0,
    violations: [violation],
  });
  const observations = Array.from({ length: 20 }, (_, i) => at(i, i < 5 ? 1 + i : -1));
  expect(split({ observations, failures: [], running: [] }).good.points.map(([x]) => x)).toEqual([5, 6]);
  const none = observations.map((o, i) => ({ ...o, violations: [20 - i] }));
  expect(split({ observations: none, failures: [], running: [] }).good.points.map(([x]) => x)).toEqual([
    19, 18,
  ]);
});

const MIXED = {
  rate: float(1e-4, 1, { log: true }),
  depth: int(2, 12),
  kind: categorical(['a', 'b', 'c']),
  width: float(0, 1),
};
type Mixed = AskTell<typeof MIXED>;
/** Smaller is better: the wider the better, which the constraint forbids. */
const score = ({ rate, depth, kind, width }: ReturnType<Mixed['ask']>['params']) =>
  0.1 * Math.log10(rate / 0.01) ** 2 + 0.01 * (depth - 6) ** 2 + (kind === 'b' ? 0 : 0.2) - width;
const size = ({ depth, width }: { depth: number; width: number }) => depth * width - 3;

function constrained(sampler: Sampler, trials: number, seed: number): Mixed {
  const search = askTell(sampler, { space: MIXED, defaults: { width: 0.2 }, seed });
  for (let i = 0; i < trials; i++) {
    const { number, params } = search.ask();
    search.tell(number, score(params), [size(params)]);
  }
  return search;
}

describe('with a constraint', () => {
  const samplers: [string, () => Sampler][] = [
    ['gp', gpSampler],
    ['cmaes', cmaesSampler],
    ['tpe', tpeSampler],
    ['nsga2', () => nsga2Sampler({ populationSize: 12 })],
  ];
  test.each(samplers)('%s finds better feasible trials than random search does', (_, make) => {
    const bestOf = (of: () => Sampler) => [1, 2, 3].map((seed) => constrained(of(), 45, seed).best()!);
    const [found, drawn] = [bestOf(make), bestOf(randomSampler)];
    for (const { params } of found) expect(size(params)).toBeLessThanOrEqual(0);
    expect(mean(found.map(({ value }) => value))).toBeLessThan(mean(drawn.map(({ value }) => value)));
  });

  test.each(samplers)('%s searches for a feasible trial where none is known', (_, make) => {
    const space = { x: float(0, 1), y: float(0, 1) };
    const search = askTell(make(), { space, defaults: { x: 0.9, y: 0.9 } });
    for (let i = 0; i < 60; i++) {
      const { number, params } = search.ask();
      const far = Math.hypot(params.x - 0.2, params.y - 0.3);
      search.tell(number, -params.x, [far - 0.1]);
    }
    expect(search.best()).not.toBeNull();
  });

  test.each(samplers)('%s goes on where nothing is feasible, whatever the violations', (_, make) => {
    for (const violations of [[1], [1e6, -1e6], [Infinity], [Number.NaN, 1]]) {
      const search = askTell(make(), { space: MIXED });
      for (let i = 0; i < 16; i++) search.tell(search.ask(), i % 7, i % 5 === 0 ? undefined : violations);
      expect(search.trials).toHaveLength(16);
    }
  });
});

describe('with two objectives', () => {
  const SPACE = { x: float(0, 1), y: float(0, 1), z: float(0, 1) } satisfies SearchSpace;
  const cover = (sampler: Sampler, trials: number, seed: number) => {
    const directions = ['minimize', 'maximize'] as const;
    const search = askTell(sampler, { space: SPACE, defaults: { x: 0.5, y: 0.9, z: 0.9 }, directions, seed });
    for (let i = 0; i < trials; i++) {
      const { number, params } = search.ask();
      const { x, y, z } = params;
      const g = 1 + 4 * ((y - 0.3) ** 2 + (z - 0.6) ** 2);
      search.tell(number, [x * g, Math.sqrt(x) - g]);
    }
    return hypervolume(
      search.front().map(({ values }) => [values![0]!, -values![1]!]),
      [2, 2],
    );
  };
  const samplers: [string, () => Sampler][] = [
    ['gp', gpSampler],
    ['tpe', tpeSampler],
    ['nsga2', () => nsga2Sampler({ populationSize: 12 })],
  ];
  test.each(samplers)('%s covers more than random search does', (_, make) => {
    for (const seed of [1, 2])
      expect(cover(make(), 60, seed)).toBeGreaterThan(cover(randomSampler(), 60, seed));
  });

  test.each(samplers)('%s takes failures, infinite and equal values, and several workers', (_, make) => {
    const random = randomStream(1, 'odd');
    const odd = [NaN, Infinity, -Infinity, 1e300, -1e300, 0, 0, 1];
    const pick = () => (random.uniform() < 0.4 ? odd[random.int(odd.length)]! : random.normal());
    const search = askTell(make(), { space: MIXED, directions: ['maximize', 'minimize'] });
    for (let i = 0; i < 6; i++) {
      const asked = Array.from({ length: 4 }, () => search.ask());
      for (const { number } of asked.reverse())
        search.tell(number, [pick(), pick()], i % 2 ? [pick()] : undefined);
    }
    expect(search.front().length).toBeGreaterThan(0);
  });

  test.each(samplers)('%s depends on the trials alone: another instance asks for the same', (_, make) => {
    const sampler = make();
    const search = askTell(sampler, { space: MIXED, directions: ['minimize', 'minimize'], seed: 3 });
    for (let i = 0; i < 14; i++) {
      const { number, params } = search.ask();
      search.tell(number, [score(params), params.width], [size(params)]);
    }
    const view = {
      space: MIXED,
      defaults: search.trials[0]!.params,
      direction: 'minimize' as const,
      directions: ['minimize', 'minimize'] as const,
      seed: 3,
      trials: structuredClone(search.trials) as never,
    };
    expect(make().ask(view, 14).params).toEqual(search.ask().params);
  });
});
