// Self-attention from its input on, as one operation where the backend has a kernel for it (karpathy/autoresearch, train.py:
// CausalSelfAttention.forward without c_proj). N tokens, C width, H query heads, G kv heads, D head width, T sequence.

import * as tf from '@tensorflow/tfjs-core';
import type { AttentionShape } from '../backend/contract.js';
import { hasKernel, runFused } from '../backend/fused.js';
import { expect } from '../base/errors.js';
import { causalAttention } from './attention.js';
import { differentiable, optional } from './differentiable.js';
import { linear } from './linear.js';
import { RMS_EPSILON } from './norm.js';
import { rotary, rotaryQkNorm } from './rotary.js';
import { gatedValueEmbedding } from './valueEmbedding.js';

/** What queries, keys and values are made of. */
export interface AttentionInput {
  /** [N, C] */
  x: tf.Tensor2D;
  /** [H*D, C], [G*D, C], [G*D, C] */
  wq: tf.Tensor2D;
  wk: tf.Tensor2D;
  wv: tf.Tensor2D;
  /** Of the rows' positions, [T, D/2]. */
  cos: tf.Tensor2D;
  sin: tf.Tensor2D;
  /** Whether heads of queries and keys are normed after they are turned. */
  qkNorm: boolean;
  /** Value embeddings [N, G*D] and the weight of their gate [G, K], if the layer has them. */
  values?: { ve: tf.Tensor2D; gateWeight: tf.Tensor2D };
}

/** Queries [N, H*D], keys and values [N, G*D]. */
export type Heads = { q: tf.Tensor2D; k: tf.Tensor2D; v: tf.Tensor2D };

/**
 * Rotated queries and keys, normed if so wanted, and values, gated embeddings added.
 * @throws UsageError when the shapes do not fit together
 */
export function attentionHeads(
  { x, wq, wk, wv, cos, sin, qkNorm, values }: AttentionInput,
  { heads, kvHeads }: { heads: number; kvHeads: number },
): Heads {
  const rotate = qkNorm ? rotaryQkNorm : rotary;
  const q = rotate(linear(x, wq), cos, sin, { heads });
  const k = rotate(linear(x, wk), cos, sin, { heads: kvHeads });
  const v = linear(x, wv);
  return { q, k, v: values ? gatedValueEmbedding(v, values.ve, x, values.gateWeight) : v };
}

/**
 * `causalAttention` of `attentionHeads`: [N, H*D].
 * @throws UsageError when the shapes do not fit together
 */
export function selfAttention(input: AttentionInput, shape: AttentionShape): tf.Tensor2D {
  if (!hasKernel('SelfAttention') || !input.qkNorm) {
    const { q, k, v } = attentionHeads(input, shape);
    return causalAttention(q, k, v, shape);
  }
  const { x, wq, wk, wv, cos, sin, values } = input;
  const { batch, seq, heads, kvHeads, window } = shape;
  const kv = (wq.shape[0] / heads) * kvHeads;
  const [rows, width] = x.shape;
  expect(
    rows === batch * seq &&
      cos.shape[0] === seq &&
      2 * heads * cos.shape[1] === wq.shape[0] &&
      tf.util.arraysEqual(cos.shape, sin.shape) &&
      heads % kvHeads === 0 &&
      window >= 0 &&
      [wq, wk, wv].every((w) => w.shape[1] === width) &&
      wk.shape[0] === kv &&
      wv.shape[0] === kv &&
      (!values ||
        (tf.util.arraysEqual(values.ve.shape, [rows, kv]) &&
          values.gateWeight.shape[0] === kvHeads &&
          values.gateWeight.shape[1] <= width)),
    () =>
      `Expected x [N,C] with N = batch * seq, weights [H*D,C] and [G*D,C], cos and sin [T,D/2], value embeddings [N,G*D] and ` +
      `a gate [G,K] with K <= C, got ${[x, wq, wk, wv, cos, sin, ...Object.values(values ?? {})]
        .map(({ shape }) => `[${shape}]`)
        .join(', ')} and ${JSON.stringify(shape)}`,
  );
  const { ve, gateWeight } = values ?? {};
  const inputs = [x, wq, wk, wv, ...(ve && gateWeight ? [ve, gateWeight] : [])];
  return differentiable(inputs, () => {
    const given = { x, wq, wk, wv, cos, sin, ...optional({ ve, gateWeight }) };
    const [y, qkv, rstd, lse, gate] = runFused('SelfAttention', given, { ...shape, epsilon: RMS_EPSILON });
    const gating = ve && gateWeight && gate ? [ve, gateWeight, gate] : [];
    return {
      value: y,
      saved: [x, wq, wk, wv, cos, sin, y, qkv, rstd, lse, ...gating],
      backward: (dy, [x, wq, wk, wv, cos, sin, y, qkv, rstd, lse, ve, gateWeight, gate]) => {
        const kept = { x, wq, wk, wv, cos, sin, y, qkv, rstd, lse, ...optional({ ve, gateWeight, gate }) };
        return runFused('SelfAttentionGrad', { ...kept, dy }, shape) as tf.Tensor[];
      },
    };
  });
}
