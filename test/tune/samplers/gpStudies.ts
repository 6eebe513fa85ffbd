// Studies in memory for the tests of the Gaussian-process sampler.

import { randomStream } from '../../../src/base/random.js';
import { sampleUniform } from '../../../src/tune/distributions.js';
import type { Direction, Params, Sampler, SearchSpace, StudyView, Trial } from '../../../src/tune/types.js';

/** A finished trial; null: failed. */
export function trial(number: number, params: Params, value: number | null): Trial {
  return {
    number,
    id: number,
    state: value === null ? 'fail' : 'complete',
    value,
    params,
    distributions: {},
    intermediate: new Map(),
    userAttrs: {},
    systemAttrs: {},
    start: number,
    end: number + 0.5,
  };
}

export function study(
  space: SearchSpace,
  trials: Trial[],
  direction: Direction = 'minimize',
  seed: number | string = 1,
): StudyView & { trials: Trial[] } {
  const random = randomStream(seed, 'defaults');
  const defaults = Object.fromEntries(
    Object.entries(space).map(([name, d]) => [name, sampleUniform(d, random)]),
  );
  return { direction, space, defaults, trials, seed };
}

/** Asks and tells `count` trials; an objective of null fails. */
export function optimize(
  sampler: Sampler,
  s: StudyView & { trials: Trial[] },
  count: number,
  objective: (params: Params, number: number) => number | null,
): Trial[] {
  for (let i = 0; i < count; i++) {
    const number = s.trials.length;
    const { params } = sampler.ask(s, number);
    s.trials.push(trial(number, params, objective(params, number)));
  }
  return s.trials;
}

/** Lowest value reported. */
export function best(trials: readonly Trial[]): number {
  return Math.min(...trials.map((t) => (t.state === 'complete' ? t.value! : Infinity)));
}
