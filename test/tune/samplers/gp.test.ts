import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../../src/base/random.js';
import { categorical, contains, float, int, toUnit } from '../../../src/tune/distributions.js';
import { median } from '../../../src/tune/math/order.js';
import { cmaesSampler } from '../../../src/tune/samplers/cmaes.js';
import { gpSampler } from '../../../src/tune/samplers/gp.js';
import type { Params, SearchSpace, Trial } from '../../../src/tune/types.js';
import { best, optimize, study, trial } from './gpStudies.js';

const MIXED: SearchSpace = {
  rate: float(1e-4, 1, { log: true }),
  decay: float(0, 0.5),
  depth: int(2, 12),
  width: int(16, 1024, { log: true }),
  pattern: categorical(['SSSL', 'LLLL', 'SL']),
};

function bowl(params: Params): number {
  const u = (name: string) => toUnit(MIXED[name]!, params[name]!);
  const square =
    (u('rate') - 0.6) ** 2 + (u('decay') - 0.2) ** 2 + (u('depth') - 0.8) ** 2 + (u('width') - 0.3) ** 2;
  return square + (params.pattern === 'SL' ? 0 : 0.2);
}

describe('what the sampler asks', () => {
  test('begins with the default configuration, then the center of the ranges with the default choices', () => {
    const s = study(MIXED, []);
    expect(gpSampler().ask(s, 0).params).toEqual(s.defaults);
    const { rate, ...centre } = gpSampler().ask(s, 1).params;
    expect(centre).toEqual({ decay: 0.25, depth: 7, width: 126, pattern: s.defaults.pattern });
    expect(rate).toBeCloseTo(0.01, 12);
  });

  test('half of the startup points lie around the defaults while these are the best', () => {
    const space = Object.fromEntries(Array.from({ length: 12 }, (_, j) => [`x${j}`, float(0, 1)]));
    const defaults = Object.fromEntries(Object.keys(space).map((name) => [name, 0.3]));
    const distance = (first: number) => {
      const s = { ...study(space, []), defaults };
      const trials = optimize(gpSampler(), s, 10, (_, i) => (i === 0 ? first : 1));
      return trials.map(({ params }) => Math.hypot(...Object.values(params).map((x) => (x as number) - 0.3)));
    };
    // sqrt 12 x 0.15 = 0.52 around the defaults; sqrt(12 (1/12 + 0.04)) = 1.22 for points all over the space.
    for (const i of [2, 4, 6, 8]) expect(distance(0)[i]!).toBeLessThan(0.8);
    for (const i of [3, 5, 7, 9]) expect(distance(0)[i]!).toBeGreaterThan(0.8);
    for (const i of [2, 4, 6, 8]) expect(distance(2)[i]!).toBeGreaterThan(0.8);
  });

  test('skips the center where the defaults are close to it or it cannot run', () => {
    const space = { x: float(0, 1), y: float(0, 1) };
    const second = (x: number, canRun?: () => boolean) =>
      gpSampler().ask({ ...study(space, []), defaults: { x, y: 0.55 }, canRun }, 1).params;
    expect(second(0.9)).toEqual({ x: 0.5, y: 0.5 });
    expect(second(0.45)).not.toEqual({ x: 0.5, y: 0.5 });
    expect(second(0.9, () => false)).not.toEqual({ x: 0.5, y: 0.5 });
  });

  test('is inside the space, for random spaces and objectives with failures', () => {
    for (let seed = 0; seed < 6; seed++) {
      const random = randomStream(seed, 'spaces');
      const space: SearchSpace = { always: int(3, 3) };
      const count = 1 + random.int(6);
      for (let j = 0; j < count; j++)
        space[`p${j}`] = [
          () => float(-1, 3),
          () => float(1e-6, 10, { log: true }),
          () => float(0, 1, { step: 0.1 }),
          () => float(2, 2),
          () => int(-5, 5),
          () => int(0, 1000, { step: 25 }),
          () => int(1, 4096, { log: true }),
          () => categorical(['a', 2, true, null]),
        ][random.int(8)]!();
      const trials = optimize(gpSampler(), study(space, [], 'minimize', seed), 13, (_, i) =>
        random.uniform() < 0.25 ? null : i % 5 === 0 ? NaN : random.normal(),
      );
      for (const { params } of trials) {
        expect(Object.keys(params).sort()).toEqual(Object.keys(space).sort());
        for (const [name, d] of Object.entries(space)) expect(contains(d, params[name])).toBe(true);
      }
    }
  });

  test('depends on the seed and the trials alone, not on what the sampler saw before', () => {
    const trials = optimize(gpSampler(), study(MIXED, [], 'minimize', 'x'), 16, bowl);
    const again = optimize(gpSampler(), study(MIXED, [], 'minimize', 'x'), 16, bowl);
    expect(again.map((t) => t.params)).toEqual(trials.map((t) => t.params));
    const used = gpSampler();
    optimize(used, study(MIXED, [], 'minimize', 'y'), 12, (p) => -bowl(p));
    const s = study(MIXED, trials, 'minimize', 'x');
    expect(used.ask(s, 16)).toEqual(gpSampler().ask(s, 16));
    expect(gpSampler().ask({ ...s, seed: 'z' }, 16)).not.toEqual(gpSampler().ask(s, 16));
  });

  test('does not depend on the order of the parameters in the space', () => {
    const trials = optimize(gpSampler(), study(MIXED, []), 14, bowl);
    const turned = Object.fromEntries(Object.entries(MIXED).reverse());
    expect(gpSampler().ask(study(turned, trials), 14)).toEqual(gpSampler().ask(study(MIXED, trials), 14));
  });

  test('maximizing f is minimizing -f', () => {
    const up = optimize(gpSampler(), study(MIXED, [], 'maximize'), 16, (p) => -bowl(p));
    const down = optimize(gpSampler(), study(MIXED, []), 16, bowl);
    expect(up.map((t) => t.params)).toEqual(down.map((t) => t.params));
  });
});

