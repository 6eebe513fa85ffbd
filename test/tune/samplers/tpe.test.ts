import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../../src/base/random.js';
import { categorical, float, int, toUnit } from '../../../src/tune/distributions.js';
import { axesOf } from '../../../src/tune/samplers/axes.js';
import { randomSampler } from '../../../src/tune/samplers/random.js';
import { goodCount, split } from '../../../src/tune/samplers/tpe/groups.js';
import { logDensities, logMass, mixture, sample } from '../../../src/tune/samplers/tpe/mixture.js';
import { tpeSampler } from '../../../src/tune/samplers/tpe.js';
import type { Params, SearchSpace } from '../../../src/tune/types.js';
import { describeContract, memoryStudy } from './memoryStudy.js';

describeContract(tpeSampler);

const MIXED: SearchSpace = {
  rate: float(1e-4, 1, { log: true }),
  decay: float(0, 0.5),
  depth: int(2, 12),
  pattern: categorical(['SSSL', 'LLLL', 'SL']),
};
const bowl = (params: Params) =>
  ['rate', 'decay', 'depth'].reduce(
    (sum, name) => sum + (toUnit(MIXED[name]!, params[name]!) - 0.3) ** 2,
    0,
  ) + (params.pattern === 'SL' ? 0 : 0.2);

describe('what it asks', () => {
  test('trial 0 is the default configuration', () => {
    const study = memoryStudy(MIXED);
    expect(tpeSampler().ask(study, 0).params).toEqual(study.defaults);
  });

  test('finds the minimum of a mixed bowl, where random search of the same length does not come near', () => {
    const values = (make: typeof tpeSampler | typeof randomSampler) =>
      [1, 2, 3].map((seed) => memoryStudy(MIXED, { seed }).run(make(), 80, bowl).best());
    expect(Math.max(...values(tpeSampler))).toBeLessThan(Math.min(...values(randomSampler)));
  });

  test('maximizing f is minimizing -f', () => {
    const down = memoryStudy(MIXED).run(tpeSampler(), 30, bowl);
    const up = memoryStudy(MIXED, { direction: 'maximize' }).run(tpeSampler(), 30, (p) => -bowl(p));
    expect(up.trials.map((t) => t.params)).toEqual(down.trials.map((t) => t.params));
  });

  test('workers that ask at the same time get different points', () => {
    const study = memoryStudy(MIXED).run(tpeSampler(), 30, bowl);
    const asked = Array.from({ length: 6 }, () => study.start(tpeSampler()).params);
    expect(new Set(asked.map((params) => JSON.stringify(params))).size).toBe(6);
  });

  test('leaves a failing region, and learns from pruned trials', () => {
    const study = memoryStudy({ x: float(0, 1), y: float(0, 1) }, { defaults: { x: 0.9, y: 0.9 } });
    study.run(tpeSampler(), 80, ({ x, y }, number) => {
      const value = ((x as number) - 0.4) ** 2 + ((y as number) - 0.4) ** 2;
      if ((x as number) > 0.7) return 'fail';
      return number % 2 ? { reports: [[1, value]] } : value;
    });
    expect(study.trials.slice(40).filter((t) => t.state === 'fail').length).toBeLessThan(8);
    expect(study.best()).toBeLessThan(0.02);
  });

  test('options outside their range are refused', () => {
    expect(() => tpeSampler({ candidates: 0 })).toThrow('Expected candidates to be an integer >= 1, got 0');
    expect(() => tpeSampler({ startupTrials: 1.5 })).toThrow(
      'Expected startupTrials to be an integer >= 1, got 1.5',
    );
  });
});

describe('groups', () => {
  test('the best tenth counts as good, at most 25 trials', () => {
    expect([1, 10, 11, 100, 240, 1000].map(goodCount)).toEqual([1, 1, 2, 10, 24, 25]);
  });

  test('failures and running trials are never good; weights of the good fall with rank and have mean 1', () => {
    const point = (value: number) => Float64Array.of(value);
    const observations = Array.from({ length: 60 }, (_, i) => ({
      x: point(i),
      value: (i * 37) % 60,
      spread: 0,
    }));
    const { good, bad } = split({ observations, failures: [point(-1)], running: [point(-2)] });
    expect(good.points.map((x) => (x[0]! * 37) % 60)).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...good.weights].sort((a, b) => b - a)).toEqual(good.weights);
    expect(good.weights.reduce((a, b) => a + b) / 6).toBeCloseTo(1, 12);
    expect(bad.points.length).toBe(56);
    expect(bad.weights.slice(-27).every((w) => w === 1)).toBe(true);
    expect(bad.weights[0]!).toBeCloseTo(1 / 54, 12);
  });
});

describe('densities', () => {
  const random = randomStream(1, 'test/mixture');
  const space = { k: int(0, 6), l: int(1, 9, { log: true }), c: categorical(['a', 'b', 'c']) };
  const axes = axesOf(space);
  const points = Array.from({ length: 9 }, () =>
    Float64Array.from(axes, (axis) => axis.values[random.int(axis.values.length)]!),
  );
  const grid = axes[0]!.values.length * axes[1]!.values.length * axes[2]!.values.length;
  const every = Array.from({ length: grid }, (_, i) => {
    let rest = i;
    return Float64Array.from(axes, ({ values }) => {
      const value = values[rest % values.length]!;
      rest = Math.floor(rest / values.length);
      return value;
    });
  });

  test.each([0.01, 0.08, 0.5])('masses over a whole grid sum to 1 (narrowest kernel %d)', (narrowest) => {
    const m = mixture(
      axes,
      points,
      points.map(() => 1),
      narrowest,
    );
    const sum = logDensities(m, every).reduce((total, l) => total + Math.exp(l), 0);
    expect(sum).toBeCloseTo(1, 10); // rounding of a few hundred terms
  });

  test('draws are as frequent as their masses say', () => {
    const m = mixture(
      axes,
      points,
      points.map((_, i) => (i + 1) / 5),
      0.08,
    );
    const expected = logDensities(m, every);
    const counts = new Map<string, number>();
    const draws = 20_000;
    for (let i = 0; i < draws; i++) {
      const key = sample(m, random).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    every.forEach((point, i) => {
      const p = Math.exp(expected[i]!);
      const error = Math.abs((counts.get(point.join()) ?? 0) - draws * p);
      expect(error).toBeLessThan(6 * Math.sqrt(draws * p) + 6); // six standard deviations of the count
    });
  });

  test('a continuous density integrates to 1', () => {
    const line = axesOf({ x: float(-2, 2) });
    const m = mixture(
      line,
      [0.02, 0.5, 0.51, 1].map((x) => [x]),
      [1, 1, 1, 1],
      0.05,
    );
    const cells = 20_000;
    const middle = Array.from({ length: cells }, (_, i) => Float64Array.of((i + 0.5) / cells));
    const sum = logDensities(m, middle).reduce((total, l) => total + Math.exp(l) / cells, 0);
    expect(sum).toBeCloseTo(1, 6); // midpoint rule
  });

  test('log masses keep their digits far in both tails', () => {
    // ln(Phi(-10) - Phi(-11)) and ln Phi(-40), by SciPy's norm.logcdf; the tails are mirror images.
    expect(logMass(-11, -10)).toBeCloseTo(-53.23131, 4);
    expect(logMass(10, 11)).toBe(logMass(-11, -10));
    expect(logMass(-41, -40)).toBeCloseTo(-804.608442, 4);
    expect(logMass(-1, 1)).toBeCloseTo(Math.log(0.682689492137086), 12);
  });
});
