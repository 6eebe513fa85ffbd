// The configurations that bench/train.ts and bench/roofline.ts measure.

import { UsageError } from '../src/base/errors.js';
import { overrideConfig, type TrainConfig } from '../src/train/config.js';
import { presetConfig } from '../src/train/presets.js';

/** Shapes larger than the cpu preset, by name. */
export const SHAPES: Record<string, Partial<TrainConfig>> = {
  'w256-t256': { depth: 4, width: 256, headDim: 64, seqLen: 256, deviceBatchSize: 8, totalBatchSize: 2048 },
  'w384-t512': { depth: 6, width: 384, headDim: 64, seqLen: 512, deviceBatchSize: 4, totalBatchSize: 2048 },
  'w512-t1024': {
    depth: 4,
    width: 512,
    headDim: 128,
    seqLen: 1024,
    deviceBatchSize: 2,
    totalBatchSize: 2048,
  },
};

/** A preset, or that with the sizes of one of `SHAPES`. @throws UsageError on an unknown name */
export function benchConfig(preset: string, shape?: string): TrainConfig {
  const sizes = shape === undefined ? {} : SHAPES[shape];
  if (!sizes) throw new UsageError(`Expected --shape among ${Object.keys(SHAPES).join(', ')}; got ${shape}`);
  return overrideConfig(presetConfig(preset), sizes);
}
