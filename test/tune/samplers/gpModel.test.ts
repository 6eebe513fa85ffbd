import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../../src/base/random.js';
import { categorical, contains, float, int } from '../../../src/tune/distributions.js';
import { axesOf, decode, encode, snap } from '../../../src/tune/samplers/axes.js';
import { gather } from '../../../src/tune/samplers/evidence.js';
import {
  type Acquisition,
  averaged,
  both,
  logFeasibility,
  logImprovement,
  logImprovementSlope,
  logNoisyImprovement,
} from '../../../src/tune/samplers/gp/acquisition.js';
import { type FitChain, fitChain } from '../../../src/tune/samplers/gp/chain.js';
import { fitHyper, priorMode } from '../../../src/tune/samplers/gp/fit.js';
import {
  type Data,
  logPrior,
  negativeLogPosterior,
  representative,
} from '../../../src/tune/samplers/gp/likelihood.js';
import { objectiveData } from '../../../src/tune/samplers/gp/models.js';
import { condition, fantasize } from '../../../src/tune/samplers/gp/posterior.js';
import { scaleShift } from '../../../src/tune/samplers/gp/scales.js';
import { warp } from '../../../src/tune/samplers/gp/targets.js';
import { gpSampler } from '../../../src/tune/samplers/gp.js';
import { study, trial } from './gpStudies.js';

/** N points in three numeric and one categorical dimension. */
function data(n: number, seed = 1, noise = 0.1): Data {
  const random = randomStream(seed, 'gp data');
  const d = 4;
  const x = new Float64Array(n * d);
  const y = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < 3; j++) x[i * d + j] = random.uniform();
    x[i * d + 3] = random.int(3);
    y[i] = Math.sin(4 * x[i * d]!) + x[i * d + 1]! ** 2 + 0.5 * x[i * d + 3]! - 1 + noise * random.normal();
  }
  return { n, d, numeric: 3, x, y, extra: new Float64Array(n) };
}

const HYPER = Float64Array.from([-0.7, 0.1, 0.6, 0.3, 0.2, -3]);

/** Central differences of f at x, one coordinate after another. */
function differences(f: (x: Float64Array) => number, x: Float64Array, step: number): Float64Array {
  return x.map((_, j) => {
    const up = x.slice();
    const down = x.slice();
    up[j]! += step;
    down[j]! -= step;
    return (f(up) - f(down)) / (2 * step);
  });
}

describe('log expected improvement', () => {
  test.each([
    [0, -0.918939],
    [1, 0.080026],
    [-1, -2.485121],
    [-5, -16.744301],
    [-24, -295.280223],
    [-30, -457.724655],
    [-100, -5010.129579],
  ])('h(%p) = %p', (z, expected) => {
    expect(logImprovement(z)).toBeCloseTo(expected, 5);
  });

  test('is continuous across its branches and keeps its slope down to z = -1e6', () => {
    for (const z of [-25, -1000]) {
      expect(logImprovement(z - 1e-9) / logImprovement(z + 1e-9)).toBeCloseTo(1, 8);
      expect(logImprovementSlope(z - 1e-9) / logImprovementSlope(z + 1e-9)).toBeCloseTo(1, 6);
    }
    for (const z of [3, 0, -4, -24.5, -26, -400, -1e4]) {
      const step = 1e-4 * Math.max(1, Math.abs(z));
      const slope = (logImprovement(z + step) - logImprovement(z - step)) / (2 * step);
      expect(Math.abs(logImprovementSlope(z) / slope - 1)).toBeLessThan(1e-4);
    }
    // h' -> -z, since h -> -z^2/2
    expect(logImprovementSlope(-1e6) / 1e6).toBeCloseTo(1, 6);
  });
});

