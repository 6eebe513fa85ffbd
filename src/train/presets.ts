// Named starting points. Every number is justified here; anything can be overridden.

import { expect } from '../base/errors.js';
import { TRAIN_DEFAULTS, type TrainConfig } from './config.js';

/**
 * For a consumer card of 12 GB (RTX 3060 class) and TinyStories-like text.
 * - seqLen 512: over 97% of the stories are shorter, so longer rows would only cost attention.
 * - vocabSize 4096: stories use few words; half the reference's vocabulary halves the lm_head and the embedding
 *   tables, which would otherwise be most of the parameters at this width.
 * - depth 6, width 384, heads of 64: 17 M parameters, of which 11 M in the blocks; about 10^5 tokens/s in five
 *   minutes on such a card is 30 M tokens, a few per parameter.
 * - totalBatchSize 2^15: small cards see few tokens in a trial, so steps matter more than batch; published
 *   searches on a 3060 moved from 2^19 to 2^14..2^16.
 * - deviceBatchSize 32: 2^14 tokens a pass, whose activations take about 5 GB in float32 without fused kernels
 *   (`estimateMemory`): half the card, leaving room for the optimizer and a desktop.
 * - evalTokens by the tokens trained on: under 10% of the time, whatever the card.
 */
const TINYSTORIES: TrainConfig = {
  ...TRAIN_DEFAULTS,
  depth: 6,
  width: 384,
  headDim: 64,
  vocabSize: 4096,
  seqLen: 512,
  deviceBatchSize: 32,
  totalBatchSize: 2 ** 15,
  evalTokens: null,
};

/**
 * For two CPU cores and a minute.
 */
const CPU: TrainConfig = {
  ...TRAIN_DEFAULTS,
  depth: 4,
  width: 128,
  headDim: 32,
  vocabSize: 1024,
  seqLen: 128,
  deviceBatchSize: 16,
  totalBatchSize: 2 ** 11,
  evalTokens: null,
  untimedSteps: 1,
};

/** `autoresearch`: the reference's defaults, for one large GPU. */
export const PRESETS: Readonly<Record<string, TrainConfig>> = {
  autoresearch: { ...TRAIN_DEFAULTS },
  tinystories: TINYSTORIES,
  cpu: CPU,
};

export const PRESET_NAMES = Object.keys(PRESETS);

/** A preset by name. @throws UsageError listing the names */
export function presetConfig(name: string): TrainConfig {
  const preset = Object.hasOwn(PRESETS, name) ? PRESETS[name] : undefined;
  expect(preset !== undefined, () => `Expected a preset among ${PRESET_NAMES.join(', ')}; got ${name}`);
  return { ...preset };
}
