// Causal attention with a sliding window and grouped queries (karpathy/autoresearch, train.py; window rule of flash
// attention). B batch, T sequence, N = B*T, H query heads, G kv heads, D head width.
//
// Fused kernels (optional):
//   CausalAttention {q [N,H*D], k [N,G*D], v [N,G*D]} attrs {batch, seq, heads, kvHeads, window}
//     -> [y [N,H*D], lse [N,H]] (lse: log of the row's sum of exponentials)
//   CausalAttentionGrad {q, k, v, y, lse, dy} attrs as above -> [dq, dk, dv]

import * as tf from '@tensorflow/tfjs-core';
import { expect } from '../base/errors.js';
import { differentiable } from './differentiable.js';
import { hasKernel, runFused } from './fused.js';

/** Sizes of an attention: batch B, seq T, heads H, kvHeads G (a divisor of H), window in tokens. */
export interface AttentionShape {
  batch: number;
  seq: number;
  heads: number;
  kvHeads: number;
  window: number;
}

/**
 * softmax(q k^T / sqrt(D)) v for q [N,H*D], k and v [N,G*D] -> [N,H*D]. Query i sees the keys j of its own sequence
 * with i - window <= j <= i; query head h reads kv head floor(h / (H/G)).
 * @throws UsageError when the shapes do not fit together
 */
export function causalAttention(
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  shape: AttentionShape,
): tf.Tensor2D {
  const { batch, seq, heads, kvHeads, window } = shape;
  const rows = batch * seq;
  const width = q.shape[1] / heads;
  expect(
    q.shape[0] === rows &&
      Number.isInteger(width) &&
      heads % kvHeads === 0 &&
      tf.util.arraysEqual(k.shape, [rows, kvHeads * width]) &&
      tf.util.arraysEqual(k.shape, v.shape) &&
      window >= 0,
    () =>
      `Expected q [N,H*D], k and v [N,G*D] with N = batch * seq, H a multiple of G and window >= 0, got ` +
      `[${q.shape}], [${k.shape}], [${v.shape}] and ${JSON.stringify(shape)}`,
  );
  return differentiable([q, k, v], () => {
    if (hasKernel('CausalAttention')) {
      const [y, lse] = runFused('CausalAttention', { q, k, v }, { ...shape });
      return {
        value: y as tf.Tensor2D,
        saved: [q, k, v, y!, lse!],
        backward: (dy, [q, k, v, y, lse]) =>
          runFused('CausalAttentionGrad', { q: q!, k: k!, v: v!, y: y!, lse: lse!, dy }, { ...shape }),
      };
    }
    const group = heads / kvHeads;
    // [N, G*group*D] -> [B*G, group*T, D]: the queries of one group are rows of one product, so k and v are not repeated.
    const splitQ = (x: tf.Tensor) =>
      tf.reshape(tf.transpose(tf.reshape(x, [batch, seq, heads, width]), [0, 2, 1, 3]), [
        batch * kvHeads,
        group * seq,
        width,
      ]);
    const splitKv = (x: tf.Tensor) =>
      tf.reshape(tf.transpose(tf.reshape(x, [batch, seq, kvHeads, width]), [0, 2, 1, 3]), [
        batch * kvHeads,
        seq,
        width,
      ]);
    const join = (x: tf.Tensor, n: number) =>
      tf.reshape(tf.transpose(tf.reshape(x, [batch, n, seq, width]), [0, 2, 1, 3]), [
        rows,
        n * width,
      ]) as tf.Tensor2D;
    const scale = 1 / Math.sqrt(width);
    const q3 = splitQ(q);
    const k3 = splitKv(k);
    const v3 = splitKv(v);
    const scores = tf.mul(tf.matMul(q3, k3, false, true), scale);
    const masked = tf.add(tf.reshape(scores, [batch * heads, seq, seq]), windowMask(seq, window));
    const p = tf.reshape(tf.softmax(masked), [batch * kvHeads, group * seq, seq]);
    return {
      value: join(tf.matMul(p, v3), heads),
      saved: [q3, k3, v3, p],
      backward: (dy, [q3, k3, v3, p]) => {
        const dy3 = splitQ(dy);
        const dv = tf.matMul(p!, dy3, true, false);
        const dp = tf.matMul(dy3, v3!, false, true);
        const along = tf.sum(tf.mul(dp, p!), -1, true);
        const ds = tf.mul(tf.mul(p!, tf.sub(dp, along)), scale);
        const dq = tf.matMul(ds, k3!);
        const dk = tf.matMul(ds, q3!, true, false);
        return [join(dq, heads), join(dk, kvHeads), join(dv, kvHeads)];
      },
    };
  });
}

/** [T,T]: zero where query i sees key j, a large negative number elsewhere. */
function windowMask(seq: number, window: number): tf.Tensor2D {
  const mask = new Float32Array(seq * seq).fill(-1e30);
  for (let i = 0; i < seq; i++) mask.fill(0, i * seq + Math.max(0, i - window), i * seq + i + 1);
  return tf.tensor2d(mask, [seq, seq]);
}
