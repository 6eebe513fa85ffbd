// All settings of a training run, flat and JSON-safe, and their resolution to model and optimizer configurations. The
// tuner's parameters are fields of this type. Sizes follow the reference: the width is depth times aspect ratio, rounded
// up to whole heads, unless it is set.

import { expect } from '../base/errors.js';
import { flagOf, suggestion } from '../base/names.js';
import { isCount, type Valid } from '../base/valid.js';
import { MODEL_DEFAULTS, type ModelConfig, modelConfig } from '../model/config.js';
import { OPTIMIZER_DEFAULTS, type OptimizerSettings, optimizerSettings } from '../optim/groups.js';

/** Settings of a training run. The optimizer's and the model's constants are inherited, the rest are sizes. */
export interface TrainConfig extends OptimizerSettings, Pick<ModelConfig, keyof typeof MODEL_DEFAULTS> {
  /** Layers. */
  depth: number;
  /** Residual width; null: depth * aspectRatio, rounded up to a multiple of headDim. */
  width: number | null;
  aspectRatio: number;
  /** Width of a head; the number of heads is width / headDim unless `heads` is given. */
  headDim: number;
  /** Query heads; null: width / headDim. */
  heads: number | null;
  /** Key and value heads; null: as many as query heads. */
  kvHeads: number | null;
  /** Ids in the vocabulary, 4 specials included; 256 is plain bytes. */
  vocabSize: number;
  /** Tokens a row. */
  seqLen: number;
  /** Most rows of one forward and backward pass; a smaller step takes fewer. */
  deviceBatchSize: number;
  /** The backward pass recomputes each layer's activations instead of keeping them: less memory, a third more time. */
  recompute: boolean;
  /** Tokens of one optimizer step: whole passes of whole rows. */
  totalBatchSize: number;
  /**
   * Tokens of the final evaluation, rounded down to whole rows; at most one pass over the split.
   * Null: a power of two, at most a quarter of the tokens trained on (`defaultEvalTokens`).
   */
  evalTokens: number | null;
  /** First steps that the time budget does not count (start-up, compilation). */
  untimedSteps: number;
}

/** The reference's settings (`train.py` and `prepare.py` of karpathy/autoresearch). */
export const TRAIN_DEFAULTS: Readonly<TrainConfig> = {
  ...OPTIMIZER_DEFAULTS,
  ...MODEL_DEFAULTS,
  depth: 8,
  width: null,
  aspectRatio: 64,
  headDim: 128,
  heads: null,
  kvHeads: null,
  vocabSize: 8192,
  seqLen: 2048,
  deviceBatchSize: 128,
  recompute: false,
  totalBatchSize: 2 ** 19,
  evalTokens: 40 * 524_288,
  untimedSteps: 11,
};

/** A configuration checked and completed by `resolveConfig`; runs use it without checking again. */
export interface ResolvedConfig {
  /** With every null size filled in. */
  config: TrainConfig;
  model: Valid<ModelConfig>;
  optimizer: Valid<OptimizerSettings>;
  /** Forward and backward passes a step. */
  accumulation: number;
}

/**
 * Derives the sizes that are null and checks that all fit together.
 * @param vocabSize the tokenizer's size; default: the configured one (256 means 260)
 * @throws UsageError naming an unknown setting, or the values and the option to change
 */
