// A random model on the emulated device compared with the native backend, or with the stock compositions where there is none.

import { expect, test } from '@jest/globals';
import { fallbacks, resetFallbacks } from '../../../src/backend/fallbacks.js';
import { describeCase, drawCase } from '../../../src/verify/randomCase.js';
import { defaultReference, verifyRandom } from '../../../src/verify/verifyRandom.js';
import { describeCuda } from './present.js';

/** Two layers, a window, grouped queries, value embeddings, 30 tokens, 117 ids. */
const SEED = 19;

for (const precision of ['fp32', 'bf16'] as const)
  describeCuda(
    `a random model in ${precision}`,
    () => {
      const drawn = drawCase(SEED, 'small');
      test(describeCase(drawn), async () => {
        resetFallbacks();
        const reference = await defaultReference('cuda');
        const { checks } = await verifyRandom(drawn, { backend: 'cuda', precision }, reference);
        expect(checks.filter((check) => !check.passed)).toEqual([]);
        expect(fallbacks()).toEqual({});
      });
    },
    precision,
  );
