import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../../src/base/random.js';
import { categorical, float, int, toUnit } from '../../../src/tune/distributions.js';
import { cmaConstants } from '../../../src/tune/samplers/cmaes/constants.js';
import { mirroredDirections } from '../../../src/tune/samplers/cmaes/directions.js';
import { initialGaussian, updateGaussian, whiten } from '../../../src/tune/samplers/cmaes/gaussian.js';
import { mostPromising } from '../../../src/tune/samplers/cmaes/screen.js';
import { stopReason } from '../../../src/tune/samplers/cmaes/stops.js';
import { type CmaesOptions, cmaesSampler } from '../../../src/tune/samplers/cmaes.js';
import type { Params, SearchSpace } from '../../../src/tune/types.js';
import { describeContract, memoryStudy, type Outcome } from './memoryStudy.js';

describeContract(cmaesSampler);

const box = (n: number): SearchSpace =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`x${i}`, float(-5, 5)]));
const SHIFT = [1.1, -0.7, 0.4, -1.6, 0.9, 1.3, -0.2, 0.6];
const shifted = (params: Params) => Object.values(params).map((x, i) => (x as number) - SHIFT[i]!);
const at = (space: SearchSpace, x: number): Params =>
  Object.fromEntries(Object.keys(space).map((name) => [name, x]));

const sphere = (params: Params) => shifted(params).reduce((sum, x) => sum + x * x, 0);
const ellipsoid = (params: Params) =>
  shifted(params).reduce((sum, x, i, z) => sum + 1e4 ** (i / (z.length - 1)) * x * x, 0);
const rosenbrock = (params: Params) => {
  const z = shifted(params).map((x) => x + 1);
  return z.slice(1).reduce((sum, x, i) => sum + 100 * (x - z[i]! ** 2) ** 2 + (1 - z[i]!) ** 2, 0);
};
const rastrigin = (params: Params) =>
  shifted(params).reduce((sum, x) => sum + x * x + 10 - 10 * Math.cos(2 * Math.PI * x), 0);

describe('converges', () => {
  // Seeds are fixed; each bound is far above what they reach and far below what random search does.
  test.each([
    ['sphere in 8 dimensions, 300 trials', sphere, 8, 300, {}, 0.2],
    ['sphere in 8 dimensions without a model, 1000 trials', sphere, 8, 1000, { screen: 1 }, 1e-6],
    ['ellipsoid of condition 10^4 in 6 dimensions, 1200 trials', ellipsoid, 6, 1200, { screen: 1 }, 1e-4],
    ['Rosenbrock in 4 dimensions, 1200 trials', rosenbrock, 4, 1200, { screen: 1 }, 1e-4],
  ] as const)('on the %s', (_, f, n, trials, options, bound) => {
    const space = box(n);
    const study = memoryStudy(space, { defaults: at(space, 2.5) });
    study.run(cmaesSampler(options), trials, f);
    expect(study.best()).toBeLessThan(bound);
  });

  test('on Rastrigin in 2 dimensions by restarts with growing populations, 3000 trials', () => {
    const space = box(2);
    const study = memoryStudy(space, { defaults: at(space, 4.5) });
    study.run(cmaesSampler({ screen: 1 }), 3000, rastrigin);
    const runs = study.trials.map(
      (t) => (t.systemAttrs['cmaes:generation'] as number[] | undefined)?.[0] ?? 0,
    );
    expect(Math.max(...runs)).toBeGreaterThan(1);
    expect(study.best()).toBeLessThan(1e-8);
  });

  test('finds the minimum with four workers, and the maximum of its negative', () => {
    const space = box(4);
    const four = memoryStudy(space, { defaults: at(space, 2) }).runParallel(cmaesSampler(), 200, 4, sphere);
    expect(four.best()).toBeLessThan(0.1);
    const down = memoryStudy(space, { defaults: at(space, 2) }).run(cmaesSampler(), 60, sphere);
    const up = memoryStudy(space, { defaults: at(space, 2), direction: 'maximize' });
    up.run(cmaesSampler(), 60, (params) => -sphere(params));
    expect(up.trials.map((t) => t.params)).toEqual(down.trials.map((t) => t.params));
  });

  test('on integers and categories: finds the one best combination', () => {
    const space: SearchSpace = {
      a: int(0, 40),
      b: int(1, 512, { log: true }),
      on: categorical([true, false]),
      kind: categorical(['w', 'x', 'y', 'z']),
      lr: float(1e-5, 1, { log: true }),
    };
    const f = (p: Params) =>
      Math.abs((p.a as number) - 7) +
      4 * Math.abs(Math.log2((p.b as number) / 200)) +
      (p.on ? 3 : 0) +
      5 * Math.abs('wxyz'.indexOf(p.kind as string) - 2) +
      (Math.log10(p.lr as number) + 3) ** 2;
    const study = memoryStudy(space, { defaults: { a: 35, b: 2, on: true, kind: 'w', lr: 0.5 } });
    study.run(cmaesSampler(), 300, f);
    const best = study.trials.find((t) => t.value === study.best())!;
    expect(best.params).toMatchObject({ a: 7, on: false, kind: 'y' });
    expect(Math.abs((best.params.b as number) - 200)).toBeLessThan(20);
  });
});

