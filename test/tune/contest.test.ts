import { describe, expect, test } from '@jest/globals';
import { contestOption, contestText } from '../../src/report/contest.js';
import { bestTrial, improvements } from '../../src/tune/best.js';
import { contestTable, meanInterval, type Race, spread, winnerOf } from '../../src/tune/contest.js';
import { clockOf, pairedTests, smallestP, timeToReach } from '../../src/tune/contestStatistics.js';
import { median } from '../../src/tune/math/order.js';
import { makeTrial, TRIALS } from '../report/trials.js';

const race = (sampler: string, seed: number, values: number[]): Race => ({
  sampler,
  seed,
  trials: values.map((value, i) => makeTrial(i, 'complete', value)),
});

describe('a contest', () => {
  const races = [
    race('gp', 1, [3, 1]),
    race('gp', 2, [3, 2]),
    race('random', 1, [3, 2.5]),
    race('random', 2, [3, 2.7]),
  ];

  test('ranks samplers by the median of their best', () => {
    const table = contestTable(races, [3, 3.2], new Map([['gp', [1.4, 1.6]]]), { reference: 2.6 });
    expect(table.standings.map((row) => [row.sampler, row.best, row.median, row.runs])).toEqual([
      ['gp', [1, 2], 1.5, 4],
      ['random', [2.5, 2.7], 2.6, 4],
    ]);
    expect(table.standings.map((row) => row.betterThanReference)).toEqual([2, 1]);
    expect(table.standings[0]!.improvementPercent).toBeCloseTo((100 * 1.6) / 3.1, 10);
    expect(table.standings[0]!.winner).toMatchObject({ seed: 1, number: 1, value: 1, again: [1.4, 1.6] });
    expect(contestText(table)).toMatch(/gp +1\.0000 +1\.5000 +0\.5000/); // what selection made too good
  });

  test('counts complete, pruned and failed trials, but not infeasible or running ones', () => {
    const trials = [
      makeTrial(0, 'complete', 1),
      makeTrial(1, 'pruned', 2),
      makeTrial(2, 'fail', null),
      makeTrial(3, 'fail', null, { userAttrs: { fail_reason: 'infeasible' } }),
      makeTrial(4, 'running', null),
    ];
    const { standings } = contestTable([{ sampler: 'gp', seed: 1, trials }], [1], new Map());
    expect(standings[0]).toMatchObject({ runs: 3, failed: 1 });
  });

  test('lists a sampler without a finished trial', () => {
    const table = contestTable([{ sampler: 'gp', seed: 1, trials: [] }], [], new Map());
    expect(table.standings[0]).toMatchObject({ best: [], winner: null, interval: null });
    expect(contestText(table)).toContain('gp');
  });
});

test('trials that violate a constraint win nothing: no race, no level, no plot', () => {
  const beyond = { systemAttrs: { constraints: [0.5] } };
  const trials = [makeTrial(0, 'complete', 3), makeTrial(1, 'complete', 1, beyond)];
  const races: Race[] = [
    { sampler: 'gp', seed: 1, trials },
    { sampler: 'tpe', seed: 1, trials: [makeTrial(0, 'complete', 1, beyond)] },
  ];
  const table = contestTable(races, [3], new Map(), { reference: 2 });
  expect(table.standings.map(({ sampler, best }) => [sampler, best])).toEqual([
    ['gp', [3]],
    ['tpe', [Infinity]],
  ]);
  expect(table.standings[0]).toMatchObject({ betterThanReference: 0, winner: { value: 3 } });
  expect(timeToReach(races.slice(0, 1), 2, 'minimize').races).toBe(0);
  expect(JSON.stringify(contestOption(races, table).series)).not.toMatch(/,1(\.0*)?\]/);
});

test('the plot follows the region in which samplers differ, and says where the defaults are beyond it', () => {
  const values = [100, 9, 4, 3, 3, 3, 3, 3];
  const races = ['gp', 'tpe'].map((sampler, i) =>
    race(
      sampler,
      1,
      values.map((value) => value + i),
    ),
  );
  const { yAxis, series } = contestOption(races, contestTable(races, [100, 102], new Map()));
  expect(yAxis).toMatchObject({ min: expect.closeTo(3 - 0.56), max: expect.closeTo(10 + 0.56) });
  expect(JSON.stringify(series)).toContain('defaults 101.0000, above the axis');
  const steady = races.map((each) => ({ ...each, trials: each.trials.slice(2) }));
  expect(JSON.stringify(contestOption(steady, contestTable(steady, [4], new Map())).series)).toContain(
    '"name":"defaults"',
  );
});