export function resolveConfig(
  config: TrainConfig,
  vocabSize = effectiveVocabSize(config.vocabSize),
): ResolvedConfig {
  checkSettings(config);
  const { depth, aspectRatio, seqLen, deviceBatchSize, totalBatchSize } = config;
  const counts = { depth, seqLen, deviceBatchSize, totalBatchSize };
  for (const [name, value] of Object.entries({ ...counts, headDim: config.headDim }))
    expect(isCount(value), () => `Expected ${name} to be an integer >= 1, got ${value}; set ${flagOf(name)}`);
  for (const name of ['width', 'heads', 'kvHeads', 'evalTokens'] as const) {
    const value = config[name];
    expect(
      value === null || isCount(value),
      () => `Expected ${name} to be an integer >= 1, got ${value}; set ${flagOf(name)}`,
    );
  }
  expect(aspectRatio > 0, () => `Expected aspectRatio to be > 0, got ${aspectRatio}; set --aspect-ratio`);
  expect(
    Number.isInteger(config.untimedSteps) && config.untimedSteps >= 0,
    () => `Expected untimedSteps to be an integer >= 0, got ${config.untimedSteps}; set --untimed-steps`,
  );

  const headUnit = config.heads === null ? config.headDim : 1;
  const width = config.width ?? Math.ceil((depth * aspectRatio) / headUnit) * headUnit;
  expect(
    config.heads !== null || width % config.headDim === 0,
    () =>
      `Expected the width to be a multiple of the head size, got ${width} and ${config.headDim}; set --head-dim or --heads`,
  );
  const heads = config.heads ?? width / config.headDim;
  const kvHeads = config.kvHeads ?? heads;
  const model = modelConfig({
    vocabSize,
    seqLen,
    depth,
    heads,
    kvHeads,
    width,
    ...pick(config, Object.keys(MODEL_DEFAULTS) as (keyof typeof MODEL_DEFAULTS)[]),
  });

  const stepRows = totalBatchSize / seqLen;
  const rows = Math.min(deviceBatchSize, stepRows);
  expect(
    Number.isInteger(stepRows) && stepRows % rows === 0,
    () =>
      `Expected the total batch to be a multiple of device batch x sequence (${deviceBatchSize} x ${seqLen} = ${deviceBatchSize * seqLen}) or fewer whole rows, got ${totalBatchSize}; set --device-batch-size or --total-batch-size`,
  );
  const optimizer = optimizerSettings(
    pick(config, Object.keys(OPTIMIZER_DEFAULTS) as (keyof OptimizerSettings)[]),
  );
  const resolved = { ...config, width, heads, kvHeads, headDim: width / heads, deviceBatchSize: rows };
  return { config: resolved, model, optimizer, accumulation: stepRows / rows };
}

/** The same configuration for a tokenizer of `vocabSize` ids. */
export const withVocabSize = (resolved: ResolvedConfig, vocabSize: number): ResolvedConfig => ({
  ...resolved,
  model: { ...resolved.model, vocabSize },
});

/** The number of ids for a configured vocabulary size: 256 means plain bytes plus the 4 specials. */
const effectiveVocabSize = (vocabSize: number): number => (vocabSize === 256 ? 260 : vocabSize);

/** Settings that are derived from another one unless they are set. */
export const DERIVED = { width: 'aspectRatio', heads: 'headDim' } as const;

/**
 * Checks settings from outside (options, a JSON file, tuned parameters) and merges them into a configuration. An
 * `aspectRatio` without a `width` also clears the base's width, and a `headDim` without `heads` its heads, which would
 * otherwise override them. Where both are set, width and heads win.
 * @throws UsageError naming an unknown setting or a value of the wrong type
 */
export function overrideConfig(base: TrainConfig, overrides: Readonly<Record<string, unknown>>): TrainConfig {
  checkSettings(overrides);
  const merged: Record<string, unknown> = { ...base, ...overrides };
  for (const [derived, from] of Object.entries(DERIVED))
    if (Object.hasOwn(overrides, from) && !Object.hasOwn(overrides, derived)) merged[derived] = null;
  return merged as unknown as TrainConfig;
}

/** @throws UsageError naming an unknown setting or a value of the wrong type */
function checkSettings(settings: object): void {
  for (const [name, value] of Object.entries(settings)) {
    expect(Object.hasOwn(TRAIN_DEFAULTS, name), () => {
      const known = Object.keys(TRAIN_DEFAULTS);
      return `Unknown setting "${name}"${suggestion(name, known, `; known: ${known.join(', ')}`)}`;
    });
    const known = TRAIN_DEFAULTS[name as keyof TrainConfig];
    const nullable = known === null || name === 'evalTokens';
    const wanted = known === null ? 'number' : typeof known;
    expect(
      typeof value === wanted || (nullable && value === null),
      () => `Expected ${name} to be a ${wanted}, got ${JSON.stringify(value)} (${typeof value})`,
    );
  }
}

function pick<T, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, K>;
}