describe('the fit', () => {
  test('gradient of the log posterior agrees with finite differences', () => {
    const points = { ...data(25), shift: Float64Array.from([-1, 0.5, 0.5, 0]) };
    points.extra[3] = 0.2;
    const f = negativeLogPosterior(points);
    const gradient = new Float64Array(6);
    f(HYPER, gradient);
    const numeric = differences((h) => f(h, new Float64Array(6)), HYPER, 1e-5);
    // Central differences of a double: about 1e-10 of the value over the step.
    for (let j = 0; j < 6; j++)
      expect(Math.abs(gradient[j]! - numeric[j]!)).toBeLessThan(1e-5 * (1 + Math.abs(numeric[j]!)));
  });

  test('the prior matches reference values and penalizes length scales far below the range', () => {
    // ln a = 0, ln s2 = -3: -1 - 0.3 - 30 e^-3 = -2.793612; D = 4: ln l is centred at sqrt 2 + ln 2 = 2.107361.
    const rest = -2.793612;
    const at = (l: number) =>
      logPrior(Float64Array.from([...Array(4).fill(Math.log(l)), 0, -3]), 4, new Float64Array(6)) - rest;
    // -4 (z^2 / 6 + ln l + 0.1 / l^2), z = ln l - 2.107361
    expect(at(1)).toBeCloseTo(-4 * (0.740161 + 0.1), 4);
    expect(at(0.1)).toBeCloseTo(-4 * (3.24127 - Math.LN10 + 10), 4);
    expect(at(0.1)).toBeLessThan(at(1) - 35);
  });

  test('a shift moves the prior of the length scales and nothing else', () => {
    const shift = Float64Array.from([-2, 1, 1, 0]);
    const moved = HYPER.map((h, j) => h + (shift[j] ?? 0));
    // ln l enters the prior by z = ln l - center and, as a density of l, by -ln l - 0.1 / l^2.
    const rest = (hyper: Float64Array) =>
      hyper.subarray(0, 4).reduce((sum, h) => sum - h - 0.1 * Math.exp(-2 * h), 0);
    expect(logPrior(moved, 4, new Float64Array(6), shift) - rest(moved)).toBeCloseTo(
      logPrior(HYPER, 4, new Float64Array(6)) - rest(HYPER),
      10,
    );
    expect(priorMode(4, shift)).toEqual(priorMode(4).map((h, j) => h + (shift[j] ?? 0)));
  });

  test('finds short length scales for what matters, long ones for what does not, and the noise', () => {
    const points = data(80, 2, 0.05);
    const { hyper } = fitHyper(points, null);
    const [active, , inert] = Array.from(hyper);
    expect(active!).toBeLessThan(inert! - 0.7);
    expect(Math.exp(0.5 * hyper[5]!)).toBeGreaterThan(0.02);
    expect(Math.exp(0.5 * hyper[5]!)).toBeLessThan(0.12);
  });

  test('from a warm start is no worse than from scratch', () => {
    const points = data(40, 3);
    const warm = fitHyper(points, null).hyper;
    expect(fitHyper(points, warm).value).toBeLessThanOrEqual(fitHyper(points, null).value + 1e-6);
  });

  test('survives constant targets and copies of one point', () => {
    const points = data(12);
    points.y.fill(0);
    for (let i = 0; i < 12; i++) points.x.set(points.x.subarray(0, 4), i * 4);
    const { hyper, value } = fitHyper(points, null);
    expect(hyper.every(Number.isFinite)).toBe(true);
    expect(Number.isFinite(value)).toBe(true);
  });
});

describe('many trials', () => {
  test('representative points are the best half and an even selection of the others', () => {
    const points = data(1000, 5);
    const chosen = representative(points, 100);
    const sorted = [...points.y].sort((a, b) => a - b);
    expect([...chosen.y.subarray(0, 50)]).toEqual(sorted.slice(0, 50));
    expect([...chosen.y.subarray(50)]).toEqual(Array.from({ length: 50 }, (_, i) => sorted[50 + i * 19]));
    const row = [...points.y.keys()].find((i) => points.y[i] === chosen.y[70])!;
    expect(chosen.x.slice(70 * 4, 71 * 4)).toEqual(points.x.slice(row * 4, (row + 1) * 4));
    expect(chosen).toMatchObject({ n: 100, d: 4, numeric: 3 });
    expect(representative(points, 1000)).toBe(points);
  });

  const space = { x: float(0, 1), y: float(0, 1) };
  const random = randomStream(1, 'test/many');
  const trials = Array.from({ length: 330 }, (_, i) => {
    const params = { x: random.uniform(), y: random.uniform() };
    return trial(i, params, (params.x - 0.3) ** 2 + (params.y - 0.7) ** 2 + 0.01 * random.normal());
  });
  const view = study(space, trials);
  const axes = axesOf(space);
  const fits = (chain: FitChain, count: number, asked: number[]) =>
    chain.at(view, axes, trials.slice(0, count), (part) => {
      asked.push(part.length);
      return objectiveData(axes, gather(view, axes, part));
    });

  test('a study resumed after 256 trials makes one fit, equal to that of an uninterrupted study', () => {
    const asked: number[] = [];
    const resumed = fits(fitChain(), 330, asked);
    expect(asked).toEqual([320]);
    const chain = fitChain();
    const along: number[] = [];
    for (let count = 250; count <= 330; count++) fits(chain, count, along);
    expect(along.filter((n) => n > 248)).toEqual([256, 320]);
    expect(fits(chain, 330, along)).toEqual(resumed);
  });

  test('hundreds of failures do not affect the model of values', () => {
    const failed = Array.from({ length: 900 }, (_, i) =>
      trial(330 + i, { x: 0.8 + 0.2 * random.uniform(), y: random.uniform() }, null),
    );
    const { x, y } = gpSampler().ask(study(space, [...trials, ...failed]), 1230).params;
    expect(Math.hypot((x as number) - 0.3, (y as number) - 0.7)).toBeLessThan(0.2);
  });
});

