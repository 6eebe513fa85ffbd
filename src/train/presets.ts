// Presets. Every number is justified here; anything can be overridden.

import { expect } from '../base/errors.js';
import { TRAIN_DEFAULTS, type TrainConfig } from './config.js';

/**
 * For a consumer card of 12 GB (RTX 3060 class) and TinyStories-like text.
 * - seqLen 512: 98% of TinyStories are shorter (median 176 tokens at this vocabulary), so longer rows would only cost
 *   attention.
 * - vocabSize 4096: stories use few words; half the reference's vocabulary halves the lm_head and the embedding tables,
 *   which are still 43% of the parameters.
 * - depth 6, width 384, heads of 64: 18.5 M parameters, 10.6 M of them in the blocks; 83 MFLOP a token, a third of the
 *   reference's, as such a card has a fraction of the reference's rate.
 * - totalBatchSize 2^15: small cards see few tokens in a trial, so steps matter more than batch; published searches on
 *   a 3060 moved from 2^19 to 2^14.
 * - deviceBatchSize 32: 2^14 tokens per pass. With the stock operations in float32 that takes 2.7 GB by `estimateMemory`,
 *   which leaves the `consumer` space room for four times as much.
 * - evalTokens null: sized by the tokens trained on, less than 10% of the time on any card.
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
 * For two CPU cores and a minute: about a million tokens on the `native` backend.
 * - vocabSize 1024, seqLen 128: most words of the bundled stories are one or two tokens, and a row holds half a story;
 *   logits and attention remain a small part of the step.
 * - depth 4, width 128, heads of 32: 1.3 M parameters, 0.8 M of them in the blocks, as many as such a run can train.
 * - totalBatchSize 2^11: about 450 steps a minute; with larger steps the run learns less, and with smaller ones the
 *   matmuls are too thin to be fast.
 * - deviceBatchSize 16: one pass a step.
 * - untimedSteps 1: only the kernels are compiled, before the first step.
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
const PRESETS: Readonly<Record<string, TrainConfig>> = {
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
