// Random search: every parameter uniform on its widened range (in its log where the scale is), then rounded.
// The baseline that every other sampler has to beat, and the start-up of some.

import { randomStream } from '../../base/random.js';
import { sampleUniform } from '../distributions.js';
import type { Params, Sampler } from '../types.js';

/**
 * Independent uniform draws. Trial `number` has a stream of its own: its point depends on the seed and the
 * space alone, whatever the other trials did and however many workers there are.
 */
export function randomSampler(): Sampler {
  return {
    name: 'random',
    ask(study, number) {
      const random = randomStream(study.seed, `random/${number}`);
      const params: Params = {};
      for (const [name, distribution] of Object.entries(study.space))
        params[name] = sampleUniform(distribution, random);
      return { params };
    },
  };
}
