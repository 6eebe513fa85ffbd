// The small golden runs on the emulated device.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { fallbacks, resetFallbacks } from '../../../src/backend/fallbacks.js';
import { BF16_TOLERANCES, FP32_TOLERANCES, verifyGolden } from '../../../src/verify/verify.js';
import { describeCuda } from './present.js';

const FOLDER = fileURLToPath(new URL('../../../../test/golden/gpt/', import.meta.url));
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.safetensors'));

for (const precision of ['fp32', 'bf16'] as const)
  describeCuda(
    `golden runs in ${precision}`,
    () => {
      test.each(FILES)('%s', async (file) => {
        resetFallbacks();
        const tolerances = precision === 'bf16' ? BF16_TOLERANCES : FP32_TOLERANCES;
        const { passed, checks } = await verifyGolden(join(FOLDER, file), tolerances);
        expect(checks.filter((check) => !check.passed)).toEqual([]);
        expect(passed).toBe(true);
        expect(fallbacks()).toEqual({});
      });
    },
    precision,
  );
