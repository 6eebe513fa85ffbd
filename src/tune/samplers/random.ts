// Random search: every parameter uniform on its widened range (in its log where the scale is), then rounded.
// The baseline for every other sampler.

import { randomStream } from '../../base/random.js';
import { activeParams } from '../conditions.js';
import { fromUnit, sampleSpace } from '../distributions.js';
import { setOwn } from '../objects.js';
import type { Sampler } from '../types.js';
import { admissionOf, admitted } from './admission.js';
import { axesOf } from './axes.js';
import { believed } from './prior.js';

/** Trials after which half of the draws follow the priors of the space; at first all do. */
const HALF = 10;

/**
 * Independent uniform draws; where the space has priors, ever fewer follow those. Trial `number` has a stream of its own:
 * its point depends only on the seed and the space, not on the other trials or the number of workers,
 * unless it cannot run or repeats one.
 */
export function randomSampler(): Sampler {
  return {
    name: 'random',
    paretoFronts: true,
    ask(study, number) {
      // The number is not last: streams whose names differ in the last character alone are correlated.
      const random = randomStream(study.seed, `random/${number}/point`);
      const { space } = study;
      const believing = axesOf(space).filter(({ distribution }) => distribution.prior);
      return admitted(study, admissionOf(study), number, () => {
        const params = sampleSpace(space, random);
        if (believing.length > 0 && random.uniform() < HALF / (HALF + number))
          for (const axis of believing)
            setOwn(params, axis.name, fromUnit(axis.distribution, believed(axis, random.uniform())));
        return activeParams(space, params);
      });
    },
  };
}
