import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../src/base/random.js';
import { float } from '../../src/tune/distributions.js';
import {
  crowdingDistances,
  dominates,
  dominationRanks,
  frontOf,
  hypervolume,
  type Losses,
} from '../../src/tune/pareto.js';
import { medianPruner } from '../../src/tune/pruners/index.js';
import { cmaesSampler } from '../../src/tune/samplers/cmaes.js';
import { randomSampler } from '../../src/tune/samplers/random.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { createStudy, loadStudy } from '../../src/tune/study.js';
import type { ParetoOptions } from '../../src/tune/studyTypes.js';
import { scratchFolder } from './scratch.js';

const fresh = scratchFolder();
const space = { x: float(0, 3) };
const options = {
  space,
  sampler: randomSampler(),
  directions: ['minimize', 'maximize'],
  metricNames: ['loss', 'speed'],
} as const satisfies ParetoOptions<typeof space>;

/** Random points on a grid, so that ties and equal points are among them. */
const randomPoints = (count: number, seed: number, objectives = 2): Losses[] => {
  const random = randomStream(seed, 'points');
  return Array.from({ length: count }, () =>
    Array.from({ length: objectives }, () => (random.int(20) === 0 ? Infinity : random.int(8))),
  );
};

describe('fronts', () => {
  test('ranks agree with removing the front again and again', () => {
    for (let seed = 0; seed < 60; seed++) {
      const points = randomPoints(1 + seed, seed, 2 + (seed % 2));
      const ranks = dominationRanks(points);
      let left = Array.from(points.keys());
      for (let rank = 0; left.length > 0; rank++) {
        const front = left.filter((i) => !left.some((j) => dominates(points[j]!, points[i]!)));
        expect(front.every((i) => ranks[i] === rank)).toBe(true);
        left = left.filter((i) => !front.includes(i));
      }
    }
  });

  test('ranks take few comparisons where every layer, or all of them together, are one point', () => {
    let comparisons = 0;
    const counted = (...losses: number[]): Losses =>
      new Proxy(losses, {
        get(target, key) {
          if (key === 'every') comparisons++;
          return Reflect.get(target, key);
        },
      });
    const places = Array.from({ length: 1000 }, (_, i) => (i * 37) % 1000);
    expect(dominationRanks(places.map((v) => counted(v, 0)))).toEqual(places);
    expect(dominationRanks(places.map(() => counted(1, 0)))).toEqual(places.map(() => 0));
    expect(comparisons).toBeLessThanOrEqual(1000 * 11);
  });

  test('the hypervolume is the number of grid cells that are dominated', () => {
    for (let seed = 0; seed < 40; seed++) {
      const points = randomPoints(seed, seed);
      let cells = 0;
      for (let a = 0; a < 7; a++)
        for (let b = 0; b < 6; b++) if (points.some(([p, q]) => p! <= a && q! <= b)) cells++;
      expect(hypervolume(points, [7, 6])).toBe(cells);
    }
  });

  test('each point of a front is listed once', () => {
    expect(
      frontOf([
        [2, 1],
        [1, 2],
        [2, 1],
        [3, 3],
        [1, 3],
      ]),
    ).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });

  test('crowding: the ends are infinitely far, the others by the distance of their neighbors', () => {
    expect(
      crowdingDistances([
        [0, 4],
        [1, 2],
        [4, 0],
      ]),
    ).toEqual([Infinity, 2, Infinity]);
    expect(
      crowdingDistances([
        [1, 1],
        [1, 1],
      ]),
    ).toEqual([0, 0]);
    expect(
      crowdingDistances([
        [0, Infinity],
        [1, Infinity],
        [3, 0],
      ])[1],
    ).not.toBeNaN();
    expect(crowdingDistances([])).toEqual([]);
  });
});

