// A small space, a sampler that draws from it, and an objective: shared by the study tests.

import { randomStream } from '../../src/base/random.js';
import { categorical, float, int, sampleUniform } from '../../src/tune/distributions.js';
import type { Params, Sampler, SearchSpace } from '../../src/tune/types.js';

export const space: SearchSpace = {
  x: float(-5, 5),
  lr: float(1e-4, 1, { log: true }),
  depth: int(2, 12, { step: 2 }),
  kind: categorical(['a', 'b', null]),
};
export const defaults: Params = { x: 1, lr: 0.01, depth: 4, kind: 'b' };

/** Uniform draws from the stream of the trial's number. */
export const uniform: Sampler = {
  name: 'uniform',
  ask(study, number) {
    const random = randomStream(study.seed, `uniform/${number}`);
    const draws = Object.entries(study.space).map(([name, dist]) => [name, sampleUniform(dist, random)]);
    return { params: Object.fromEntries(draws) };
  },
};

export function value({ x, depth }: Params): number {
  return (x as number) ** 2 + (depth as number) / 100;
}
