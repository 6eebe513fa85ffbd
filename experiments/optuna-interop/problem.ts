// The space that our worker and Python's share, and a sampler that needs only the trial's number.

import { randomStream } from '../../src/base/random.js';
import { categorical, float, int, sampleUniform } from '../../src/tune/distributions.js';
import type { Sampler, SearchSpace } from '../../src/tune/types.js';

export const space: SearchSpace = {
  x: float(-5, 5),
  lr: float(1e-5, 1, { log: true }),
  depth: int(2, 12, { step: 2 }),
  kind: categorical(['a', 'b']),
};

/** Uniform draws from the stream of the trial's number. */
export const uniform: Sampler = {
  name: 'uniform',
  ask(study, number) {
    const random = randomStream(study.seed, `uniform/${number}`);
    const draws = Object.entries(study.space).map(([name, dist]) => [name, sampleUniform(dist, random)]);
    return { params: Object.fromEntries(draws) };
  },
};