describe('where it starts', () => {
  const space = box(6);

  test('trial 0 is the default configuration', () => {
    const study = memoryStudy(space, { defaults: at(space, 3) });
    expect(cmaesSampler().ask(study, 0).params).toEqual(study.defaults);
  });

  const meanOfDraws = (options: CmaesOptions, f: (p: Params) => Outcome) => {
    const study = memoryStudy(space, { defaults: at(space, 3) }).run(cmaesSampler(options), 9, f);
    const draws = study.trials.filter((t) => 'cmaes:generation' in t.systemAttrs);
    const all = draws.flatMap((t) => Object.values(t.params) as number[]);
    return all.reduce((a, b) => a + b, 0) / all.length;
  };

  test('starts at the defaults if they beat the center of the ranges', () => {
    // Six orthogonal pairs of steps of about 1.67: their mean is close to that of the distribution.
    expect(meanOfDraws({}, (p) => -(p.x0 as number))).toBeGreaterThan(2);
    expect(meanOfDraws({ probeCentre: false }, (p) => p.x0 as number)).toBeGreaterThan(2);
  });

  test('starts at the center if one trial there is better or the defaults fail', () => {
    expect(Math.abs(meanOfDraws({}, (p) => p.x0 as number))).toBeLessThan(1);
    expect(Math.abs(meanOfDraws({}, (p) => ((p.x0 as number) >= 3 ? 'fail' : 1)))).toBeLessThan(1.5);
  });

  test('starts at the promising region of another study, or of many earlier trials of this one', () => {
    const earlier = memoryStudy(space, { seed: 5 });
    const random = randomStream(1, 'test/earlier');
    earlier.run(
      {
        name: 'x',
        ask: () => ({
          params: Object.fromEntries(Object.keys(space).map((k) => [k, -5 + 10 * random.uniform()])),
        }),
      },
      80,
      (p) => Object.values(p).reduce<number>((sum, x) => sum + ((x as number) + 3) ** 2, 0),
    );
    const distance = (params: Params) =>
      Object.values(params).reduce<number>((s, x) => s + ((x as number) + 3) ** 2, 0) / 6;
    const fresh = memoryStudy(space, { defaults: at(space, 3) });
    fresh.run(cmaesSampler({ warmStart: earlier.trials }), 6, () => 1);
    for (const trial of fresh.trials.slice(1)) expect(distance(trial.params)).toBeLessThan(15);
    const continued = cmaesSampler();
    for (let i = 0; i < 5; i++) expect(distance(earlier.start(continued).params)).toBeLessThan(15);
  });

  test('starts from another study also where all parameters are choices', () => {
    const choices = Array.from({ length: 6 }, (_, i) => [`c${i}`, categorical(['a', 'b', 'c', 'd'])]);
    const space: SearchSpace = Object.fromEntries(choices);
    const wrong = (params: Params) => Object.values(params).filter((choice) => choice !== 'd').length;
    const earlier = memoryStudy(space, { seed: 5 }).run(cmaesSampler(), 120, wrong);
    const warm = memoryStudy(space).run(cmaesSampler({ warmStart: earlier.trials }), 20, wrong);
    expect(warm.trials[1]!.params).toEqual(Object.fromEntries(choices.map(([name]) => [name, 'd'])));
    // At random, a quarter of the choices are right.
    const later = warm.trials.slice(2).reduce((sum, { params }) => sum + wrong(params), 0) / 18;
    expect(later).toBeLessThan(2.5);
  });
});

