// Random models for `tinygpt verify --random`: irregular sizes, windows, grouped queries, value embeddings, weights, tokens
// and optimizer settings, all determined by a seed.
//
// B batch, T sequence, N = B * T tokens, C width, H query heads, G kv heads, D head width, V vocabulary, L layers.

import { expect } from '../base/errors.js';
import { counted } from '../base/format.js';
import { type Random, randomStream } from '../base/random.js';
import type { NamedArray } from '../base/safetensors.js';
import type { Valid } from '../base/valid.js';
import type { Batch } from '../data/types.js';
import {
  ACTIVATIONS,
  GATE_CHANNELS,
  headDim,
  MODEL_DEFAULTS,
  type ModelConfig,
  modelConfig,
  type ParameterRole,
  parameterShapes,
} from '../model/config.js';
import { flopsPerToken } from '../model/flops.js';
import { type OptimizerSettings, optimizerSettings, parameterGroups } from '../optim/groups.js';

/** Sizes of the models: for tests, for a CPU, for a GPU. */
export const CASE_SIZES = ['small', 'medium', 'large'] as const;
export type CaseSize = (typeof CASE_SIZES)[number];

/** One model with its batch and optimizer. */
export interface RandomCase {
  seed: number;
  size: CaseSize;
  model: Valid<ModelConfig>;
  batch: number;
  seq: number;
  /** Fraction of the targets that are -1. */
  ignored: number;
  optimizer: Valid<OptimizerSettings>;
}

/** Upper limits of the sizes and of the work of a case. */
interface Limits {
  width: number;
  layers: number;
  batch: number;
  seq: number;
  vocab: number;
  flops: number;
}

const LIMITS: Record<CaseSize, Limits> = {
  small: { width: 96, layers: 2, batch: 2, seq: 48, vocab: 300, flops: 2e8 },
  medium: { width: 512, layers: 4, batch: 3, seq: 300, vocab: 3000, flops: 2e10 },
  large: { width: 1536, layers: 6, batch: 4, seq: 1500, vocab: 20_000, flops: 2e12 },
};

/**
 * Head widths that kernels treat differently; other even numbers from 8 on are drawn as well. Narrower heads have too few
 * numbers for their norm in bf16: where they nearly cancel, rounding decides its direction.
 */
const HEAD_WIDTHS = [16, 32, 64, 96, 128, 192, 256];

/** Draws the case of a seed; the same on every machine. @throws UsageError unless the seed is an integer >= 0 */
export function drawCase(seed: number, size: CaseSize): RandomCase {
  expect(
    Number.isSafeInteger(seed) && seed >= 0,
    () => `Expected a seed that is an integer >= 0, got ${seed}; set --seed`,
  );
  const random = randomStream(seed, `verify.${size}`);
  const switches = drawSwitches(randomStream(seed, `verify.${size}.switches`));
  for (;;) {
    const drawn = { seed, size, ...drawSizes(random, LIMITS[size], switches) };
    if (workOf(drawn) <= LIMITS[size].flops) return drawn;
  }
}

/** In a third of the cases, some of the model's parts that are not the reference's. */
function drawSwitches(random: Random): Partial<ModelConfig> {
  if (random.uniform() > 1 / 3) return {};
  const chance = () => random.uniform() < 0.5;
  return {
    activation: ACTIVATIONS[random.int(ACTIVATIONS.length)]!,
    qkNorm: chance(),
    tiedHead: chance(),
    valueEmbedStride: chance() ? 1 : 2,
    bigramRows: chance() ? 2 ** random.int(10) : 0,
    trigramRows: chance() ? 2 ** random.int(10) : 0,
  };
}

function drawSizes(
  random: Random,
  limits: Limits,
  switches: Partial<ModelConfig>,
): Omit<RandomCase, 'seed' | 'size'> {
  const between = (low: number, high: number) => low + random.int(high - low + 1);
  const chance = (probability: number) => random.uniform() < probability;
  const uniform = (low: number, high: number) => low + (high - low) * random.uniform();
  const pick = <T>(items: readonly T[]): T => items[random.int(items.length)]!;
  const wide = HEAD_WIDTHS.filter((D) => D <= limits.width);
  const D = chance(0.6) ? pick(wide) : 2 * between(4, Math.min(128, limits.width / 2));
  const H = between(
    Math.ceil(GATE_CHANNELS / D),
    Math.max(Math.ceil(GATE_CHANNELS / D), Math.floor(limits.width / D)),
  );
  const G = pick(divisors(H));
  const T = between(Math.ceil(limits.seq / 4), limits.seq);
  const model = modelConfig({
    vocabSize: between(Math.ceil(limits.vocab / 8), limits.vocab),
    // Rotary tables and windows may be longer than the batch's rows.
    seqLen: T + (chance(0.25) ? between(1, T) : 0),
    depth: between(1, limits.layers),
    heads: H,
    kvHeads: G,
    width: H * D,
    windowPattern: Array.from({ length: between(1, 4) }, () => pick(['S', 'L'])).join(''),
    shortWindowFraction: uniform(0.02, 1),
    ropeBase: Math.round(10 ** uniform(2, 5)),
    // Above 30 the loss needs the maximum of the logits.
    softcap: Math.round(uniform(5, 40)),
    valueEmbeds: chance(0.75),
    ...switches,
  });
  return {
    model,
    batch: between(1, limits.batch),
    seq: T,
    ignored: chance(0.5) ? uniform(0, 0.5) : 0,
    optimizer: optimizerSettings({
      weightDecay: chance(0.5) ? uniform(0, 0.4) : 0,
      embeddingWeightDecay: chance(0.5) ? uniform(0, 0.1) : 0,
      adamBeta1: uniform(0.5, 0.99),
      adamBeta2: uniform(0.9, 0.999),
      muonBeta2: uniform(0.9, 0.99),
      muonMomentumStart: uniform(0.5, 0.95),
      nsSteps: between(3, 5),
    }),
  };
}

