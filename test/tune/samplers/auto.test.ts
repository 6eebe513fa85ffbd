// The sampler that chooses among the others.

import { describe, expect, test } from '@jest/globals';
import { categorical, float, int } from '../../../src/tune/distributions.js';
import { autoSampler, samplerFor } from '../../../src/tune/samplers/auto.js';
import { cmaesSampler } from '../../../src/tune/samplers/cmaes.js';
import { gpSampler } from '../../../src/tune/samplers/gp.js';
import { randomSampler } from '../../../src/tune/samplers/random.js';
import type { SearchSpace } from '../../../src/tune/types.js';
import { memoryStudy } from './memoryStudy.js';

const MIXED: SearchSpace = { x: float(0, 1), n: int(1, 9), kind: categorical(['a', 'b']) };
const studyOf = (space: SearchSpace, trials: number) =>
  memoryStudy(space).run(randomSampler(), trials, (_, number) => number);

describe('auto chooses', () => {
  test('gp, and cmaes after 150 trials that have ended', () => {
    const study = studyOf(MIXED, 150);
    expect(samplerFor({ ...study, trials: study.trials.slice(0, 149) })).toBe('gp');
    expect(samplerFor(study)).toBe('cmaes');
    study.trials[7]!.state = 'running';
    expect(samplerFor(study)).toBe('gp');
  });

  test('gp however many trials there are, where parameters are conditional or trials have constraints', () => {
    const conditional = { ...MIXED, momentum: float(0, 1, { when: { kind: 'a' } }) };
    expect(samplerFor(studyOf(conditional, 160))).toBe('gp');
    const study = studyOf(MIXED, 160);
    study.trials[3]!.systemAttrs.constraints = [-1];
    expect(samplerFor(study)).toBe('gp');
  });

  test('cmaes for choices alone', () => {
    expect(samplerFor(studyOf({ a: categorical([1, 2]), b: categorical(['x', 'y', 'z']) }, 2))).toBe('cmaes');
  });

  test('gp for two objectives, and nsga2 after 250 trials', () => {
    const study = { ...studyOf(MIXED, 260), directions: ['minimize', 'maximize'] as const };
    expect(samplerFor({ ...study, trials: study.trials.slice(0, 249) })).toBe('gp');
    expect(samplerFor(study)).toBe('nsga2');
  });
});

test('auto proposes what the chosen sampler does, and says which', () => {
  for (const [trials, name, chosen] of [
    [12, 'gp', gpSampler()],
    [155, 'cmaes', cmaesSampler()],
  ] as const) {
    const study = studyOf(MIXED, trials);
    const { params, systemAttrs } = autoSampler().ask(study, trials);
    expect(params).toEqual(chosen.ask(study, trials).params);
    expect(systemAttrs).toMatchObject({ 'auto:sampler': name });
  }
});

test('cmaes goes on near the best trials of gp', () => {
  const space: SearchSpace = { x: float(0, 1), y: float(0, 1), z: float(0, 1) };
  const bowl = ({ x, y, z }: Record<string, unknown>) =>
    ((x as number) - 0.7) ** 2 + ((y as number) - 0.2) ** 2 + ((z as number) - 0.5) ** 2;
  const study = studyOf(space, 0);
  study.run(randomSampler(), 150, bowl);
  const sampler = autoSampler();
  for (let i = 0; i < 30; i++) study.finish(study.start(sampler), bowl(study.trials.at(-1)!.params));
  const before = Math.min(...study.trials.slice(0, 150).map(({ value }) => value!));
  expect(study.best()).toBeLessThan(0.5 * before);
});