describe('what it learns from', () => {
  const space = box(4);

  test('failures rank last: the search leaves the failing region', () => {
    const study = memoryStudy(space, { defaults: at(space, 1) });
    study.run(cmaesSampler(), 150, (p) =>
      (p.x0 as number) > 2 ? 'fail' : 10 - (p.x0 as number) + Math.abs(p.x1 as number),
    );
    const failures = (from: number, to: number) =>
      study.trials.slice(from, to).filter((t) => t.state === 'fail').length;
    expect(study.best()).toBeLessThan(8.3);
    expect(failures(100, 150)).toBeLessThan(30);
    expect(study.trials.every((t) => t.value === null || t.value < 100)).toBe(true);
  });

  test('pruned trials count with their partial results', () => {
    // Only every third trial runs to the end; the others stop at step 50 with 1 more than they would have reached.
    const study = memoryStudy(space, { defaults: at(space, 3) });
    study.run(cmaesSampler(), 180, (p, number) =>
      number % 3 === 0
        ? sphere(p)
        : {
            reports: [
              [25, sphere(p) + 2],
              [50, sphere(p) + 1],
            ],
          },
    );
    expect(study.best()).toBeLessThan(2);
  });

  test('enqueued trials and those of other samplers', () => {
    const study = memoryStudy(space, { defaults: at(space, -4) });
    const sampler = cmaesSampler();
    study.run(sampler, 2, sphere);
    const good = { x0: 1, x1: -0.7, x2: 0.4, x3: -1.5 };
    study.run({ name: 'user', ask: () => ({ params: good }) }, 1, sphere);
    study.run(sampler, 40, sphere);
    const last = study.trials
      .slice(-10)
      .map((t) => sphere(t.params))
      .sort((a, b) => a - b);
    expect(last[5]).toBeLessThan(12);
  });

  test('noise does not stop it', () => {
    const noise = randomStream(3, 'test/noise');
    const study = memoryStudy(space, { defaults: at(space, 4) });
    study.run(cmaesSampler(), 200, (p) => sphere(p) + noise.normal());
    const late = study.trials
      .slice(-20)
      .map((t) => sphere(t.params))
      .sort((a, b) => a - b);
    expect(late[10]).toBeLessThan(3);
  });
});

