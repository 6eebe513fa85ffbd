// Every setting of TrainConfig as a command-line option, and how a run's configuration is put together:
// preset, then --config FILE, then options.

import { expect } from '../base/errors.js';
import { flagOf } from '../base/names.js';
import { readJsonFile } from '../base/textFile.js';
import { isObject } from '../base/valid.js';
import { DERIVED, overrideConfig, resolveConfig, TRAIN_DEFAULTS, type TrainConfig } from '../train/config.js';
import { PRESET_NAMES, presetConfig } from '../train/presets.js';
import { flag, group, integer, number, type Option, text } from './options.js';

const DESCRIPTIONS: Record<keyof TrainConfig, string> = {
  depth: 'layers',
  width: 'residual width (default: depth x aspect ratio)',
  aspectRatio: 'width per layer, rounded up to whole heads',
  headDim: 'width of an attention head',
  heads: 'query heads (default: width / head-dim)',
  kvHeads: 'key and value heads (default: as query heads)',
  vocabSize: 'ids in the vocabulary; 256 = plain bytes',
  seqLen: 'tokens a row',
  windowPattern: 'attention windows by layer: S short, L long',
  shortWindowFraction: 'short window as a fraction of a row',
  ropeBase: 'base of the rotary frequencies',
  softcap: 'soft cap of the logits',
  valueEmbeds: 'value embeddings on alternating layers; --no-value-embeds leaves them out',
  initScale: 'factor on the initial matrices',
  x0Init: 'initial x0 lambda',
  residInit: 'initial resid lambda',
  deviceBatchSize: 'rows of one pass',
  recompute: 'recompute activations in the backward pass: less memory, a third more time',
  totalBatchSize: 'tokens of one optimizer step',
  evalTokens: 'validation tokens scored at the end (default: up to a quarter of those trained)',
  untimedSteps: 'first steps that the time budget leaves out',
  embeddingLr: 'AdamW rate of the token and value embeddings',
  unembeddingLr: 'AdamW rate of lm_head',
  matrixLr: 'Muon rate of the block matrices',
  scalarLr: 'AdamW rate of the per-layer scalars',
  adamBeta1: 'AdamW beta1',
  adamBeta2: 'AdamW beta2',
  x0Beta1: 'AdamW beta1 of the x0 lambdas',
  adamEps: 'AdamW epsilon',
  weightDecay: 'Muon cautious weight decay',
  embeddingWeightDecay: 'AdamW decay of the token embedding',
  valueEmbeddingWeightDecay: 'AdamW decay of the value embeddings',
  unembeddingWeightDecay: 'AdamW decay of lm_head',
  scalarWeightDecay: 'AdamW decay of the per-layer scalars',
  muonMomentum: 'Muon momentum after its warm-up',
  muonMomentumStart: 'Muon momentum at step 0',
  muonMomentumWarmup: 'steps of the momentum warm-up',
  muonBeta2: 'NorMuon second-moment decay',
  nsSteps: 'Polar Express iterations',
  warmupRatio: 'fraction of the budget for warm-up',
  warmdownRatio: 'fraction of the budget for warm-down',
  finalLrFrac: 'final rate as a fraction of the initial',
};

/** Settings that count something. */
const INTEGERS: ReadonlySet<string> = new Set<keyof TrainConfig>([
  ...(['depth', 'width', 'headDim', 'heads', 'kvHeads', 'vocabSize', 'seqLen', 'deviceBatchSize'] as const),
  ...(['totalBatchSize', 'evalTokens', 'untimedSteps', 'muonMomentumWarmup', 'nsSteps'] as const),
]);

/** Options for every setting, --preset and --config. */
export const SETTING_OPTIONS = {
  ...group('Configuration:', {
    preset: text(`${PRESET_NAMES.join(', ')} (default: cpu on a CPU, tinystories on a GPU)`, {
      placeholder: 'name',
    }),
    config: text('JSON file of settings laid over the preset; comments are allowed', { placeholder: 'file' }),
  }),
  ...group(
    'Settings (defaults come from the preset):',
    Object.fromEntries(
      Object.entries(DESCRIPTIONS).map(([name, describe]) => {
        const value = TRAIN_DEFAULTS[name as keyof TrainConfig];
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
  return settings;
}