describe('the second prior', () => {
  const log = float(1e-4, 1, { log: true });

  test('expects e^2 times shorter length scales on log scales, and the same mean over the numbers', () => {
    const axes = axesOf({
      a: log,
      b: float(0, 1),
      c: int(1, 64, { log: true }),
      kind: categorical(['x', 'y']),
    });
    expect(axes.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'kind']);
    const [a, b, c, kind] = scaleShift(axes)!;
    expect([b! - a!, b! - c!, kind]).toEqual([2, 2, 0]);
    expect(a! + b! + c!).toBeCloseTo(0, 12);
  });

  test('is the first where all parameters are on one kind of scale', () => {
    expect(scaleShift(axesOf({ a: log, b: log, kind: categorical(['x', 'y']) }))).toBeNull();
    expect(scaleShift(axesOf({ a: float(0, 1), n: int(0, 9) }))).toBeNull();
    expect(scaleShift(axesOf({ kind: categorical(['x', 'y']) }))).toBeNull();
    expect(scaleShift([])).toBeNull();
  });
});

describe('the posterior', () => {
  const points = data(30, 4);
  const quiet = HYPER.slice();
  quiet[5] = Math.log(1e-7);

  test('interpolates noise-free observations with zero variance', () => {
    const posterior = condition(points, quiet);
    const mean = new Float64Array(30);
    const variance = new Float64Array(30);
    posterior.predict(points.x, 30, mean, variance);
    for (let i = 0; i < 30; i++) {
      expect(Math.abs(mean[i]! - points.y[i]!)).toBeLessThan(1e-3);
      expect(variance[i]!).toBeLessThan(1e-4);
    }
  });

  test('gives the same one by one and in batches, and returns to the prior far away', () => {
    const posterior = condition(points, HYPER);
    const many = Float64Array.from({ length: 70 * 4 }, (_, i) =>
      i % 4 === 3 ? i % 3 : ((i * 37) % 101) / 101,
    );
    many.set([1e4, 1e4, 1e4, 0]);
    const mean = new Float64Array(70);
    const variance = new Float64Array(70);
    posterior.predict(many, 70, mean, variance);
    const single = new Float64Array(1);
    for (let i = 0; i < 70; i++) {
      expect(posterior.predictOne(many.slice(i * 4, i * 4 + 4), single)).toBeCloseTo(variance[i]!, 10);
      expect(single[0]!).toBeCloseTo(mean[i]!, 10);
    }
    // The scale a; what is left of the mean's unit variance is small.
    expect(variance[0]!).toBeGreaterThan(Math.exp(0.2));
    expect(variance[0]!).toBeLessThan(Math.exp(0.2) + 0.5);
  });

  test('its pasts scatter about its mean, and each past is met exactly', () => {
    const { posterior, lowest, mean } = fantasize(
      points,
      HYPER,
      new Float64Array(),
      400,
      randomStream(1, 'pasts'),
    );
    const expected = new Float64Array(30);
    const spread = new Float64Array(30);
    condition(points, HYPER).predict(points.x, 30, expected, spread);
    const means = new Float64Array(30 * 400);
    const variances = new Float64Array(30);
    posterior.predict(points.x, 30, means, variances);
    for (let i = 0; i < 30; i++) {
      expect(mean[i]!).toBeCloseTo(expected[i]!, 6);
      expect(variances[i]!).toBeLessThan(1e-3);
      const row = means.subarray(i * 400, (i + 1) * 400);
      const average = row.reduce((a, b) => a + b, 0) / 400;
      // Five standard errors of 400 samples.
      expect(Math.abs(average - expected[i]!)).toBeLessThan(0.25 * Math.sqrt(spread[i]!) + 1e-3);
    }
    for (let s = 0; s < 400; s++) {
      const low = Math.min(...Array.from({ length: 30 }, (_, i) => means[i * 400 + s]!));
      expect(Math.abs(low - lowest[s]!)).toBeLessThan(0.02);
    }
  });

  test('has less variance where a trial is running', () => {
    const spot = Float64Array.from([0.9, 0.1, 0.5, 1]);
    const single = new Float64Array(4);
    const before = fantasize(points, HYPER, new Float64Array(), 4, randomStream(1, 'a')).posterior.predictOne(
      spot,
      single,
    );
    const after = fantasize(points, HYPER, spot, 4, randomStream(1, 'a')).posterior.predictOne(spot, single);
    expect(after).toBeLessThan(0.1 * before);
  });
});

