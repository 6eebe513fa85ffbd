// The smallest configuration that has every part: two windows, grouped queries, value embeddings.

import { TRAIN_DEFAULTS, type TrainConfig } from '../src/train/config.js';

export const TINY: TrainConfig = {
  ...TRAIN_DEFAULTS,
  depth: 2,
  width: 32,
  headDim: 8,
  kvHeads: 2,
  vocabSize: 256,
  seqLen: 16,
  windowPattern: 'SL',
  deviceBatchSize: 2,
  totalBatchSize: 64,
  evalTokens: 64,
  untimedSteps: 1,
};
