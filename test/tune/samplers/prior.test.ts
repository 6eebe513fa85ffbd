// A user's belief about good values speeds up a search where it is right and is outweighed where it is wrong.

import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../../src/base/random.js';
import { categorical, checkDistribution, float, int, toUnit } from '../../../src/tune/distributions.js';
import { axesOf, decode } from '../../../src/tune/samplers/axes.js';
import { samplerByName, samplerNames } from '../../../src/tune/samplers/index.js';
import { believed, logBelief } from '../../../src/tune/samplers/prior.js';
import { checkSpace } from '../../../src/tune/space.js';
import { createStudy } from '../../../src/tune/study.js';
import type { Params, Prior, SearchSpace } from '../../../src/tune/types.js';
import { memoryStudy } from './memoryStudy.js';

/** Six parameters, all with a prior of this center in units of the range. */
const spaceWith = (center: number | null): SearchSpace => {
  const plain: SearchSpace = {
    a: float(1e-5, 1, { log: true }),
    b: float(0, 1),
    c: float(-2, 2),
    d: int(0, 40),
    e: float(1e-3, 10, { log: true }),
  };
  if (center === null) return plain;
  const at = decode(
    plain,
    axesOf(plain),
    axesOf(plain).map(() => center),
  );
  const of = (name: string): Prior<number> => ({ center: at[name] as number, width: 0.1 });
  return Object.fromEntries(
    Object.entries(plain).map(([name, d]) => [name, { ...d, prior: of(name) }]),
  ) as SearchSpace;
};
const PLAIN = spaceWith(null);
/** A bowl with its minimum at 0.8 of every range. */
const bowl = (params: Params) =>
  Object.entries(PLAIN).reduce((sum, [name, d]) => sum + (toUnit(d, params[name]!) - 0.8) ** 2, 0);
const defaults = { a: 1e-3, b: 0.5, c: 0, d: 20, e: 0.1 };

const best = (name: string, center: number | null, trials: number) => {
  const found = [1, 2, 3].map((seed) =>
    memoryStudy(spaceWith(center), { seed, defaults }).run(samplerByName(name), trials, bowl).best(),
  );
  return found.sort((a, b) => a - b)[1]!;
};

test.each(samplerNames)(
  '%s: with a correct prior, 10 trials find what takes many more without it',
  (name) => {
    expect(best(name, 0.78, 10)).toBeLessThan(0.5 * best(name, null, 10));
  },
);

test.each([
  ['gp', 0.002],
  ['cmaes', 0.05],
  ['tpe', 0.1],
])('%s: a wrong prior is outweighed within 60 trials', (name, bound) => {
  expect(best(name, 0.2, 60)).toBeLessThan(bound);
});

test('random search follows a prior in half of its draws after 10 trials, and in fewer later', () => {
  const space = { x: float(0, 1, { prior: { center: 0.1, width: 0.02 } }) };
  const studies = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) =>
    memoryStudy(space, { seed }).run(samplerByName('random'), 400, () => 1),
  );
  const near = (from: number, to: number) => {
    const trials = studies.flatMap((study) => study.trials.slice(from, to));
    return trials.filter(({ params }) => (params.x as number) < 0.2).length / trials.length;
  };
  expect(near(0, 10)).toBeGreaterThan(0.65);
  expect(near(200, 400)).toBeLessThan(0.25);
});

describe('choices', () => {
  const space = {
    c: categorical(['a', 'b', 'c', 'd', 'e', 'f'], { prior: { center: 'e' } }),
    x: float(0, 1),
  };
  test.each(samplerNames)("%s tries the prior's choice first", (name) => {
    const seeds = [1, 2, 3, 4, 5, 6];
    const tried = seeds.flatMap((seed) => {
      const study = memoryStudy(space, { seed, defaults: { c: 'a', x: 0.5 } });
      return study.run(samplerByName(name), 9, ({ x }) => x as number).trials.slice(1);
    });
    // One in six without the prior.
    expect(tried.filter(({ params }) => params.c === 'e').length).toBeGreaterThan(tried.length / 4);
  });
});

test('priors come from plain data', () => {
  expect(checkSpace(JSON.parse(JSON.stringify(spaceWith(0.3)))).space).toEqual(spaceWith(0.3));
});

describe('the density', () => {
  const axes = axesOf({
    x: float(0, 1, { prior: { center: 0.3, width: 0.1 } }),
    y: float(0, 1),
    z: categorical(['a', 'b', 'c'], { prior: { center: 'b' } }),
  });

  test('has the gradient that finite differences give, and fades with the trials', () => {
    const belief = logBelief(axes, 5)!;
    const gradient = new Float64Array(3);
    const at = (x: number) => belief.one(Float64Array.of(x, 0.5, 1), gradient);
    const step = 1e-6;
    const numeric = (at(0.5 + step) - at(0.5 - step)) / (2 * step);
    at(0.5);
    expect(gradient[0]!).toBeCloseTo(numeric, 4); // central differences of a parabola: rounding alone
    expect([...gradient.subarray(1)]).toEqual([0, 0]);
    expect(at(0.3)).toBeCloseTo(0, 12);
    expect(logBelief(axes, 50)!.one(Float64Array.of(0.5, 0.5, 1), gradient)).toBeCloseTo(at(0.5) / 10, 12);
    expect([...belief.many(Float64Array.of(0.5, 0.1, 1, 0.3, 0.1, 0), 2)]).toEqual([
      at(0.5),
      -2 * Math.log(4),
    ]);
    expect(logBelief(axesOf({ y: float(0, 1) }), 5)).toBeNull();
  });

  test('is what draws follow', () => {
    const random = randomStream(1, 'test/believed');
    const draws = Array.from({ length: 4000 }, () => believed(axes[0]!, random.uniform()));
    const mean = draws.reduce((a, b) => a + b) / 4000;
    const deviation = Math.sqrt(draws.reduce((sum, u) => sum + (u - mean) ** 2, 0) / 4000);
    expect(mean).toBeCloseTo(0.3, 1);
    expect(deviation).toBeCloseTo(0.1, 1);
    expect(draws.every((u) => u >= 0 && u <= 1)).toBe(true);
  });
});

describe('priors of a space', () => {
  test('are the defaults where none are given, and do not identify a study', () => {
    const space = { lr: float(1e-4, 1, { log: true, prior: { center: 0.02, width: 0.1 } }) };
    expect(checkSpace(space).defaults).toEqual({ lr: 0.02 });
    const study = createStudy({ space, sampler: samplerByName('gp') });
    expect(study.ask().params).toEqual({ lr: 0.02 });
  });

  test.each([
    [
      { kind: 'float', low: 0, high: 1, prior: { center: 2, width: 0.1 } },
      /x: expected prior to be .*"center": a value/,
    ],
    [{ kind: 'float', low: 0, high: 1, prior: { center: 0.5 } }, /got {"center":0.5}/],
    [{ kind: 'int', low: 0, high: 9, prior: { center: 5, width: 0 } }, /"width": a share of the range > 0/],
    [{ kind: 'int', low: 0, high: 9, prior: { center: 5, width: 0.1, sd: 1 } }, /got .*sd/],
    [{ kind: 'categorical', choices: ['a'], prior: { center: 'b' } }, /one of the choices/],
    [{ kind: 'categorical', choices: ['a'], prior: 'a' }, /one of the choices/],
    [{ kind: 'float', low: 0, high: 1, prior: null }, /got null/],
  ])('that make no sense are refused: %#', (plain, message) => {
    expect(() => checkDistribution('x', plain)).toThrow(message);
  });
});