describe('the acquisition', () => {
  const points = data(20, 5);
  const { posterior, lowest } = fantasize(points, HYPER, new Float64Array(), 8, randomStream(2, 'pasts'));
  const labels = { ...points, y: points.y.map((v) => (v > 0.6 ? -1 : 1)) };
  const improvement = logNoisyImprovement(4, posterior, lowest);
  const feasibility = logFeasibility(4, condition(labels, HYPER));
  const targets: [string, Acquisition][] = [
    ['noisy improvement', improvement],
    ['feasibility', feasibility],
    ['both', both(improvement, feasibility)],
    ['averaged', averaged(improvement, feasibility)],
  ];

  test.each(targets)('%s: gradient agrees with finite differences, batch with single', (_, target) => {
    const random = randomStream(3, 'points');
    for (let i = 0; i < 5; i++) {
      const x = Float64Array.from([random.uniform(), random.uniform(), random.uniform(), random.int(3)]);
      const gradient = new Float64Array(4);
      const value = target.one(x, gradient);
      expect(target.many(x, 1)[0]!).toBeCloseTo(value, 8);
      const numeric = differences((v) => target.one(v, new Float64Array(4)), x, 1e-5);
      for (let j = 0; j < 3; j++)
        expect(Math.abs(gradient[j]! - numeric[j]!)).toBeLessThan(1e-4 * (1 + Math.abs(numeric[j]!)));
      expect(gradient[3]).toBe(0);
    }
  });

  test('averaged is ln of the mean, also where one is far below the other', () => {
    const fixed = (value: number): Acquisition => ({
      many: (_, count) => new Float64Array(count).fill(value),
      one: () => value,
    });
    const of = (a: number, b: number) => averaged(fixed(a), fixed(b)).many(new Float64Array(4), 1)[0]!;
    expect(Math.exp(of(Math.log(0.2), Math.log(0.6)))).toBeCloseTo(0.4, 12);
    expect(of(-3, -3)).toBeCloseTo(-3, 12);
    expect(of(-2000, -3000)).toBeCloseTo(-2000 - Math.LN2, 9);
  });

  test('feasibility is high among what ran and low among what failed', () => {
    const values = feasibility.many(points.x, 20);
    for (let i = 0; i < 20; i++)
      if (labels.y[i] === 1) expect(values[i]!).toBeGreaterThan(3 * Math.log(0.5));
      else expect(values[i]!).toBeLessThan(3 * Math.log(0.5));
  });
});