describe('what it finds', () => {
  test('the minimum of a mixed bowl in 40 trials', () => {
    expect(best(optimize(gpSampler(), study(MIXED, []), 40, bowl))).toBeLessThan(0.004);
  });

  test('the minimum of one dimension', () => {
    const space = { x: float(-3, 3) };
    const found = best(
      optimize(
        gpSampler(),
        study(space, []),
        20,
        ({ x }) => Math.sin(3 * (x as number)) + 0.1 * (x as number) ** 2,
      ),
    );
    // sin 3x + x^2/10 has its minimum -0.97320 at x = -0.5120.
    expect(found).toBeLessThan(-0.972);
  });

  test('the best of 60 combinations of choices in fewer trials than there are combinations', () => {
    const space = {
      a: categorical([0, 1, 2, 3, 4]),
      b: categorical([0, 1, 2, 3]),
      c: categorical([0, 1, 2]),
    };
    const found = best(
      optimize(
        gpSampler(),
        study(space, []),
        25,
        ({ a, b, c }) => Math.abs((a as number) - 3) + Math.abs((b as number) - 1) + Number(c !== 2),
      ),
    );
    expect(found).toBe(0);
  });

  test('fresh points with every second ask, once nothing is left to gain among the choices it knows', () => {
    const space = { x: float(0, 1), y: float(0, 1), kind: categorical(['bowl', 'plateau']) };
    const random = randomStream(1, 'points');
    const trials = Array.from({ length: 80 }, (_, i) => {
      const [x, y, kind] = [random.uniform(), random.uniform(), i % 4 ? 'bowl' : 'plateau'];
      const exact = kind === 'bowl' ? (x - 0.3) ** 2 + (y - 0.6) ** 2 : 1;
      return trial(i, { x, y, kind }, exact + 0.01 * random.normal());
    });
    trials[1]!.params = { x: 0.3, y: 0.6, kind: 'bowl' };
    trials[1]!.value = -0.04;
    const fresh = (number: number) => gpSampler({ startupTrials: 1000 }).ask(study(space, trials), number);
    expect(gpSampler().ask(study(space, trials), 80)).toEqual(fresh(80));
    expect(gpSampler().ask(study(space, trials), 81)).not.toEqual(fresh(81));
  });

  test('CMA-ES with every second ask, once nothing is left to gain among numbers', () => {
    const space = { x: float(0, 1), y: float(0, 1) };
    const random = randomStream(1, 'points');
    const trials = Array.from({ length: 80 }, (_, i) => {
      const [x, y] = [random.uniform(), random.uniform()];
      return trial(i, { x, y }, (x - 0.3) ** 2 + (y - 0.6) ** 2 + 0.01 * random.normal());
    });
    trials[1]!.params = { x: 0.3, y: 0.6 };
    trials[1]!.value = -0.06;
    const evolved = (number: number) => cmaesSampler().ask(study(space, trials), number);
    expect(gpSampler().ask(study(space, trials), 80)).toEqual(evolved(80));
    expect(gpSampler().ask(study(space, trials), 81)).not.toEqual(evolved(81));
    trials[1]!.value = 0;
    expect(gpSampler().ask(study(space, trials), 80)).not.toEqual(evolved(80));
  });

  const edge = (objective: (x: number, y: number) => number, seed = 1) => {
    const space = { x: float(0, 1), y: float(0, 1) };
    return optimize(gpSampler(), study(space, [], 'minimize', seed), 40, ({ x, y }) =>
      (x as number) + (y as number) > 1.2 ? null : objective(x as number, y as number),
    );
  };

  test('finds a minimum at the edge of a failing region', () => {
    // The unreachable minimum is (0.3 / sqrt 2)^2 = 0.045 away from the edge.
    expect(best(edge((x, y) => (0.9 - x) ** 2 + (0.6 - y) ** 2))).toBeLessThan(0.06);
  });

  test('finds a minimum away from a failing region, and rarely samples that region', () => {
    const failures = [1, 2, 3, 4, 5].map((seed) => {
      const trials = edge((x, y) => (0.3 - x) ** 2 + (0.5 - y) ** 2, seed);
      expect(best(trials)).toBeLessThan(1e-3);
      return trials.slice(15).filter((t) => t.state === 'fail').length;
    });
    expect(median(failures)).toBeLessThan(6);
  });

  test('avoids the region of pruned trials', () => {
    const space = { x: float(0, 1), y: float(0, 1) };
    const f = (p: Params) => (p.x as number) + (p.y as number);
    const points = Array.from({ length: 12 }, (_, i) => ({ x: ((i * 5) % 12) / 12, y: i / 12 }));
    const trials = points.map((params, i): Trial => {
      const intermediate = new Map([[1, f(params) + 1]]);
      if (f(params) < 0.9) return { ...trial(i, params, f(params)), intermediate };
      return { ...trial(i, params, null), state: 'pruned', intermediate };
    });
    const { params } = gpSampler().ask(study(space, trials), 12);
    expect(f(params)).toBeLessThan(0.4);
  });
});