test.each([
  [3, 'Seconds'],
  [300, 'Minutes'],
  [9000, 'Hours'],
])('a race of %d s is drawn in %s', (seconds, unit) => {
  const trials = [0.5, 1].map((part, i) =>
    makeTrial(i, 'complete', 2 - i, { start: 0, end: 1000 * seconds * part }),
  );
  const races = [{ sampler: 'gp', seed: 1, trials }];
  const { xAxis } = contestOption(races, contestTable(races, [2], new Map()), { axis: 'hours' });
  expect(xAxis).toMatchObject({ name: `${unit}, asking included` });
});

test.each([
  [27, undefined, '$27.00'],
  [0.002, undefined, '$0.0020'],
  [0, undefined, '$0.00'],
  [1.5, 2, '> $1.50'],
  [0, 3, 'unknown'],
])('a cost of %d, unknown for %p calls, is shown as %s', (costUsd, unknownCost, shown) => {
  const llm: Race = { ...race('llm', 1, [1, 2]), costUsd, ...(unknownCost && { unknownCost }) };
  const text = contestText(contestTable([llm], [2, 3], new Map()));
  const last = text.split('\n').findLast((line) => line.startsWith('llm'))!;
  expect(last.endsWith(`  ${shown}`)).toBe(true);
});

test('infinite values are values: the best, its improvements and the medians of a contest', () => {
  const trials = [2, Infinity, 1, -Infinity, 0, -Infinity].map((value, i) => makeTrial(i, 'complete', value));
  expect(bestTrial(trials, 'minimize')!.number).toBe(3);
  expect(bestTrial(trials, 'maximize')!.number).toBe(1);
  expect(improvements(trials, 'minimize').map(({ number }) => number)).toEqual([0, 2, 3]);
  const races = [{ sampler: 'gp', seed: 1, trials }, race('random', 1, [3, Infinity])];
  const table = contestTable(races, [2, 3], new Map([['gp', [1, Infinity]]]), { reference: 1 });
  expect(table.standings.map((row) => [row.sampler, row.median, row.betterThanReference])).toEqual([
    ['gp', -Infinity, 3],
    ['random', 3, 0],
  ]);
  expect(table.standings[0]!.winner).toMatchObject({ number: 3, value: -Infinity });
  const text = contestText(table);
  expect(text).toMatch(/^gp +-Infinity +-Infinity +- +- +6 +0 +3$/m); // an improvement in percent is not known
  expect(text).not.toContain('NaN');
  const option = contestOption(races, table);
  expect(JSON.stringify(option)).not.toMatch(/null|NaN/);
});

test('a contest that maximizes plots its running maximum', () => {
  const races = [race('gp', 1, [2, 3, 1])];
  const table = contestTable(races, [2, 3], new Map(), { direction: 'maximize', reference: 2.5 });
  const { series } = contestOption(races, table) as { series: { data?: unknown[] }[] };
  expect(JSON.stringify(series[0]!.data)).toBe('[[0,2],[1,3],[2,3]]');
  expect(contestText(table)).toContain('> 2.5');
});

test('improvements are complete trials better than all before', () => {
  expect(improvements(TRIALS, 'minimize').map(({ number }) => number)).toEqual([0, 3, 7]);
  expect(improvements(TRIALS, 'maximize').map(({ number }) => number)).toEqual([0, 1, 6]);
  expect(improvements([], 'minimize')).toEqual([]);
});

test('the winner of equal values is the first', () => {
  expect(winnerOf([race('gp', 1, [2, 1]), race('gp', 2, [1])], 'minimize', [])).toMatchObject({
    seed: 1,
    number: 1,
  });
});

test('median, spread and 95% interval match the textbook formulas', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(spread([1, 2, 3])).toEqual({ mean: 2, deviation: 1, values: [1, 2, 3] });
  expect(spread([1, Infinity]).deviation).toBeNull();
  const [low, high] = meanInterval([1, 2, 3])!;
  expect(high - 2).toBeCloseTo(4.303 / Math.sqrt(3), 6);
  expect(2 - low).toBeCloseTo(4.303 / Math.sqrt(3), 6);
  expect(meanInterval([1])).toBeNull();
  expect(meanInterval([1, 2])).toBeNull(); // t = 12.7: next to nothing is known
  expect(meanInterval([1, 2, Infinity])).toBeNull();
});