describe('a study of two objectives', () => {
  test('has a front in place of a best trial, the same after it was reopened', async () => {
    const storage = fresh('journal.log');
    const study = createStudy({ ...options, storage });
    await study.optimize(({ params }) => [params.x, Math.min(2, params.x)], { trials: 20 });
    const front = study.front();
    expect(front.length).toBeGreaterThan(1);
    const speeds = front.sort((a, b) => a.value! - b.value!).map((trial) => trial.values![1]!);
    expect(speeds).toEqual([...speeds].sort((a, b) => a - b));
    const [log] = readJournal(storage);
    expect(log!.directions).toEqual(['minimize', 'maximize']);
    expect(log!.systemAttrs['study:metric_names']).toEqual(['loss', 'speed']);
    expect(log!.trials.map(({ value, values }) => [value, values])).toEqual(
      study.trials.map(({ values }) => [values![0], values]),
    );
    const loaded = loadStudy({ storage, sampler: randomSampler() });
    expect(loaded.front().map((t) => t.number)).toEqual(study.front().map((t) => t.number));
    expect(() => loaded.best()).toThrow(/two; use front\(\)/);
    loaded.tell(loaded.ask(), [0, 1]);
    expect(loaded.trials.at(-1)!.values).toEqual([0, 1]);
  });

  test('a trial fails without two numbers; infinite ones count', () => {
    const study = createStudy({ ...options });
    const outcomes: unknown[] = [
      1,
      [1],
      [1, 2, 3],
      [1, Number.NaN],
      ['1', 2],
      [1, undefined],
      new Float32Array([1, 2]),
      [Infinity, -Infinity],
    ];
    for (const outcome of outcomes) study.tell(study.ask(), outcome as [number, number]);
    expect(study.trials.map(({ state }) => state)).toEqual([
      ...Array(6).fill('fail'),
      'complete',
      'complete',
    ]);
    expect(study.trials[0]!.userAttrs.fail_message).toMatch(/two numbers \(loss, speed\), got 1/);
    expect(study.front().map(({ number }) => number)).toEqual([6]);
  });

  test('constraints apply to it, to its objectives by name too', () => {
    const study = createStudy({ ...options, constraints: ['speed>=1', 'size<10'] });
    for (const values of [
      [0, 0],
      [1, 1],
      [2, 3],
    ] as const) {
      const trial = study.ask();
      trial.setUserAttr('size', values[0] * 6);
      study.tell(trial, values);
    }
    expect(study.trials.map(({ systemAttrs }) => systemAttrs.constraints)).toEqual([
      [1, -1],
      [0, -0.4],
      [-2, expect.closeTo(0.2)],
    ]);
    expect(study.front().map(({ number }) => number)).toEqual([1]);
  });

  test('what it cannot have is refused at the start', () => {
    expect(() => createStudy({ ...options, sampler: cmaesSampler() })).toThrow(
      /a sampler for two objectives \(.*\), got cmaes, which searches for one/,
    );
    const pruner = medianPruner();
    expect(() => createStudy({ ...options, pruner } as never)).toThrow(
      /no pruner with two objectives, got median/,
    );
    for (const directions of [
      [],
      ['minimize'],
      ['minimize', 'up'],
      ['minimize', 'minimize', 'minimize'],
      'minimize',
    ])
      expect(() => createStudy({ ...options, directions } as never)).toThrow(
        /directions to be two of minimize and maximize/,
      );
    expect(() => createStudy({ ...options, direction: 'minimize' } as never)).toThrow(
      /direction or directions, got both/,
    );
    for (const metricNames of [['a'], ['a', 'a'], ['a', 1], 'ab'])
      expect(() => createStudy({ ...options, metricNames } as never)).toThrow(
        /metricNames to be two different names/,
      );
    const study = createStudy({ ...options });
    expect(() => study.ask().report(1, 2)).toThrow(/one objective for intermediate values/);
  });

  test('is continued with the same directions and names only', () => {
    const storage = fresh('journal.log');
    createStudy({ ...options, storage });
    const again = (more: object) => () => createStudy({ ...options, storage, ...more } as never);
    expect(again({ directions: ['maximize', 'maximize'] })).toThrow(
      /its directions are minimize, maximize, this one's are maximize, maximize/,
    );
    expect(again({ metricNames: ['loss', 'memory'] })).toThrow(
      /its objectives are loss, speed, this one's are loss, memory/,
    );
    expect(again({ directions: undefined, metricNames: undefined })).toThrow(
      /it has 2 objectives, one is needed/,
    );
    const one = fresh('one.log');
    createStudy({ space, sampler: randomSampler(), storage: one });
    expect(() => createStudy({ ...options, storage: one })).toThrow(/it has 1 objective, two are needed/);
  });
});
