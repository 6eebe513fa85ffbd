// Samplers without a study, and studies typed by their space. Code that must not compile is marked.

import { describe, expect, test } from '@jest/globals';
import {
  askTell,
  bestTrial,
  type Choice,
  categorical,
  cmaesSampler,
  createStudy,
  float,
  int,
  type Params,
  randomSampler,
  type SearchSpace,
  samplerByName,
  samplerNames,
} from '../../src/tuning.js';

const space = { x: float(-5, 5), n: int(1, 4), kind: categorical(['a', 'b', null]) };

describe('a sampler without a study', () => {
  test.each(samplerNames)('%s proposes within the space and learns from reported values', (name) => {
    const search = askTell(samplerByName(name), { space, seed: 3 });
    for (let i = 0; i < 40; i++) {
      const { number, params } = search.ask();
      const value: number = params.x ** 2 + params.n + (params.kind === 'a' ? 0 : 1);
      search.tell(number, i % 9 === 8 ? Number.NaN : value);
    }
    expect(search.trials.filter((trial) => trial.state === 'fail')).toHaveLength(4);
    const best = search.best()!;
    expect(best).toBe(bestTrial(search.trials, 'minimize'));
    expect(best.value).toBeLessThan(name === 'random' ? 8 : 3);
  });

  test('proposes the same for the same seed, several at a time', () => {
    const run = () => {
      const search = askTell(cmaesSampler(), { space, direction: 'maximize', seed: 'night' });
      for (let i = 0; i < 8; i++) {
        const open = [search.ask(), search.ask()];
        search.tell(open[1]!, open[1]!.params.n);
        search.tell(open[0]!, -Infinity);
      }
      return search.trials.map(({ params, value }) => ({ params, value }));
    };
    expect(run()).toEqual(run());
  });

  test('takes one value per proposal', () => {
    const search = askTell(randomSampler(), { space });
    search.tell(search.ask(), 1);
    expect(() => search.tell(0, 2)).toThrow('Expected the number of a proposal without a value, got 0');
    expect(() => search.tell(1, 2)).toThrow('got 1');
    search.tell(search.ask(), null as never);
    expect(search.trials[1]!.state).toBe('fail');
    search.tell(search.ask(), new Float32Array([2]) as never);
    expect(search.trials[2]!.value).toBe(2);
    expect(search.best()!.value).toBe(1);
  });
});

describe('types', () => {
  test('parameters have the types of their space', async () => {
    const study = createStudy({ space, defaults: { kind: 'b' }, sampler: randomSampler() });
    const trial = study.ask();
    const { x, n, kind }: { x: number; n: number; kind: 'a' | 'b' | null } = trial.params;
    study.tell(trial, x + n + (kind === null ? 1 : 0));
    const best: number | undefined = study.best()?.value;
    const bestKind: 'a' | 'b' | null | undefined = study.best()?.params.kind;
    expect([best !== undefined, bestKind]).toEqual([true, 'b']);
    study.enqueue({ kind: 'a' });
    await study.optimize(({ params }) => params.x * params.n, { trials: 3 });
    // @ts-expect-error: no such choice
    expect(() => study.enqueue({ kind: 'c' })).toThrow('kind');
    // @ts-expect-error: no such parameter
    expect(study.trials[0]?.params.depth).toBeUndefined();
    // @ts-expect-error: a default outside the choices
    expect(() => createStudy({ space, defaults: { kind: 'c' }, sampler: randomSampler() })).toThrow('kind');
  });

  test('parameters of a space loaded at run time have any type', () => {
    const loaded: SearchSpace = space;
    const study = createStudy({ space: loaded, sampler: randomSampler() });
    const params: Params = study.ask().params;
    const value: Choice | undefined = params.kind;
    expect(value).toBe('a');
  });
});
