// Search spaces over the trainer's settings. A parameter is a field of TrainConfig; log2_X is the exponent of X;
// passSize stands for deviceBatchSize, see `settingsOf`.

import { expect } from '../base/errors.js';
import { ACTIVATIONS } from '../model/config.js';
import { TRAIN_DEFAULTS, type TrainConfig } from '../train/config.js';
import { presetConfig } from '../train/presets.js';
import { categorical, float, int } from './distributions.js';
import { own } from './objects.js';
import { checkSpace, expandExponents, type TunableSpace } from './space.js';
import type { Attributes, Params, SearchSpace } from './types.js';

const WINDOW_PATTERNS = ['SSSL', 'SSLL', 'SLSL', 'LLLL', 'SSSS', 'LSSL'];

/** Learning rates, schedules and weight decay: the same ranges on every machine. */
const OPTIMIZER: SearchSpace = {
  embeddingLr: float(0.01, 2, { log: true }),
  unembeddingLr: float(0.0005, 0.05, { log: true }),
  matrixLr: float(0.005, 0.2, { log: true }),
  scalarLr: float(0.05, 2, { log: true }),
  weightDecay: float(0, 0.5),
  warmupRatio: float(0, 0.3),
  warmdownRatio: float(0.1, 0.8),
  finalLrFrac: float(0, 0.2),
};

/** What else the improvements found by hand in public studies of the reference changed. */
const BEYOND: SearchSpace = {
  ropeBase: float(1e3, 1e6, { log: true }),
  log2_shortWindowFraction: int(-4, -1),
  x0Init: float(0, 0.5),
  embeddingWeightDecay: float(0, 0.01),
  valueEmbeddingWeightDecay: float(0, 0.01),
  muonMomentum: float(0.85, 0.98),
};

/**
 * The 14 parameters of the published study (arXiv 2603.24647) and six more. The width takes the place of the aspect
 * ratio, whose rounding to whole heads made steps, and the size of a pass that of the device batch, with which only 30% of
 * random configurations fit into 78 GB.
 */
const REFERENCE: SearchSpace = {
  depth: int(4, 24),
  width: int(256, 2048, { step: 128 }),
  log2_headDim: int(6, 8),
  log2_passSize: int(16, 20),
  log2_totalBatchSize: int(16, 21),
  ...OPTIMIZER,
  windowPattern: categorical(WINDOW_PATTERNS),
  ...BEYOND,
};

/** A 12 GB card: smaller steps and models, since a trial sees fewer tokens. */
const CONSUMER: SearchSpace = {
  depth: int(2, 8),
  width: int(128, 768, { step: 64 }),
  log2_headDim: int(5, 6),
  log2_deviceBatchSize: int(3, 6),
  log2_totalBatchSize: int(13, 17),
  ...OPTIMIZER,
  windowPattern: categorical(WINDOW_PATTERNS),
  ...BEYOND,
};

/** Two CPU cores: what changes the result within seconds. */
const CPU: SearchSpace = {
  depth: int(2, 6),
  width: int(64, 256, { step: 32 }),
  log2_headDim: int(4, 5),
  log2_totalBatchSize: int(9, 12),
  ...OPTIMIZER,
  windowPattern: categorical(['SSSL', 'SL', 'LLLL']),
  x0Init: float(0, 0.5),
  muonMomentum: float(0.85, 0.98),
};

/** Parts of the model that the reference does not have, for the spaces whose names end in -structure. */
const STRUCTURE: SearchSpace = {
  activation: categorical([...ACTIVATIONS]),
  qkNorm: categorical([true, false]),
  tiedHead: categorical([false, true]),
  valueEmbeds: categorical([true, false]),
  valueEmbedStride: categorical([2, 1], { when: { valueEmbeds: true } }),
  bigramRows: categorical([0, 2 ** 12, 2 ** 14, 2 ** 16]),
  trigramRows: categorical([0, 2 ** 14, 2 ** 16]),
  nsSteps: int(3, 5),
};

const withStructure = (name: string, space: SearchSpace, preset: string) => ({
  [name]: { space, preset },
  [`${name}-structure`]: { space: { ...space, ...STRUCTURE }, preset },
});

/** Space -> the preset that its trials start from. */
const SPACES: Record<string, { space: SearchSpace; preset: string }> = {
  ...withStructure('reference', REFERENCE, 'autoresearch'),
  ...withStructure('consumer', CONSUMER, 'tinystories'),
  ...withStructure('cpu', CPU, 'cpu'),
};

export const SPACE_NAMES = Object.keys(SPACES);

/**
 * A named space with the preset that its trials start from, and that preset's values as defaults.
 * @param config gives the defaults instead, where they lie within the space
 * @throws UsageError listing the names
 */
export function trainSpace(name: string, config?: TrainConfig): { setup: TunableSpace; preset: string } {
  const entry = own(SPACES, name);
  expect(
    entry !== undefined,
    () => `Expected a space among ${SPACE_NAMES.join(', ')} or a file, got ${name}`,
  );
  const { space, preset } = entry;
  const values = configValues(Object.keys(space), config ?? presetConfig(preset));
  return { setup: checkSpace(space, {}, values), preset };
}

/**
 * The settings of a trial's parameters. passSize is rows x width x depth of one pass, which the memory of activations
 * is proportional to: deviceBatchSize is the largest power of two within it.
 * @param base settings that parameters leave alone
 */
export function settingsOf(params: Params, base: TrainConfig): Params {
  const { passSize, ...settings } = expandExponents(params);
  if (passSize === undefined) return settings;
  const rows = (passSize as number) / sizeOf({ ...base, ...settings });
  return { ...settings, deviceBatchSize: 2 ** Math.max(0, Math.floor(Math.log2(rows))) };
}

/** Width x depth. */
const sizeOf = ({
  depth,
  width,
  aspectRatio,
}: Pick<TrainConfig, 'depth' | 'width' | 'aspectRatio'>): number => depth * (width ?? depth * aspectRatio);

/**
 * What a configuration says about parameters; sizes that it leaves open are worked out, what has no value is left out.
 * @throws UsageError for a parameter that is no setting
 */
export function configValues(parameters: readonly string[], config: TrainConfig): Attributes {
  const width =
    config.width ?? Math.ceil((config.depth * config.aspectRatio) / config.headDim) * config.headDim;
  const heads = config.heads ?? width / config.headDim;
  const kvHeads = config.kvHeads ?? heads;
  const passSize = 2 ** Math.ceil(Math.log2(config.deviceBatchSize * sizeOf(config)));
  const settings: Attributes = { ...config, width, heads, kvHeads, passSize };
  const values = parameters.map((name) => {
    settingOf(name);
    const known = name.replace(/^log2_/, '');
    const value = settings[known];
    return [name, known === name || value === null ? value : Math.log2(value as number)];
  });
  return Object.fromEntries(values.filter(([, value]) => value !== null));
}

/** The setting that a parameter decides. @throws UsageError for an unknown one, listing all */
export function settingOf(parameter: string): string {
  const setting = parameter.replace(/^log2_/, '').replace(/^passSize$/, 'deviceBatchSize');
  expect(
    Object.hasOwn(TRAIN_DEFAULTS, setting),
    () =>
      `Parameter ${parameter} is not a setting of the trainer; known: ${Object.keys(TRAIN_DEFAULTS).join(', ')}`,
  );
  return setting;
}
