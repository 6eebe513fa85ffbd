// tinygpt as a library: choose a backend, prepare data, train, sample.
//
//   import { prepareDataset, presetConfig, train, useBackend } from 'tinygpt';
//   await useBackend('auto');
//   const data = await prepareDataset({ bundled: 16, vocabSize: 1024 });
//   const { valBpb } = await train(presetConfig('cpu'), { data, budget: { seconds: 60 }, seed: 1 });
//
// Tuning is in `tinygpt/tune`, the differentiable operations in `tinygpt/ops`.

export * from './backend/index.js';
export { deviceMemory } from './backend/memory.js';
export { DeviceLostError, EnvironmentError, TrainingError, UsageError } from './base/errors.js';
export { defaultCacheFolder } from './base/files.js';
export { type Random, randomStream } from './base/random.js';
export { readSafetensors, writeSafetensors } from './base/safetensors.js';
export type { Valid } from './base/valid.js';
export * from './data/index.js';
export {
  MODEL_DEFAULTS,
  type ModelConfig,
  type ModelSizes,
  modelConfig,
  type ParameterRole,
  type ParameterShape,
  parameterShapes,
  windowSizes,
} from './model/config.js';
export { countParameters, flopsPerToken } from './model/flops.js';
export { type GenerateOptions, generate, generateText } from './model/generate.js';
export { createGpt, type Gpt, gptLogits, gptLoss } from './model/gpt.js';
export { estimateMemory, type MemoryEstimate } from './model/memory.js';
export type { SamplingOptions } from './model/sampling.js';
export {
  OPTIMIZER_DEFAULTS,
  type OptimizerSettings,
  optimizerSettings,
  parameterGroups,
} from './optim/groups.js';
export { createOptimizer, type Optimizer } from './optim/optimizer.js';
export type { Budget } from './train/budget.js';
export {
  type Checkpoint,
  type LoadedGpt,
  loadCheckpoint,
  loadGpt,
  saveCheckpoint,
} from './train/checkpoint.js';
export {
  overrideConfig,
  type ResolvedConfig,
  resolveConfig,
  TRAIN_DEFAULTS,
  type TrainConfig,
} from './train/config.js';
export { type Evaluation, evaluateBpb } from './train/evaluate.js';
export { PRESET_NAMES, presetConfig } from './train/presets.js';
export type {
  EvalReport,
  FinishedRun,
  FullRunOptions,
  RunMeasurements,
  StepReport,
  TrainOptions,
  TrainResult,
} from './train/runTypes.js';
export { formatSummary, type Summary, summarize } from './train/summary.js';
export { train } from './train/trainer.js';
export { FP32_TOLERANCES, type Verification, verifyGolden } from './verify/verify.js';
