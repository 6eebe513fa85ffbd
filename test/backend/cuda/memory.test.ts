// Memory: the estimate of a configuration against what was allocated, and trials that run out of memory.

import { afterEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { received } from '../../../src/backend/cuda/library.js';
import { deviceMemory, trackPeak } from '../../../src/backend/memory.js';
import { isOutOfMemory, OutOfMemoryError } from '../../../src/backend/outOfMemory.js';
import { useBackend } from '../../../src/backend/use.js';
import { TrainingError } from '../../../src/base/errors.js';
import { randomStream } from '../../../src/base/random.js';
import { memoryForTrials } from '../../../src/cli/tuneSetup.js';
import { estimateMemory } from '../../../src/model/memory.js';
import type { TrainConfig } from '../../../src/train/config.js';
import { train } from '../../../src/train/trainer.js';
import { tinyData } from '../../tinyData.js';
import { describeCuda, EMULATED_BYTES } from './present.js';
import { SMALL, startTraining } from './steps.js';

const SHAPES: Partial<TrainConfig>[] = [
  {},
  { depth: 4, width: 32, headDim: 16, deviceBatchSize: 4, totalBatchSize: 128 },
  { depth: 1, vocabSize: 1000, totalBatchSize: 128 },
  { depth: 6, deviceBatchSize: 4, totalBatchSize: 128, recompute: true },
];

for (const precision of ['fp32', 'bf16'] as const)
  describeCuda(
    `memory of a training step in ${precision}`,
    (_, backend) => {
      test.each(SHAPES)('is estimated within 25%% of what the allocator handed out: %j', async (sizes) => {
        const { allocator } = backend().session;
        const before = allocator.statistics().current;
        allocator.resetPeak();
        const watch = trackPeak();
        const training = startTraining({ ...SMALL, ...sizes });
        for (let step = 0; step < 2; step++) await training.step();
        const { model, config, accumulation } = training.resolved;
        const { deviceBatchSize: batch, recompute } = config;
        const estimate = estimateMemory(model, { batch, accumulation, recompute });
        const peak = allocator.statistics().peak - before;
        const reported = watch.bytes();
        training.dispose();
        watch.stop();
        expect(estimate.peakBytes / peak).toBeGreaterThan(0.75);
        expect(estimate.peakBytes / peak).toBeLessThan(1.25);
        // What is reported as peak memory is that peak, but for rounding to whole granules.
        expect(reported / peak).toBeGreaterThan(0.96);
        expect(reported / peak).toBeLessThan(1.01);
        expect(allocator.statistics().current).toBe(before);
      });
    },
    precision,
  );

describeCuda('running out of memory', (device, backend) => {
  afterEach(() => {
    backend().session.allocator.setLimit(Infinity);
    device().controls.fake_set_memory(2 ** 30);
  });

  test('a tensor that is too large is a typed error, and the next one is allocated', () => {
    const before = deviceMemory();
    const x = tf.ones([64, 64]);
    device().controls.fake_set_memory(8 * 2 ** 20);
    const blow = () => tf.tidy(() => tf.tile(x, [64, 64]));
    expect(blow).toThrow(OutOfMemoryError);
    expect(blow).toThrow(/Out of GPU memory: 64\.0 MiB requested/);
    expect(tf.tidy(() => tf.sum(tf.add(x, x)).dataSync()[0])).toBe(8192);
    x.dispose();
    expect(deviceMemory()).toMatchObject({ tensors: before.tensors, bytes: before.bytes });
  });

  test('the memory limit of trials is what other programs leave free plus our idle memory, minus a margin', async () => {
    const { allocator, driver } = backend().session;
    const info = await useBackend('cuda');
    allocator.trim();
    const held = allocator.statistics().current;
    const margin = EMULATED_BYTES / 16;
    const limit = await memoryForTrials(info);
    // The device also holds what other test files of this process have left.
    const { free } = backend().session.memoryInfo();
    const elsewhere = EMULATED_BYTES - free - allocator.statistics().reserved;
    expect(limit).toBe(EMULATED_BYTES - elsewhere - margin - allocator.statistics().current);
    const others = received((place) => driver.cuMemAlloc_v2(place, 300 * 2 ** 20));
    allocator.free(allocator.allocate(50 * 2 ** 20));
    expect(await memoryForTrials(info)).toBe(limit - 300 * 2 ** 20);
    driver.cuMemFree_v2(others);
    allocator.setLimit(held + 100 * 2 ** 20);
    expect(await memoryForTrials(info)).toBe(100 * 2 ** 20 - margin);
  });

  test('trials at random, some of them too large for the device: no tensor left, memory flat', async () => {
    const { allocator } = backend().session;
    const random = randomStream(1, 'trials');
    const before = { ...deviceMemory(), reservedBytes: 0, current: allocator.statistics().current };
    const outcomes = { finished: 0, outOfMemory: 0 };
    const reserved: number[] = [];
    for (let trial = 0; trial < 12; trial++) {
      // Every third trial the device is as good as full.
      allocator.trim();
      const room = trial % 3 === 2 ? 2 ** 19 + random.int(2 ** 21) : Infinity;
      allocator.setLimit(allocator.statistics().reserved + room);
      const config = {
        ...SMALL,
        depth: 1 + random.int(2),
        deviceBatchSize: 1,
        totalBatchSize: 32 * (1 + random.int(2)),
      };
      try {
        const { losses } = await train(config, { data: tinyData(), budget: { steps: 1 }, force: true });
        expect(losses.every(Number.isFinite)).toBe(true);
        outcomes.finished++;
      } catch (error) {
        expect(error).toBeInstanceOf(TrainingError);
        expect((error as TrainingError).reason).toBe('out_of_memory');
        expect(isOutOfMemory(error)).toBe(true);
        outcomes.outOfMemory++;
      }
      allocator.setLimit(Infinity);
      expect(deviceMemory()).toMatchObject({ tensors: before.tensors, bytes: before.bytes });
      expect(allocator.statistics().current).toBe(before.current);
      allocator.trim();
      reserved.push(allocator.statistics().reserved);
    }
    expect(outcomes.finished).toBe(8);
    expect(outcomes.outOfMemory).toBe(4);
    expect(new Set(reserved).size).toBe(1);
  });
});
