import { beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend/index.js';
import { UsageError } from '../../src/base/errors.js';
import { estimateMemory } from '../../src/model/memory.js';
import { resolveConfig, TRAIN_DEFAULTS } from '../../src/train/config.js';
import { measureTraining } from '../../src/train/measure.js';
import { checkMemory, freeMemory, memoryShortage } from '../../src/train/memoryCheck.js';
import { train } from '../../src/train/trainer.js';
import { TINY } from '../tinyConfig.js';
import { tinyData } from '../tinyData.js';

const NONE = { device: Number.POSITIVE_INFINITY, host: Number.POSITIVE_INFINITY };

beforeAll(async () => {
  await useBackend('cpu');
});

describe('a run is refused before anything is allocated', () => {
  test.each([
    [{ depth: 200, width: 8192 }, /depth 200 and width 8192 .* needs about 28\.5 TB of memory and may take/],
    [{ depth: 200_000_000 }, /needs about 10\.0 TB of V8's heap/],
    [{ depth: 1, width: 2 ** 40 }, /set a smaller --depth, --width or --device-batch-size, or --force/],
    [{ seqLen: 2 ** 40, totalBatchSize: 2 ** 40 }, /needs about/],
    [{ deviceBatchSize: 2 ** 40, totalBatchSize: 2 ** 51 }, /needs about/],
    [{ vocabSize: 2 ** 40 }, /needs about/],
  ])('%j', async (sizes, message) => {
    const before = tf.memory().numTensors;
    const resolved = resolveConfig({ ...TRAIN_DEFAULTS, ...sizes });
    await expect(checkMemory(resolved)).rejects.toThrow(message);
    await expect(measureTraining(resolved, { seconds: 1 })).rejects.toThrow(UsageError);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('by train itself', async () => {
    const data = tinyData();
    const before = tf.memory().numTensors;
    const config = { ...TINY, depth: 100, width: 2 ** 16 };
    await expect(train(config, { data, budget: { steps: 1 } })).rejects.toThrow(UsageError);
    expect([tf.memory().numTensors, data.open]).toEqual([before, 0]);
  });
});

test('a run that fits is accepted; limits are compared with the estimate', async () => {
  const resolved = resolveConfig(TINY);
  const { peakBytes, parameters, optimizer } = estimateMemory(resolved.model, { batch: 2, accumulation: 2 });
  expect(memoryShortage(resolved, NONE)).toBeNull();
  expect(memoryShortage(resolved, { ...NONE, device: peakBytes })).toBeNull();
  expect(memoryShortage(resolved, { ...NONE, device: peakBytes - 1 })).toMatch(
    /needs about \d+ kB of memory/,
  );
  expect(memoryShortage(resolved, { ...NONE, host: peakBytes })).toBeNull();
  // A checkpoint is made of copies.
  const checkpoint = { checkpoint: true };
  const host = peakBytes + parameters + optimizer;
  expect(memoryShortage(resolved, { ...NONE, host }, checkpoint)).toBeNull();
  expect(memoryShortage(resolved, { ...NONE, host: host - 1 }, checkpoint)).toMatch(/needs about/);
  const free = await freeMemory();
  expect(free.device).toBeGreaterThan(2 ** 20);
  expect(free.host).toBeGreaterThan(2 ** 20);
});
