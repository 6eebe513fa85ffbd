// Every setting of TrainConfig as a command-line option, and how a run's configuration is built:
// preset, then --config FILE, then options.

import { expect } from '../base/errors.js';
import { flagOf } from '../base/names.js';
import { readJsonFile } from '../base/textFile.js';
import { isObject } from '../base/valid.js';
import { ACTIVATIONS } from '../model/config.js';
import { DERIVED, overrideConfig, resolveConfig, TRAIN_DEFAULTS, type TrainConfig } from '../train/config.js';
import { PRESET_NAMES, presetConfig } from '../train/presets.js';
import { choice, flag, group, integer, number, type Option, text } from './options.js';

/** What each setting means. */
export const DESCRIPTIONS: Readonly<Record<keyof TrainConfig, string>> = {
  depth: 'number of layers',
  width: 'residual width (default: depth x aspect ratio)',
  aspectRatio: 'width per layer, rounded up to whole heads',
  headDim: 'width of an attention head',
  heads: 'query heads (default: width / head-dim)',
  kvHeads: 'key and value heads (default: as many as query heads)',
  vocabSize: 'vocabulary size; 256 means plain bytes',
  seqLen: 'sequence length in tokens',
  windowPattern: 'attention window of each layer, repeated: S short, L long',
  shortWindowFraction: 'short window as a fraction of the sequence length',
  ropeBase: 'base of the rotary embeddings',
  softcap: 'soft cap on the logits',
  valueEmbeds: 'value embeddings on alternating layers; --no-value-embeds leaves them out',
  valueEmbedStride: 'value embeddings on every so many layers, the last included; 1: on all',
  bigramRows: 'rows of the hashed bigram embedding, a power of two; 0: none',
  trigramRows: 'rows of the hashed trigram embedding, a power of two; 0: none',
  activation: 'activation of the MLP',
  qkNorm: 'norm of queries and keys; --no-qk-norm leaves it out',
  tiedHead: 'lm_head shares the token embedding',
  initScale: 'scale of the initial weight matrices',
  x0Init: 'initial x0 lambdas',
  residInit: 'initial resid lambdas',
  deviceBatchSize: 'sequences per forward and backward pass',
  recompute: 'recompute activations in the backward pass: less memory, a third more time',
  totalBatchSize: 'tokens per optimizer step',
  evalTokens: 'validation tokens scored at the end (default: up to a quarter of those trained)',
  untimedSteps: 'first steps, not counted against a budget in seconds',
  embeddingLr: 'AdamW learning rate of the token and value embeddings',
  unembeddingLr: 'AdamW learning rate of lm_head',
  matrixLr: 'Muon learning rate of the block matrices',
  scalarLr: 'AdamW learning rate of the per-layer scalars',
  adamBeta1: 'AdamW beta1',
  adamBeta2: 'AdamW beta2',
  x0Beta1: 'AdamW beta1 of the x0 lambdas',
  adamEps: 'AdamW epsilon',
  weightDecay: 'Muon cautious weight decay',
  embeddingWeightDecay: 'AdamW weight decay of the token embedding',
  valueEmbeddingWeightDecay: 'AdamW weight decay of the value embeddings',
  unembeddingWeightDecay: 'AdamW weight decay of lm_head',
  scalarWeightDecay: 'AdamW weight decay of the per-layer scalars',
  muonMomentum: 'Muon momentum after the momentum warm-up',
  muonMomentumStart: 'Muon momentum at step 0',
  muonMomentumWarmup: 'steps of the momentum warm-up',
  muonBeta2: 'NorMuon second-moment decay',
  nsSteps: 'Polar Express iterations',
  warmupRatio: 'fraction of the budget spent on warm-up',
  warmdownRatio: 'fraction of the budget spent on warm-down',
  finalLrFrac: 'final learning rate as a fraction of the initial',
};

/** Settings that count something. */
const INTEGERS: ReadonlySet<string> = new Set<keyof TrainConfig>([
  ...(['valueEmbedStride', 'bigramRows', 'trigramRows'] as const),
  ...(['depth', 'width', 'headDim', 'heads', 'kvHeads', 'vocabSize', 'seqLen', 'deviceBatchSize'] as const),
  ...(['totalBatchSize', 'evalTokens', 'untimedSteps', 'muonMomentumWarmup', 'nsSteps'] as const),
]);

/** Options for every setting, --preset and --config. */
export const SETTING_OPTIONS = {
  ...group('Configuration:', {
    preset: text(`${PRESET_NAMES.join(', ')} (default: cpu on a CPU, tinystories on a GPU)`, {
      placeholder: 'name',
    }),
    config: text('JSON file of settings that override the preset; comments are allowed', {
      placeholder: 'file',
    }),
  }),
  ...group(
    'Settings (defaults come from the preset):',
    Object.fromEntries(
      Object.entries(DESCRIPTIONS).map(([name, describe]) => {
        const value = TRAIN_DEFAULTS[name as keyof TrainConfig];
        if (name === 'activation') return [name, choice(ACTIVATIONS, describe)];
        if (typeof value === 'string') return [name, text(describe)];
        if (typeof value === 'boolean') return [name, flag(describe)];
        return [name, INTEGERS.has(name) ? integer(describe) : number(describe)];
      }),
    ) as Record<keyof TrainConfig, Option<unknown>>,
  ),
};

/** Settings given as options. */
export function givenSettings(args: Readonly<Record<string, unknown>>): Partial<TrainConfig> {
  const names = Object.keys(TRAIN_DEFAULTS).filter((name) => args[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, args[name]])) as Partial<TrainConfig>;
}

/**
 * The configuration of a run and the preset that it starts from.
 * @param defaultPreset when neither --preset nor the file names one
 * @throws UsageError on an unknown preset or setting, or an unreadable file
 */
export function configFromArguments(
  args: Readonly<Record<string, unknown>>,
  defaultPreset: string,
): { preset: string; config: TrainConfig } {
  const { preset: filePreset, ...fromFile } =
    typeof args.config === 'string' ? readSettings(args.config) : {};
  const preset = String(args.preset ?? filePreset ?? defaultPreset);
  const base = presetConfig(preset);
  const given = givenSettings(args);
  const config = overrideConfig(overrideConfig(base, fromFile), given);
  for (const [derived, from] of Object.entries(DERIVED) as [keyof typeof DERIVED, keyof TrainConfig][]) {
    if (given[derived] === undefined || given[from] === undefined) continue;
    const worked = resolveConfig({ ...config, [derived]: null }).config[derived];
    expect(
      worked === given[derived],
      () =>
        `Expected ${flagOf(derived)} and ${flagOf(from)} to agree, got ${given[derived]} and ${given[from]}, which gives ${worked}; set one of them`,
    );
  }
  return { preset, config };
}

function readSettings(path: string): Record<string, unknown> {
  const settings = readJsonFile(path, '--config');
  expect(isObject(settings), () => `Expected --config ${path} to hold a JSON object of settings`);
  const { _study, ...rest } = settings; // what a study's best.json says about itself
  return rest;
}
