// The GPT of karpathy/autoresearch on tf.Tensor: token embedding and norm; in each layer a learned mix with
// the first residual, windowed attention with rotary positions, QK norm and gated value embeddings, and a
// ReLU^2 MLP; final norm and soft-capped logits. Source: class GPT of its train.py.
//
// B batch, T sequence, N = B * T tokens, C width, H query heads, G kv heads, D head width, V vocabulary.

/// <reference lib="esnext.disposable" preserve="true" />
import * as tf from '@tensorflow/tfjs-core';
import { expect } from '../base/errors.js';
import type { Valid } from '../base/valid.js';
import {
  type AttentionInput,
  add,
  embedding,
  gelu,
  linear,
  lmHeadCrossEntropy,
  lmHeadLogits,
  recomputed,
  reluSquaredMlp,
  residualMixNorm,
  rmsNorm,
  scale,
  selfAttention,
  swiglu,
} from '../ops/index.js';
import { hasValueEmbedding, headDim, type ModelConfig, parameterShapes, windowSizes } from './config.js';
import { initialWeights } from './init.js';
import { ngramTables } from './ngrams.js';
import { rotaryTables } from './rotary.js';
import { type NamedArrays, weightsMismatch } from './weights.js';

/** A model on the current backend. Owns its tensors: declare it with `using`, or call `dispose` when done. */
export interface Gpt extends Disposable {
  readonly config: Valid<ModelConfig>;
  /** Trainable parameters by the reference's names, in the order of its `parameters()`. */
  readonly params: ReadonlyMap<string, tf.Variable>;
  /** cos, sin: [T, D/2]. */
  readonly rotary: { readonly cos: tf.Tensor2D; readonly sin: tf.Tensor2D };
  /** Tokens back that each layer sees, [L]. */
  readonly windows: readonly number[];
  /** Frees every tensor of the model. */
  dispose(): void;
}

/**
 * Builds a model from a seed, or from given weights.
 * @param options.weights every parameter by name, in its shape, finite
 * @throws UsageError on other weights, or before a backend was chosen; nothing is allocated then
 */
