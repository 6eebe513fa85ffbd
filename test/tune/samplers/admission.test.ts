// What samplers never propose: configurations that cannot run, and in finite spaces those that were tried.

import { describe, expect, test } from '@jest/globals';
import { categorical, float, int } from '../../../src/tune/distributions.js';
import { admittedDraws, configurations } from '../../../src/tune/samplers/admission.js';
import { samplerByName, samplerNames } from '../../../src/tune/samplers/index.js';
import { createStudy } from '../../../src/tune/study.js';
import type { Params, SearchSpace } from '../../../src/tune/types.js';
import { expectInSpace, memoryStudy } from './memoryStudy.js';

const keys = (trials: readonly { params: Params }[]) =>
  new Set(trials.map(({ params }) => JSON.stringify(Object.entries(params).sort())));

describe.each(samplerNames)('%s', (name) => {
  const make = () => samplerByName(name);

  const sizes: SearchSpace = {
    depth: int(1, 24),
    width: int(128, 2048, { step: 128 }),
    batch: int(0, 8),
    pattern: categorical(['S', 'L']),
    rate: float(1e-4, 1, { log: true }),
  };
  const n = (params: Params, key: string) => params[key] as number;
  // 13% of the box fits.
  const fits = (params: Params) => n(params, 'depth') * n(params, 'width') * 2 ** n(params, 'batch') < 2e5;
  const loss = (params: Params) =>
    1 / (n(params, 'depth') * n(params, 'width')) + (Math.log10(n(params, 'rate')) + 2) ** 2 / 100;

  test('proposes only configurations that can run', () => {
    for (const seed of [1, 2]) {
      const defaults = { depth: 4, width: 256, batch: 2, pattern: 'S', rate: 0.01 };
      const study = Object.assign(memoryStudy(sizes, { seed, defaults }), { canRun: fits });
      study.runParallel(make(), 40, 3, loss);
      expect(study.trials.filter(({ params }) => !fits(params))).toEqual([]);
      expect(keys(study.trials).size).toBe(40);
    }
  });

  test('moves towards the defaults where hardly anything can run', () => {
    const space = { x: float(0, 1), y: float(0, 1), z: float(0, 1) };
    const near = (params: Params) => Object.values(params).every((v) => Math.abs((v as number) - 0.7) < 0.01);
    const study = Object.assign(memoryStudy(space, { defaults: { x: 0.7, y: 0.7, z: 0.7 } }), {
      canRun: near,
    });
    study.run(make(), 12, () => 1);
    expect(study.trials.every(({ params }) => near(params))).toBe(true);
  });

  test('a study records no infeasible trials where samplers can avoid them', async () => {
    const study = createStudy({
      space: { a: int(1, 64), b: float(0, 1) },
      defaults: { a: 2 },
      sampler: make(),
      check: ({ a }) => (a < 16 ? null : { reason: 'memory', detail: `${a}` }),
    });
    await study.optimize(({ params }) => params.a + params.b, { trials: 25 });
    expect(study.trials).toHaveLength(25);
    expect(study.trials.every(({ state }) => state === 'complete')).toBe(true);
  });

  const tiny: SearchSpace = {
    depth: int(2, 4),
    pattern: categorical(['S', 'L']),
    on: categorical([true, false]),
  };

  test.each([
    ['a lone integer', { depth: int(1, 9) }],
    ['a lone choice', { pattern: categorical(['a', 'b', 'c']) }],
    ['a single value', { depth: int(3, 3) }],
    ['a grid of floats', { rate: float(0, 1, { step: 0.25 }), on: categorical([true, false]) }],
    ['a few choices', tiny],
    ['a log integer', { batch: int(1, 12, { log: true }) }],
  ] as [string, SearchSpace][])('tries every configuration of %s once, then says so', (_, space) => {
    const count = configurations(space);
    const study = memoryStudy(space);
    for (let i = 0; i < count; i++) {
      expect(make().ask(study, study.trials.length).exhausted).toBeUndefined();
      study.run(make(), 1, (_, number) => number);
    }
    expect(keys(study.trials).size).toBe(count);
    const after = make().ask(study, count);
    expect(after.exhausted).toBe(true);
    expectInSpace(space, after.params);
  });

  test('a study of a finite space ends when every configuration was tried; ask still works', async () => {
    const study = createStudy({ space: tiny, sampler: make() });
    const result = await study.optimize(() => 1, { trials: 100 });
    expect(result).toMatchObject({ trials: 12, stopped: 'exhausted' });
    expect(study.askWithin(100)).toBeNull();
    expect(await study.optimize(() => 1, { trials: 12 })).toMatchObject({ trials: 0, stopped: 'trials' });
    study.tell(study.ask(), 1);
    expect(study.trials).toHaveLength(13);
  });

  test('configurations that cannot run or were interrupted do not count as tried', () => {
    const study = Object.assign(memoryStudy(tiny, { defaults: { depth: 2, pattern: 'S', on: true } }), {
      canRun: ({ depth }: Params) => (depth as number) < 4,
    });
    study.run(make(), 8, () => 1);
    expect(keys(study.trials).size).toBe(8);
    expect(make().ask(study, 8).exhausted).toBe(true);
    study.trials[5]!.state = 'fail';
    study.trials[5]!.userAttrs = { fail_reason: 'interrupted' };
    expect(make().ask(study, 8)).toMatchObject({ params: study.trials[5]!.params });
    expect(make().ask(study, 8).exhausted).toBeUndefined();
  });

  test('does not repeat itself in a space of a few thousand choices', () => {
    const space = Object.fromEntries(
      Array.from({ length: 6 }, (_, i) => [`c${i}`, categorical(['a', 'b', 'c', 'd', 'e'])]),
    );
    const study = memoryStudy(space).run(make(), 80, (params) =>
      Object.values(params).reduce<number>((sum, v, i) => sum + Number(v !== 'abcde'[i % 5]), 0),
    );
    expect(keys(study.trials).size).toBe(80);
  });
});

test('refused draws are replaced, and at least one draw is left', () => {
  let i = 0;
  expect(
    admittedDraws(
      3,
      () => i++,
      (x) => x % 2 === 1,
    ),
  ).toEqual([1, 3, 5]);
  i = 0;
  expect(
    admittedDraws(
      3,
      () => i++,
      (x) => x === 20,
    ),
  ).toEqual([20]);
  i = 0;
  expect(
    admittedDraws(
      3,
      () => i++,
      () => false,
    ),
  ).toEqual([23]);
});