const divisors = (n: number): number[] =>
  Array.from({ length: n }, (_, i) => i + 1).filter((divisor) => n % divisor === 0);

/** Approximate FLOPs of loss, gradients and two optimizer steps. */
function workOf({ model, batch, seq, optimizer }: RandomCase): number {
  let work = 1.5 * batch * seq * flopsPerToken(model);
  for (const group of parameterGroups(model, optimizer)) {
    if (group.kind !== 'muon') continue;
    const [long, short] = [Math.max(...group.shape), Math.min(...group.shape)];
    // Polar Express: a Gram matrix, its square, and their product with the matrix.
    work += 2 * group.params.length * optimizer.nsSteps * (4 * short ** 2 * long + 2 * short ** 3);
  }
  return work;
}

/**
 * Weights by name, scaled so that activations keep their magnitude from layer to layer and logits reach the soft cap: every
 * gradient then has a signal. (A model's own initial values contain zeros.)
 */
export function drawWeights({ seed, model }: RandomCase): Map<string, NamedArray> {
  const weights = new Map<string, NamedArray>();
  for (const { name, shape, size, role } of parameterShapes(model)) {
    const random = randomStream(seed, `verify.${name}`);
    const scale = spread(role, shape.at(-1)!);
    const middle = role === 'residScalar' ? 1 : 0;
    const values = new Float32Array(size).map(() => middle + scale * random.normal());
    weights.set(name, { shape, values });
  }
  return weights;
}

/** Standard deviation of weights that multiply `columns` numbers. */
function spread(role: ParameterRole, columns: number): number {
  switch (role) {
    case 'residScalar':
    case 'x0Scalar':
      return 0.3;
    case 'embedding':
    case 'ngramEmbedding':
    case 'valueEmbedding':
      return 1;
    case 'head':
      return 3 / Math.sqrt(columns);
    default:
      return 1 / Math.sqrt(columns);
  }
}

/** Tokens and targets, some of which are -1. */
export function drawBatch({ seed, model, batch, seq, ignored }: RandomCase): Batch {
  const random = randomStream(seed, 'verify.batch');
  const inputs = Int32Array.from({ length: batch * seq }, () => random.int(model.vocabSize));
  const targets = inputs.map(() => (random.uniform() < ignored ? -1 : random.int(model.vocabSize)));
  // At least one target must count.
  if (targets.every((id) => id < 0)) targets[0] = 0;
  return { inputs, targets, epoch: 1 };
}

/** The parts of a model that differ from the reference's, each followed by a comma. */
const switchesOf = (model: ModelConfig): string =>
  (['activation', 'qkNorm', 'tiedHead', 'valueEmbedStride', 'bigramRows', 'trigramRows'] as const)
    .filter((name) => model[name] !== MODEL_DEFAULTS[name])
    .map((name) => `${name} ${model[name]}, `)
    .join('');

/** Describes the case on one line. */
export function describeCase(drawn: RandomCase): string {
  const { model, batch, seq, seed, size, ignored, optimizer } = drawn;
  const { depth, heads, kvHeads, width, vocabSize, seqLen, windowPattern, valueEmbeds } = model;
  return (
    `seed ${seed} ${size}: ${batch} x ${seq} tokens${seqLen > seq ? ` of ${seqLen}` : ''}, ` +
    `${counted(depth, 'layer')} of width ${width}, ${counted(heads, 'head')} of ${headDim(model)} (${kvHeads} kv), ${vocabSize} ids, ` +
    `windows ${windowPattern} ${model.shortWindowFraction.toFixed(2)}, ${valueEmbeds ? '' : 'no '}value embeddings, ` +
    `${switchesOf(model)}softcap ${model.softcap}, ${Math.round(100 * ignored)}% ignored, ${optimizer.nsSteps} Muon iterations`
  );
}
