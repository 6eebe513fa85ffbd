// Whole models whose attention and MLP cuDNN computes, on the emulated device: golden runs and a recorded step.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';
import { capabilities } from '../../../src/backend/capabilities.js';
import type { StepRecorder } from '../../../src/backend/recorder.js';
import { BF16_TOLERANCES, verifyGolden } from '../../../src/verify/verify.js';
import { describeCuda } from './present.js';
import { SMALL, startTraining } from './steps.js';

const FOLDER = fileURLToPath(new URL('../../../../test/golden/gpt/', import.meta.url));
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.safetensors'));

/** Two steps as they come, one recorded, the others replayed. */
const STEPS = 5;

const before = process.env.TINYGPT_CUDA_CUDNN;
process.env.TINYGPT_CUDA_CUDNN = 'always';
afterAll(() => {
  if (before === undefined) delete process.env.TINYGPT_CUDA_CUDNN;
  else process.env.TINYGPT_CUDA_CUDNN = before;
});

describeCuda(
  'models whose attention and MLP cuDNN computes',
  (device) => {
    const count = (pattern: RegExp) => device().controls.fake_log().match(pattern)?.length ?? 0;

    test.each(FILES)('%s', async (file) => {
      device().controls.fake_reset();
      const { passed, checks } = await verifyGolden(join(FOLDER, file), BF16_TOLERANCES);
      expect(checks.filter((check) => !check.passed)).toEqual([]);
      expect(passed).toBe(true);
      for (const subject of ['attention', 'MLP']) {
        // Heads of 8 numbers are for the kernels in float32.
        if (subject === 'attention' && file.includes('gqa')) continue;
        expect(count(new RegExp(`cudnnBackendExecute forward of ${subject}`, 'g'))).toBeGreaterThan(0);
        expect(count(new RegExp(`cudnnBackendExecute backward of ${subject}`, 'g'))).toBeGreaterThan(0);
        expect(count(subject === 'MLP' ? /relu_squared/g : /cuLaunchKernel attention/g)).toBe(0);
      }
    });

    test('a step is recorded as a CUDA graph with the same bits', async () => {
      const declared = capabilities() as { stepRecorder?: StepRecorder | undefined };
      const { stepRecorder } = declared;
      const losses = async (recorded: boolean) => {
        declared.stepRecorder = recorded ? stepRecorder : undefined;
        const training = startTraining({ ...SMALL, depth: 1, seqLen: 16, totalBatchSize: 32 });
        try {
          const found: number[] = [];
          for (let step = 0; step < STEPS; step++) found.push(await training.step());
          return found;
        } finally {
          training.dispose();
          declared.stepRecorder = stepRecorder;
        }
      };
      const plain = await losses(false);
      device().controls.fake_reset();
      expect(await losses(true)).toEqual(plain);
      expect(count(/cuGraphLaunch/g)).toBeGreaterThan(1);
      expect(count(/cudnnBackendExecute/g)).toBeGreaterThan(0);
    });
  },
  'bf16',
);
