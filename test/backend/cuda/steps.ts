// Training steps of small models, for tests of what a step enqueues and allocates.

import type { BatchLoader } from '../../../src/data/types.js';
import { createGpt, type Gpt } from '../../../src/model/gpt.js';
import { createOptimizer, type Optimizer } from '../../../src/optim/optimizer.js';
import { type ResolvedConfig, resolveConfig, type TrainConfig } from '../../../src/train/config.js';
import { trainStep } from '../../../src/train/step.js';
import { TINY } from '../../tinyConfig.js';

/** A model with everything that a layer may have, in the smallest size. */
export const SMALL: TrainConfig = {
  ...TINY,
  valueEmbeds: true,
  kvHeads: null,
  windowPattern: 'SL',
  depth: 2,
  width: 64,
  headDim: 32,
  vocabSize: 260,
  seqLen: 32,
  deviceBatchSize: 2,
  totalBatchSize: 64,
};

/** A model in training. */
export interface Training {
  gpt: Gpt;
  optimizer: Optimizer;
  resolved: ResolvedConfig;
  step(): Promise<number>;
  dispose(): void;
}

/** Starts to train a configuration on made-up ids. */
export function startTraining(config: TrainConfig): Training {
  const resolved = resolveConfig(config);
  const { model, accumulation } = resolved;
  const { deviceBatchSize: batch, seqLen: seq, recompute } = resolved.config;
  const ids = (offset: number) =>
    Int32Array.from({ length: batch * seq }, (_, i) => ((i + offset) * 7919) % model.vocabSize);
  const loader: BatchLoader = {
    next: async () => ({ inputs: ids(0), targets: ids(1), epoch: 1 }),
    state: () => ({ epoch: 1, nextDocument: 0, buffer: [] }),
    close: async () => undefined,
  };
  const gpt = createGpt(model, { seed: 1 });
  const optimizer = createOptimizer(gpt, resolved.optimizer);
  const progress = () => Math.min(1, optimizer.steps / 8);
  const shape = { batch, seq, recompute, accumulation, progress };
  return {
    gpt,
    optimizer,
    resolved,
    step: async () => (await trainStep(gpt, optimizer, loader, shape))!.loss,
    dispose() {
      optimizer.dispose();
      gpt.dispose();
    },
  };
}
