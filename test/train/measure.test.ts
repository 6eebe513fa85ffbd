import { beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend/index.js';
import { resolveConfig } from '../../src/train/config.js';
import { measureTraining, measureWithin } from '../../src/train/measure.js';
import { TINY } from '../tinyConfig.js';

beforeAll(async () => {
  await useBackend('cpu');
});

test('measures whole steps, reports each and frees all tensors', async () => {
  const before = tf.memory().numTensors;
  const steps: number[] = [];
  const onStep = (step: number) => steps.push(step);
  const measured = await measureTraining(resolveConfig(TINY), { seconds: 0, warmup: 1, steps: 2, onStep });
  expect(steps).toEqual([0, 1, 2]);
  expect(measured.tokensPerSecond * measured.stepSeconds).toBeCloseTo(TINY.totalBatchSize, 6);
  expect(measured.peakBytes).toBeGreaterThan(0);
  expect(tf.memory().numTensors).toBe(before);
});

test('a slow backend is measured with smaller steps', async () => {
  // 2^20 tokens a step: hours on this backend. No time at all leaves the first measurement, of one row.
  const resolved = resolveConfig({ ...TINY, totalBatchSize: 2 ** 20, deviceBatchSize: 2 ** 16 });
  const steps: number[] = [];
  const onStep = (step: number) => steps.push(step);
  const none = await measureWithin(resolved, { seconds: 1e-9, onStep, force: true });
  expect(Math.round(none.tokensPerSecond * none.stepSeconds)).toBe(TINY.seqLen);
  expect(steps).toEqual([0, 1]);
  const some = await measureWithin(resolved, { seconds: 1, force: true });
  const tokens = Math.round(some.tokensPerSecond * some.stepSeconds);
  expect(tokens % TINY.seqLen).toBe(0);
  expect(tokens).toBeLessThan(2 ** 20);
});