describe('targets', () => {
  const space = { x: float(0, 1) };
  const axes = axesOf(space);

  test('are warped increasingly to mean 0 and variance 1, whatever the tail', () => {
    const values = [1, 1.1, 1.15, 1.3, 1.4, 2, 9, 1e4];
    const { y } = warp(values.map((value) => ({ x: new Float64Array(1), value, spread: 0 })));
    for (let i = 1; i < y.length; i++) expect(y[i]!).toBeGreaterThan(y[i - 1]!);
    expect(y.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 10);
    expect(y.reduce((a, b) => a + b * b, 0) / y.length).toBeCloseTo(1, 10);
  });

  test('that are all alike, or one, are zero', () => {
    const observation = { x: new Float64Array(1), value: 3, spread: 0 };
    expect(Array.from(warp([observation]).y)).toEqual([0]);
    expect(Array.from(warp([observation, observation, observation]).y)).toEqual([0, 0, 0]);
  });

  test('are negated when maximizing, and NaN counts as a failure', () => {
    const s = study(
      space,
      [trial(0, { x: 0.1 }, 5), trial(1, { x: 0.2 }, NaN), trial(2, { x: 0.3 }, null)],
      'maximize',
    );
    const { observations, failures } = gather(s, axes, s.trials);
    expect(observations.map((o) => o.value)).toEqual([-5]);
    expect(failures.map((x) => x[0])).toEqual([0.2, 0.3]);
  });

  test('of pruned trials are extrapolated to the end by how complete trials continued', () => {
    const finished = [0, 1, 2, 3].map((i) => ({
      ...trial(i, { x: i / 10 }, 2 + i),
      intermediate: new Map([[1, 3 + i + 0.1 * i]]),
    }));
    const pruned = {
      ...trial(9, { x: 0.9 }, null),
      state: 'pruned' as const,
      intermediate: new Map([
        [1, 8],
        [2, NaN],
      ]),
    };
    const s = study(space, [...finished, pruned]);
    const last = gather(s, axes, s.trials).observations.at(-1)!;
    // They fell by 1, 1.1, 1.2 and 1.3 after step 1.
    expect(last.value).toBeCloseTo(8 - 1.15, 10);
    expect(last.spread).toBeGreaterThan(0);
    const { extra } = warp(gather(s, axes, s.trials).observations);
    expect(extra.at(-1)!).toBeGreaterThan(0);
    expect(extra[0]).toBe(0);
  });

  test('of pruned trials without anything to compare are no better than the median', () => {
    const pruned = {
      ...trial(2, { x: 0.9 }, null),
      state: 'pruned' as const,
      intermediate: new Map([[1, -5]]),
    };
    const s = study(space, [trial(0, { x: 0.1 }, 1), trial(1, { x: 0.2 }, 3), pruned]);
    expect(gather(s, axes, s.trials).observations.at(-1)!.value).toBe(2);
  });
});

describe('axes', () => {
  const space = {
    choice: categorical(['a', 'b', null]),
    only: int(3, 3),
    log: float(1e-5, 1, { log: true }),
    grid: float(0, 1, { step: 0.1 }),
    fine: int(16, 256, { log: true }),
    few: int(0, 10, { step: 5 }),
  };
  const axes = axesOf(space);

  test('put numbers before choices and leave out what cannot vary', () => {
    expect(axes.map((axis) => axis.name)).toEqual(['few', 'fine', 'grid', 'log', 'choice']);
  });

  test('take every snapped point to the space and back unchanged', () => {
    const random = randomStream(1, 'axes');
    for (let i = 0; i < 200; i++) {
      const x = axes.map((axis) => snap(axis, random.uniform() * 1.2 - 0.1 < 0 ? 0 : random.uniform()));
      const params = decode(space, axes, x);
      for (const [name, distribution] of Object.entries(space))
        expect(contains(distribution, params[name])).toBe(true);
      const back = encode(axes, params)!;
      for (let j = 0; j < x.length; j++) expect(back[j]!).toBeCloseTo(x[j]!, 12);
    }
  });

  test('refuse configurations of another space', () => {
    expect(encode(axes, { few: 0 })).toBeNull();
    expect(encode(axes, { few: 0, fine: 20, grid: 0.5, log: 0.1, choice: 'z' })).toBeNull();
    expect(encode(axes, { few: 0, fine: 'x', grid: 0.5, log: 0.1, choice: 'a' })).toBeNull();
    // A distance whose square overflows: the model would have no covariance.
    const far = { few: 0, fine: 20, grid: 0.5, log: 0.1, choice: 'a' };
    expect(encode(axes, far)).not.toBeNull();
    expect(encode(axes, { ...far, grid: 1e300 })).toBeNull();
  });

  test('priorMode has a length scale for every axis', () => {
    expect(priorMode(5)).toHaveLength(7);
  });
});
