// Random search: every parameter uniform on its widened range (in its log where the scale is), then rounded.
// The baseline for every other sampler.

import { randomStream } from '../../base/random.js';
import { activeParams } from '../conditions.js';
import { sampleUniform } from '../distributions.js';
import type { Sampler } from '../types.js';
import { admissionOf, admitted } from './admission.js';

/**
 * Independent uniform draws. Trial `number` has a stream of its own: its point depends on the seed and the space
 * alone, whatever the other trials did and however many workers there are, unless it cannot run or repeats one.
 */
export function randomSampler(): Sampler {
  return {
    name: 'random',
    ask(study, number) {
      const random = randomStream(study.seed, `random/${number}`);
      const names = Object.entries(study.space);
      return admitted(study, admissionOf(study), number, () =>
        activeParams(
          study.space,
          Object.fromEntries(names.map(([name, d]) => [name, sampleUniform(d, random)])),
        ),
      );
    },
  };
}