describe('what must not stop it', () => {
  const ask = (trials: Trial[], space = MIXED) =>
    gpSampler({ startupTrials: 1 }).ask(study(space, trials), trials.length).params;
  const inSpace = (params: Params) => Object.entries(MIXED).every(([name, d]) => contains(d, params[name]));
  const points = optimize(gpSampler({ startupTrials: 100 }), study(MIXED, []), 24, bowl);

  test.each<[string, Trial[]]>([
    ['a single trial', points.slice(0, 1)],
    ['constant values', points.map((t) => ({ ...t, value: 7 }))],
    ['one configuration many times', points.map((t, i) => ({ ...t, params: points[0]!.params, value: i }))],
    ['nothing but failures', points.map((t) => ({ ...t, state: 'fail' as const, value: null }))],
    [
      'NaN and infinite values',
      points.map((t, i) => ({ ...t, value: [NaN, Infinity, -Infinity, t.value!][i % 4]! })),
    ],
    ['values over 300 orders of magnitude', points.map((t, i) => ({ ...t, value: 10 ** (13 * i - 150) }))],
    [
      'running and waiting trials',
      points.map((t, i) => ({ ...t, state: (['running', 'waiting', 'complete'] as const)[i % 3]! })),
    ],
    ['trials of another space', points.map((t) => ({ ...t, params: { other: 1 } }))],
    ['pruned trials without a report', points.map((t) => ({ ...t, state: 'pruned' as const, value: null }))],
  ])('%s', (_, trials) => {
    expect(inSpace(ask(trials))).toBe(true);
  });

  test('nothing to vary', () => {
    const fixed = { a: int(3, 3), b: categorical(['x']) };
    expect(ask([trial(0, { a: 3, b: 'x' }, 1)], fixed)).toEqual({ a: 3, b: 'x' });
  });

  test('every point of a small space known', () => {
    const space = { a: categorical(['x', 'y']) };
    const trials = [trial(0, { a: 'x' }, 1), trial(1, { a: 'y' }, 2), trial(2, { a: 'x' }, 1.1)];
    expect(['x', 'y']).toContain(ask(trials, space).a);
  });

  test('500 trials', () => {
    const random = randomStream(1, 'many');
    const space = { x: float(0, 1), y: float(0, 1) };
    const many = Array.from({ length: 500 }, (_, i) => {
      const params = { x: random.uniform(), y: random.uniform() };
      return trial(i, params, (params.x - 0.3) ** 2 + (params.y - 0.7) ** 2 + 0.01 * random.normal());
    });
    const { x, y } = gpSampler().ask(study(space, many), 500).params;
    expect(Math.hypot((x as number) - 0.3, (y as number) - 0.7)).toBeLessThan(0.2);
  });

  test('a startup of no trials is refused', () => {
    expect(() => gpSampler({ startupTrials: 0 })).toThrow(
      'Expected startupTrials to be an integer >= 1, got 0',
    );
  });

  test('many workers asking at once get different points', () => {
    const trials = points.slice();
    const sampler = gpSampler();
    const asked = new Set<string>();
    for (let i = 0; i < 6; i++) {
      const { params } = sampler.ask(study(MIXED, trials), trials.length);
      asked.add(JSON.stringify(params));
      trials.push({ ...trial(trials.length, params, null), state: 'running' });
    }
    expect(asked.size).toBe(6);
  });
});