describe('its parts', () => {
  test('mirrored directions: pairs cancel, others are orthogonal, lengths are those of normal vectors', () => {
    const n = 7;
    const z = mirroredDirections(randomStream(1, 'test'), n, 12);
    expect(z.length).toBe(12);
    const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
    for (let i = 0; i < 12; i += 2) {
      expect([...z[i + 1]!]).toEqual([...z[i]!].map((x) => -x));
      for (let j = 0; j < i; j += 2) expect(Math.abs(dot(z[i]!, z[j]!))).toBeLessThan(1e-10);
    }
    const squares = Array.from(
      { length: 300 },
      (_, s) => mirroredDirections(randomStream(s, 'test'), n, 2)[0]!,
    );
    const mean = squares.reduce((sum, v) => sum + dot(v, v), 0) / 300;
    expect(Math.abs(mean - n)).toBeLessThan(5 * Math.sqrt((2 * n) / 300)); // five standard errors of chi-squared
  });

  test('the covariance stays symmetric and positive definite under random generations', () => {
    const random = randomStream(2, 'test');
    for (const n of [1, 2, 6]) {
      const constants = cmaConstants(n);
      let state = initialGaussian(new Float64Array(n).fill(0.5), 0.2);
      for (let g = 0; g < 200; g++) {
        const steps = Array.from({ length: constants.lambda }, () =>
          Float64Array.from({ length: n }, () => random.normal() * 10 ** random.normal()),
        );
        state = updateGaussian(constants, state, steps);
        for (let i = 0; i < n; i++)
          for (let j = 0; j < i; j++) expect(state.c[i * n + j]).toBeCloseTo(state.c[j * n + i]!, 8);
        expect(Math.min(...state.d)).toBeGreaterThan(0);
        // C^{-1/2} C C^{-1/2} = I.
        const e = new Float64Array(n);
        e[0] = 1;
        const half = whiten(state, e);
        let quadratic = 0;
        for (let i = 0; i < n; i++)
          for (let j = 0; j < n; j++) quadratic += half[i]! * state.c[i * n + j]! * half[j]!;
        expect(quadratic).toBeCloseTo(1, 6);
        if (state.sigma > 1e6 || Math.max(...state.d) / Math.min(...state.d) > 1e5) break;
      }
    }
  });

  test('each stop rule fires where it should, and none in a healthy run', () => {
    const state = initialGaussian(Float64Array.of(0.5, 0.5), 0.2);
    const flat = Array.from({ length: 30 }, () => ({ best: 1, median: 1, worst: 1 }));
    const lively = flat.map((_, g) => ({ best: 1 / (g + 1), median: 2 / (g + 1), worst: 3 }));
    const stuck = Array.from({ length: 200 }, (_, g) => ({ best: 1 + (g % 2), median: 3, worst: 5 }));
    expect(stopReason(state, 0.2, 6, lively)).toBeNull();
    expect(stopReason(state, 0.2, 6, flat)).toBe('value range');
    expect(stopReason(state, 0.2, 6, stuck)).toBe('stagnation');
    expect(stopReason({ ...state, sigma: 1e-14 }, 0.2, 6, lively)).toBe('step size');
    expect(stopReason({ ...state, d: Float64Array.of(1e-8, 1) }, 0.2, 6, lively)).toBe('condition');
    const far = { ...state, mean: Float64Array.of(1e9, 0.5), sigma: 1e-9, pC: Float64Array.of(1, 1) };
    expect(stopReason(far, 1e-9, 6, lively)).toBe('no effect in a coordinate');
    const failing = flat.map(() => ({ best: Infinity, median: Infinity, worst: Infinity }));
    expect(stopReason(state, 0.2, 6, failing)).toBeNull();
  });

  test('the screen prefers the candidate nearest to the observed optimum', () => {
    const random = randomStream(4, 'test');
    const trials = Array.from({ length: 60 }, () => {
      const u = Float64Array.of(random.uniform(), random.uniform());
      const choices = [random.int(3)];
      const loss = (u[0]! - 0.3) ** 2 + (u[1]! - 0.6) ** 2 + (choices[0] === 1 ? 0 : 0.3);
      return { u, choices, loss: u[0]! > 0.9 ? null : loss };
    });
    const state = initialGaussian(Float64Array.of(0.5, 0.5), 0.2);
    const stretch = Float64Array.of(1, 1);
    const point = (x: number, y: number, choice: number) => ({ u: Float64Array.of(x, y), choices: [choice] });
    const candidates = [point(0.8, 0.2, 1), point(0.3, 0.6, 0), point(0.32, 0.6, 1), point(0.95, 0.6, 1)];
    expect(mostPromising(candidates, trials, state, stretch)).toBe(2);
    expect(
      mostPromising(
        candidates,
        trials.map((t) => ({ ...t, loss: null })),
        state,
        stretch,
      ),
    ).toBe(0);
  });

  test('options outside their range are refused', () => {
    expect(() => cmaesSampler({ populationSize: 3 })).toThrow(
      'Expected populationSize to be an integer >= 4, got 3',
    );
    expect(() => cmaesSampler({ sigma: 0 })).toThrow('Expected sigma in (0, 1], got 0');
    expect(() => cmaesSampler({ screen: 0.5 })).toThrow('Expected screen to be an integer >= 1, got 0.5');
  });
});

test('the update uses the point that ran: rounded integers move the mean only by their cells', () => {
  // A grid of two values: the margin keeps both alive although the better one is always drawn in the end.
  const space = { on: int(0, 1), x: float(0, 1) };
  const study = memoryStudy(space, { defaults: { on: 0, x: 0.2 } });
  study.run(cmaesSampler({ screen: 1 }), 300, (p) => 1 - (p.on as number) + toUnit(space.x, p.x!) ** 2);
  const late = study.trials.slice(150);
  const off = late.filter((t) => t.params.on === 0).length;
  expect(off).toBeGreaterThan(0);
  expect(off).toBeLessThan(60);
});