export function createGpt(
  config: Valid<ModelConfig>,
  options: { seed: number | string } | { weights: NamedArrays },
): Gpt {
  const weights = 'weights' in options ? options.weights : initialWeights(config, options.seed);
  const problem = 'weights' in options ? weightsMismatch(config, weights) : null;
  expect(problem === null, () => problem!);
  expect(
    Object.keys(tf.engine().registryFactory).length > 0,
    () => "Expected a backend for the model, got none; call await useBackend('auto') first",
  );
  const params = new Map<string, tf.Variable>();
  const made: tf.Tensor[] = [];
  const dispose = () => tf.dispose(made);
  try {
    for (const { name, shape } of parameterShapes(config)) {
      const initial = tf.tensor(weights.get(name)!.values, shape, 'float32');
      made.push(initial);
      const variable = tf.variable(initial, true);
      params.set(name, variable);
      initial.dispose();
      made[made.length - 1] = variable;
    }
    const D = headDim(config);
    const { cos, sin } = rotaryTables(config.seqLen, D, config.ropeBase);
    const tables = [cos, sin].map((table) => {
      const tensor = tf.keep(tf.tensor2d(table, [config.seqLen, D / 2]));
      made.push(tensor);
      return tensor;
    });
    const rotary = { cos: tables[0]!, sin: tables[1]! };
    return { config, params, rotary, windows: windowSizes(config), dispose, [Symbol.dispose]: dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** The parameter `name`. @throws UsageError when the model has none of that name */
export function parameter(gpt: Gpt, name: string): tf.Variable {
  const variable = gpt.params.get(name);
  expect(variable !== undefined, () => `Expected a parameter of the model, got "${name}"`);
  return variable;
}

const matrix = (gpt: Gpt, name: string): tf.Tensor2D => parameter(gpt, name) as tf.Tensor as tf.Tensor2D;
const vector = (gpt: Gpt, name: string): tf.Tensor1D => parameter(gpt, name) as tf.Tensor as tf.Tensor1D;

/**
 * One layer. The caller provides attention, so that training and cached decoding share the rest.
 * @param x [N, C] residual stream
 * @param x0 [N, C] its first value
 * @param ids int32 [N]
 * @param tables cos and sin of the rows' positions, [N / batch, D/2]
 * @param attend -> [N, H*D]
 */
export function applyLayer(
  gpt: Gpt,
  layer: number,
  x: tf.Tensor2D,
  x0: tf.Tensor2D,
  ids: tf.Tensor1D,
  tables: Gpt['rotary'],
  attend: (input: AttentionInput) => tf.Tensor2D,
): tf.Tensor2D {
  const weight = (name: string) => matrix(gpt, `transformer.h.${layer}.${name}.weight`);
  const lambdas = [vector(gpt, 'resid_lambdas'), vector(gpt, 'x0_lambdas')] as const;
  const [mixed, h] = residualMixNorm(x, x0, ...lambdas, layer);
  const input: AttentionInput = {
    x: h,
    wq: weight('attn.c_q'),
    wk: weight('attn.c_k'),
    wv: weight('attn.c_v'),
    ...tables,
    qkNorm: gpt.config.qkNorm,
  };
  if (hasValueEmbedding(gpt.config, layer)) {
    const ve = embedding(matrix(gpt, `value_embeds.${layer}.weight`), ids);
    input.values = { ve, gateWeight: weight('attn.ve_gate') };
  }
  x = linear(attend(input), weight('attn.c_proj'), mixed);

  const normed = rmsNorm(x);
  const [fc, proj] = [weight('mlp.c_fc'), weight('mlp.c_proj')];
  switch (gpt.config.activation) {
    case 'reluSquared':
      return reluSquaredMlp(normed, fc, proj, x);
    case 'gelu':
      return linear(gelu(linear(normed, fc)), proj, x);
    case 'swiglu':
      return linear(swiglu(linear(normed, weight('mlp.c_gate')), linear(normed, fc)), proj, x);
  }
}

/** int32 [N]: ids, and where the model has n-gram tables their rows, as `modelInputs` lists them. */
export type TokenIds = tf.Tensor1D | readonly [ids: tf.Tensor1D, ...ngrams: tf.Tensor1D[]];

const idsOf = (tokens: TokenIds): tf.Tensor1D => (tokens instanceof tf.Tensor ? tokens : tokens[0]);

/**
 * The normalized token embedding, [N, C]: where the residual stream starts.
 * @throws UsageError without the rows of the model's n-gram tables
 */
export function embedTokens(gpt: Gpt, tokens: TokenIds): tf.Tensor2D {
  const [ids, ...ngrams] = tokens instanceof tf.Tensor ? [tokens] : tokens;
  const tables = ngramTables(gpt.config);
  expect(
    ngrams.length === tables.length,
    () => `Expected rows of ${tables.length} n-gram tables, got ${ngrams.length}; list them with modelInputs`,
  );
  const rows = (name: string, ids: tf.Tensor1D) => embedding(matrix(gpt, name), ids, { residual: true });
  const sum = tables.reduce(
    (sum, { name }, i) => add(sum, rows(name, ngrams[i]!)),
    rows('transformer.wte.weight', ids),
  );
  return rmsNorm(sum, { residual: true });
}

/** What the logits are products of: the normalized residual stream [N, C], scaled for a tied head, and the matrix [V, C]. */
export function headOperands(gpt: Gpt, x: tf.Tensor2D): [x: tf.Tensor2D, weight: tf.Tensor2D] {
  const { tiedHead, width } = gpt.config;
  return tiedHead
    ? [scale(x, 1 / width), matrix(gpt, 'transformer.wte.weight')]
    : [x, matrix(gpt, 'lm_head.weight')];
}

/** Rows of a pass, and whether the backward pass recomputes each layer's activations instead of keeping them. */
export interface PassShape {
  batch: number;
  seq: number;
  recompute?: boolean;
}

/** The parameters that a layer reads. */
const layerParameters = (gpt: Gpt, layer: number): tf.Variable[] =>
  parameterShapes(gpt.config)
    .filter((entry) => entry.layer === layer || entry.role === 'residScalar' || entry.role === 'x0Scalar')
    .map(({ name }) => parameter(gpt, name));

/**
 * The final normalized residual stream, from which logits are taken.
 * @param tokens rows of `seq` tokens
 * @returns [N, C]
 */
function hiddenStates(gpt: Gpt, tokens: TokenIds, shape: PassShape): tf.Tensor2D {
  const { batch, seq, recompute = false } = shape;
  const { heads, kvHeads, depth } = gpt.config;
  const ids = idsOf(tokens);
  expect(
    ids.size === batch * seq && seq <= gpt.config.seqLen,
    () =>
      `Expected batch * seq ids with seq <= ${gpt.config.seqLen}, got ${ids.size} ids for ${batch} x ${seq}`,
  );
  const whole = seq === gpt.config.seqLen;
  const half = gpt.rotary.cos.shape[1];
  const rowsOf = (table: tf.Tensor2D) => (whole ? table : tf.slice(table, [0, 0], [seq, half]));
  const x0 = embedTokens(gpt, tokens);
  let x = x0;
  for (let layer = 0; layer < depth; layer++) {
    const window = gpt.windows[layer]!;
    const apply = (x: tf.Tensor2D, x0: tf.Tensor2D) => {
      const tables = { cos: rowsOf(gpt.rotary.cos), sin: rowsOf(gpt.rotary.sin) };
      return applyLayer(gpt, layer, x, x0, ids, tables, (input) =>
        selfAttention(input, { batch, seq, heads, kvHeads, window }),
      );
    };
    // One scope a layer, so that temporary tensors are freed at once.
    x = tf.tidy(() => (recompute ? recomputed([x, x0], layerParameters(gpt, layer), apply) : apply(x, x0)));
  }
  return rmsNorm(x);
}

/**
 * Cross-entropy in nats of the next token; targets of -1 are ignored.
 * @param tokens [N]; @param targets int32 [N]
 * @returns scalar (`mean`, over the targets that count) or [N] (`none`, 0 where ignored)
 */
export function gptLoss(
  gpt: Gpt,
  tokens: TokenIds,
  targets: tf.Tensor1D,
  shape: PassShape,
  reduction: 'mean' | 'none' = 'mean',
): tf.Tensor {
  const [x, weight] = headOperands(gpt, hiddenStates(gpt, tokens, shape));
  return lmHeadCrossEntropy(x, weight, targets, { softcap: gpt.config.softcap, reduction });
}

/** The mean loss of [...modelInputs, targets], each int32 [N]. */
export const passLoss = (gpt: Gpt, inputs: readonly tf.Tensor1D[], shape: PassShape): tf.Scalar =>
  gptLoss(gpt, inputs.slice(0, -1) as unknown as TokenIds, inputs.at(-1)!, shape) as tf.Scalar;

/** Soft-capped logits, [N, V]. @param tokens [N] */
export function gptLogits(gpt: Gpt, tokens: TokenIds, shape: { batch: number; seq: number }): tf.Tensor2D {
  return tf.tidy(() =>
    lmHeadLogits(...headOperands(gpt, hiddenStates(gpt, tokens, shape)), gpt.config.softcap),
  );
}
