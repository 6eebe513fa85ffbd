// Real training as a problem: the `cpu` space with smaller models, so that a trial takes about half a second of one core, the
// same with four times the tokens, and with these sizes fixed and twice the tokens. The trainer's own noise is what samplers
// see; the budget in tokens makes a value depend on nothing but the parameters and the seed.

import { useBackend } from '../../src/backend/index.js';
import { TrainingError } from '../../src/base/errors.js';
import { type Dataset, prepareDataset } from '../../src/data/index.js';
import { presetConfig } from '../../src/train/presets.js';
import { train } from '../../src/train/trainer.js';
import { settingsOf, trainSpace } from '../../src/tune/trainSpaces.js';
import type { Params, SearchSpace } from '../../src/tune/types.js';
import { int, type TrainingProblem } from './types.js';

const base = {
  ...presetConfig('cpu'),
  depth: 2,
  width: 64,
  headDim: 16,
  vocabSize: 512,
  seqLen: 64,
  totalBatchSize: 2 ** 10,
  evalTokens: 2 ** 13,
};
const { space: cpuSpace, defaults: cpuDefaults } = trainSpace('cpu').setup;
const space: SearchSpace = {
  ...cpuSpace,
  depth: int(1, 3),
  width: { ...int(32, 64), step: 16 },
  log2_headDim: int(3, 4),
  log2_totalBatchSize: int(8, 11),
};
const { depth: _d, width: _w, log2_headDim: _h, ...withoutSizes } = space;
const defaults: Params = {
  ...(cpuDefaults as Params),
  depth: base.depth,
  width: base.width,
  log2_headDim: 4,
  log2_totalBatchSize: 10,
};

let opened: Promise<Dataset> | null = null;
const open = (): Promise<Dataset> =>
  (opened ??= useBackend('native').then(() => prepareDataset({ bundled: 2, vocabSize: base.vocabSize })));

/** val_bpb after so many tokens of the bundled stories; the defaults are those of the `cpu` preset. */
const problem = (name: string, space: SearchSpace, tokens: number): TrainingProblem => ({
  name,
  space,
  defaults: Object.fromEntries(Object.keys(space).map((key) => [key, defaults[key]!])),
  async train(params, seed, share = 1) {
    const data = await open();
    try {
      const config = { ...base, ...settingsOf(params, base) };
      return (await train(config, { data, budget: { tokens: tokens * share }, seed })).valBpb;
    } catch (error) {
      if (error instanceof TrainingError) return null;
      throw error;
    }
  },
});

export const TRAINING: readonly TrainingProblem[] = [
  problem('real_training_15d', space, 2 ** 14),
  problem('real_training_15d_64k', space, 2 ** 16),
  problem('real_training_12d', withoutSizes, 2 ** 15),
];