test('the 95% interval of many values is that of their degrees of freedom', () => {
  // scipy.stats.t.ppf(0.975, n - 1)
  for (const [n, t] of [
    [31, 2.042272],
    [32, 2.039513],
    [41, 2.021075],
    [101, 1.983972],
    [1001, 1.962339],
  ] as const) {
    const values = Array.from({ length: n }, (_, i) => i);
    const { mean, deviation } = spread(values);
    const [low, high] = meanInterval(values)!;
    expect(((high - mean) * Math.sqrt(n)) / deviation!).toBeCloseTo(t, 3);
    expect(high - mean).toBeCloseTo(mean - low, 9);
  }
});

test('a small p is not shown as zero', () => {
  const seeds = Array.from({ length: 20 }, (_, i) => i + 1);
  const races = seeds.flatMap((seed) => [
    race('gp', seed, [seed]),
    race('random', seed, [seed + seed / 100]),
  ]);
  // 2 / 2^20
  expect(contestText(contestTable(races, [30], new Map()))).toMatch(
    /gp +random +20 +0\.1050 +1\.91e-6 +1\.91e-6/,
  );
});

describe('the statistics of a contest', () => {
  const best = (values: number[]) => new Map(values.map((value, seed) => [seed, value]));

  test('paired tests are exact, two-sided and corrected for all pairs', () => {
    const tests = pairedTests(
      new Map([
        ['a', best([1, 2, 3, 4, 5, 6])],
        ['b', best([1.5, 2.4, 3.3, 4.2, 5.1, 6.6])],
        ['c', best([1.1, 1.8, 3.3, 3.6, 5.5, 5.4])],
      ]),
      'minimize',
    );
    expect(tests.map(({ samplers, pairs }) => [...samplers, pairs])).toEqual([
      ['a', 'b', 6],
      ['c', 'a', 6],
      ['c', 'b', 6],
    ]);
    // All six differences favor a: 2 / 2^6. Three tests: Holm multiplies the smallest by three.
    expect(tests[0]!.p).toBeCloseTo(2 / 64, 12);
    expect(tests[0]!.corrected).toBeCloseTo(6 / 64, 12);
    for (const { p, corrected } of tests) expect(corrected).toBeGreaterThanOrEqual(p);
    expect(smallestP(3)).toBe(0.25);
  });

  test('seeds that only one of two samplers has do not count, nor do infinite differences', () => {
    const values = new Map([
      [
        'a',
        new Map([
          [1, 1],
          [2, 2],
          [3, Infinity],
        ]),
      ],
      [
        'b',
        new Map([
          [2, 3],
          [3, 1],
          [4, 1],
        ]),
      ],
    ]);
    expect(pairedTests(values, 'minimize')).toEqual([]);
  });

  const worker = { systemAttrs: { 'tinygpt:worker': { pid: 1 } } };
  const timed = (i: number, start: number, end: number, more = {}) =>
    makeTrial(i, 'complete', 10 - i, { start: start * 1000, end: end * 1000, ...worker, ...more });

  test('time counts what asking took, and no pause between processes', () => {
    const trials = [
      timed(0, 100, 110),
      timed(1, 112, 120, { state: 'fail', value: null }),
      timed(2, 9000, 9010, { systemAttrs: { 'tinygpt:worker': { pid: 2 } } }),
    ];
    expect(clockOf(trials)).toEqual({ ends: [10, 20, 30], asking: 2, failing: 8, total: 30 });
  });

  test('the median by hours never gets worse when a slower race joins', () => {
    const races: Race[] = [10, 20, 500].map((seconds, i) => ({
      sampler: 'gp',
      seed: i,
      trials: [timed(0, 0, seconds, { value: 3 }), timed(1, seconds, 2 * seconds, { value: 1 + i })],
    }));
    const option = contestOption(races, contestTable(races, [3], new Map()), { axis: 'hours' });
    const median = (option.series as { name?: string; data: [number, number][] }[]).find(
      ({ name }) => name === 'gp',
    )!;
    const values = median.data.map(([, value]) => value);
    expect(values).toEqual([...values].sort((a, b) => b - a));
    expect(values.length).toBeGreaterThan(1);
  });

  test('time to a value is the median over races, if half of them reach it', () => {
    const races: Race[] = [1, 2, 3].map((seed) => ({
      sampler: 'gp',
      seed,
      trials: [timed(0, 0, 10), timed(1, 10, 10 + 10 * seed, seed === 3 ? { value: 9.5 } : {})],
    }));
    expect(timeToReach(races, 9, 'minimize')).toEqual({ seconds: 30, trials: 2, races: 2 });
    expect(timeToReach(races, 8, 'minimize')).toEqual({ seconds: null, trials: null, races: 0 });
    expect(timeToReach(races.slice(1), 9, 'minimize')).toEqual({ seconds: 30, trials: 2, races: 1 });
  });
});
