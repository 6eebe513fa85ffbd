import { expect, test } from '@jest/globals';
import { useBackend } from '../../src/backend/use.js';
import { estimateMemory } from '../../src/model/memory.js';
import { resolveConfig, TRAIN_DEFAULTS, type TrainConfig } from '../../src/train/config.js';
import { train } from '../../src/train/trainer.js';
import { describeNative } from '../backend/native/present.js';
import { describeEachBackend } from '../backend/present.js';
import { TINY } from '../tinyConfig.js';
import { tinyData } from '../tinyData.js';

const base: TrainConfig = { ...TINY, valueEmbeds: true, kvHeads: null, windowPattern: 'SL' };

const wide = { depth: 3, width: 64, headDim: 16, seqLen: 64, deviceBatchSize: 4, totalBatchSize: 256 };

describeEachBackend('the memory estimate', (backend) => {
  // The stock cpu backend is slow: two shapes there, more on the others.
  const shapes: Partial<TrainConfig>[] = [
    { depth: 4, width: 32, seqLen: 32, deviceBatchSize: 4, totalBatchSize: 128 },
    { depth: 1, width: 64, headDim: 16, seqLen: 64, deviceBatchSize: 2, totalBatchSize: 256 },
    ...(backend === 'cpu'
      ? []
      : [
          {
            depth: 6,
            width: 64,
            headDim: 16,
            kvHeads: 1,
            seqLen: 64,
            deviceBatchSize: 4,
            totalBatchSize: 256,
          },
          { depth: 3, width: 64, headDim: 32, seqLen: 256, deviceBatchSize: 2, totalBatchSize: 512 },
          { depth: 2, width: 128, headDim: 32, seqLen: 128, deviceBatchSize: 8, totalBatchSize: 1024 },
          { depth: 6, seqLen: 64, deviceBatchSize: 16, totalBatchSize: 1024, recompute: true },
          { ...wide, activation: 'gelu' as const, recompute: true },
          // A driver in software compiles for ten seconds each.
          ...(backend === 'webgpu'
            ? []
            : [
                { ...wide, activation: 'gelu' as const },
                { ...wide, activation: 'swiglu' as const },
              ]),
        ]),
  ];
  test.each(shapes)('is within 25%% of the measured peak: %j', holdAgainstPeak);
});

describeNative('the memory estimate in bf16', () => {
  const shapes: Partial<TrainConfig>[] = [
    { depth: 3, width: 64, headDim: 32, seqLen: 256, deviceBatchSize: 2, totalBatchSize: 512 },
    { depth: 2, width: 128, headDim: 32, seqLen: 128, deviceBatchSize: 8, totalBatchSize: 1024 },
    { depth: 6, width: 64, headDim: 16, kvHeads: 1, seqLen: 64, deviceBatchSize: 4, totalBatchSize: 512 },
    { ...wide, activation: 'gelu' },
    { ...wide, activation: 'swiglu', recompute: true },
  ];
  test.each(shapes)('counts activations of half the size: %j', async (sizes) => {
    await useBackend('native', { precision: 'bf16' });
    await holdAgainstPeak(sizes);
  });
});

async function holdAgainstPeak(sizes: Partial<TrainConfig>): Promise<void> {
  const config = { ...base, ...sizes };
  const { peakMemoryBytes } = await train(config, { data: tinyData(), budget: { steps: 2 } });
  const { model, accumulation, config: resolved } = resolveConfig(config, 260);
  const { deviceBatchSize: batch, recompute } = resolved;
  const estimate = estimateMemory(model, { batch, accumulation, recompute });
  const ratio = estimate.peakBytes / peakMemoryBytes;
  expect(ratio).toBeGreaterThan(0.75);
  expect(ratio).toBeLessThan(1.25);
}

test('the estimate grows with every size', () => {
  const estimate = (sizes: Partial<TrainConfig>) => {
    const { model, config, accumulation } = resolveConfig({ ...TRAIN_DEFAULTS, ...sizes });
    return estimateMemory(model, { batch: config.deviceBatchSize, accumulation }).peakBytes;
  };
  const normal = estimate({});
  for (const larger of [{ depth: 12 }, { width: 1024 }, { deviceBatchSize: 256 }, { seqLen: 4096 }])
    expect(estimate(larger)).toBeGreaterThan(1.2 * normal);
});
