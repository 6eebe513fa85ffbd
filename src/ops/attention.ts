// Causal attention with a sliding window and grouped queries (karpathy/autoresearch, train.py; the window rule is
// flash attention's). B batch, T sequence, N = B*T, H query heads, G kv heads, D head width, Q = H/G queries a kv head.
//
// Queries are processed in blocks, each with only the keys in its window, so that no more than one block's scores are in
// memory. The probabilities are recomputed in the backward pass (Dao et al. 2022, algorithm 4), or kept when they are no
// larger than the other activations.

import * as tf from '@tensorflow/tfjs-core';
import { type Block, blockAt, blocksOf } from '../backend/attentionBlocks.js';
import type { AttentionShape } from '../backend/contract.js';
import { hasKernel, runFused } from '../backend/fused.js';
import { expect } from '../base/errors.js';
import { differentiable } from './differentiable.js';

/**
 * Queries a block. Short blocks skip more of the keys that no query sees, long ones make fewer calls: 128 was the
 * fastest on wasm for T from 256 to 1024.
 */
const BLOCK_LENGTH = 128;

/** Subtracted from the score of a masked key, once per token outside the window. */
const HUGE = 1e30;

/** Probabilities up to this many times the bytes of q are kept for the backward pass instead of recomputed. */
const KEEP_RATIO = 4;

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
  if (hasKernel('CausalAttention'))
    return differentiable([q, k, v], () => {
      const [y, lse] = runFused('CausalAttention', { q, k, v }, { ...shape });
      return {
        value: y,
        saved: [q, k, v, y, lse],
        backward: (dy, [q, k, v, y, lse]) =>
          runFused('CausalAttentionGrad', { q, k, v, y, lse, dy }, { ...shape }),
      };
    });
  return differentiable([q, k, v], () => {
    const { y, p } = attend(q, k, v, shape, keepsProbabilities(seq, width));
    return {
      value: y,
      saved: [q, k, v, y, ...(p ? [p] : [])],
      backward: (dy, [q, k, v, y, p]) => attendGrad(q, k, v, y, dy, shape, p),
    };
  });
}

const keepsProbabilities = (seq: number, width: number) => seq <= BLOCK_LENGTH && seq <= KEEP_RATIO * width;

/**
 * Number of values that attention with heads of `width` keeps for the backward pass besides q, k, v and y (`kept`), and
 * uses while it runs (`transient`).
 */
export function attentionFootprint(
  shape: AttentionShape,
  width: number,
): { kept: number; transient: number } {
  const { batch, seq, heads } = shape;
  // A fused kernel keeps one number per row, and the backend accounts for its scores.
  if (hasKernel('CausalAttention')) return { kept: 0, transient: 0 };
  // Later blocks reach as many keys as earlier ones or more; only the last one may be short.
  const last = Math.ceil(seq / BLOCK_LENGTH) - 1;
  const largest = [Math.max(0, last - 1), last].map((i) => blockAt(i, shape, BLOCK_LENGTH));
  const scores = largest.map(({ from, to, first }) => batch * heads * (to - from) * (to - first));
  const kept = keepsProbabilities(seq, width) ? batch * heads * seq * seq : 0;
  // In the backward pass: probabilities, their gradient, and two steps to the scores' gradient.
  return { kept, transient: 4 * Math.max(...scores) };
}

function attend(q: tf.Tensor2D, k: tf.Tensor2D, v: tf.Tensor2D, shape: AttentionShape, keep: boolean) {
  const { q4, k3, v3 } = split(q, k, v, shape);
  const parts = blocksOf(shape, BLOCK_LENGTH).map((block) =>
    tf.tidy(() => {
      const p = probabilities(rowsOf(q4, block), keysOf(k3, block), block, shape);
      return { y: tf.matMul(p, keysOf(v3, block)), p: keep ? p : undefined };
    }),
  );
  const ys = parts.map(({ y }) => y);
  return { y: merge(ys, shape), p: parts[0]!.p };
}

function attendGrad(
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  y: tf.Tensor2D,
  dy: tf.Tensor2D,
  shape: AttentionShape,
  kept?: tf.Tensor,
): tf.Tensor2D[] {
  const { batch, seq, heads, kvHeads } = shape;
  const width = q.shape[1] / heads;
  const { q4, k3, v3 } = split(q, k, v, shape);
  const dy4 = splitHeads(dy, heads, shape);
  // The softmax's gradient subtracts sum_j p_ij dp_ij, which is dy_i . y_i.
  const along4 = splitHeads(tf.sum(tf.reshape(tf.mul(dy, y), [batch * seq, heads, width]), -1), heads, shape);
  const dqs: tf.Tensor[] = [];
  let sums: { dk: tf.Tensor; dv: tf.Tensor } | undefined;
  for (const block of blocksOf(shape, BLOCK_LENGTH)) {
    const { dq, dk, dv } = tf.tidy(() => {
      const [qb, kb, vb, dyb] = [rowsOf(q4, block), keysOf(k3, block), keysOf(v3, block), rowsOf(dy4, block)];
      const p = kept ?? probabilities(qb, kb, block, shape);
      const dp = tf.matMul(dyb, vb, false, true);
      const ds = tf.mul(p, tf.sub(dp, rowsOf(along4, block)));
      const around = [
        [0, 0],
        [block.first, seq - block.to],
        [0, 0],
      ] as [number, number][];
      const place = (x: tf.Tensor) => (x.shape[1] === seq ? x : tf.pad(x, around));
      const dk = place(tf.matMul(ds, qb, true, false));
      const dv = place(tf.matMul(p, dyb, true, false));
      return {
        dq: tf.matMul(ds, kb),
        dk: sums ? tf.add(sums.dk, dk) : dk,
        dv: sums ? tf.add(sums.dv, dv) : dv,
      };
    });
    tf.dispose(sums);
    sums = { dk, dv };
    dqs.push(dq);
  }
  // q4 carries the scale, which is what dk needs; dq needs it once more.
  const scale = 1 / Math.sqrt(width);
  return [tf.mul(merge(dqs, shape), scale), join(sums!.dk, kvHeads, shape), join(sums!.dv, kvHeads, shape)];
}

/** softmax of the masked scores of a block: q [B*G,Q*n,D] (scaled), k [B*G,m,D] -> [B*G,Q*n,m]. */
function probabilities(
  q: tf.Tensor,
  k: tf.Tensor,
  { from, to, first }: Block,
  shape: AttentionShape,
): tf.Tensor {
  return tf.tidy(() => {
    const scores = tf.matMul(q, k, false, true);
    const distance = tf.sub(tf.reshape(tf.range(from, to), [to - from, 1]), tf.range(first, to));
    const outside = tf.add(tf.minimum(distance, 0), tf.minimum(tf.sub(shape.window, distance), 0));
    const byHead = [shape.batch * shape.heads, to - from, to - first];
    return tf.reshape(tf.softmax(tf.add(tf.reshape(scores, byHead), tf.mul(outside, HUGE))), scores.shape);
  });
}

/** q scaled and split into [B*G,Q,T,D], k and v into [B*G,T,D]: the queries of a group share one product with their keys. */
function split(q: tf.Tensor2D, k: tf.Tensor2D, v: tf.Tensor2D, shape: AttentionShape) {
  const { batch, seq, heads, kvHeads } = shape;
  const width = q.shape[1] / heads;
  const kv = (x: tf.Tensor) => tf.reshape(splitHeads(x, kvHeads, shape), [batch * kvHeads, seq, width]);
  return { q4: splitHeads(tf.mul(q, 1 / Math.sqrt(width)), heads, shape), k3: kv(k), v3: kv(v) };
}

/** [N,n*E] -> [B*G,n/G,T,E]. */
function splitHeads(x: tf.Tensor, n: number, { batch, seq, kvHeads }: AttentionShape): tf.Tensor4D {
  const each = x.size / (batch * seq * n);
  const byHead = tf.transpose(tf.reshape(x, [batch, seq, n, each]), [0, 2, 1, 3]);
  return tf.reshape(byHead, [batch * kvHeads, n / kvHeads, seq, each]);
}

/** Inverse of splitHeads. */
function join(x: tf.Tensor, n: number, { batch, seq }: AttentionShape): tf.Tensor2D {
  const each = x.size / (batch * seq * n);
  return tf.reshape(tf.transpose(tf.reshape(x, [batch, n, seq, each]), [0, 2, 1, 3]), [
    batch * seq,
    n * each,
  ]);
}

/** Blocks [B*G,Q*n,D] of consecutive queries -> [N,H*D]. */
function merge(blocks: tf.Tensor[], shape: AttentionShape): tf.Tensor2D {
  const group = shape.heads / shape.kvHeads;
  const split = blocks.map((x) => tf.reshape(x, [x.shape[0]!, group, x.shape[1]! / group, x.shape[2]!]));
  return join(split.length === 1 ? split[0]! : tf.concat(split, 2), shape.heads, shape);
}

/** The block's queries out of [B*G,Q,T,E] -> [B*G,Q*n,E]. */
function rowsOf(x: tf.Tensor4D, { from, to }: Block): tf.Tensor3D {
  const [outer, group, seq, each] = x.shape;
  const rows = to - from === seq ? x : tf.slice4d(x, [0, 0, from, 0], [outer, group, to - from, each]);
  return tf.reshape(rows, [outer, group * (to - from), each]);
}

/** The block's keys out of [B*G,T,D] -> [B*G,m,D]. */
function keysOf(x: tf.Tensor, { first, to }: Block): tf.Tensor {
  const [outer, seq, width] = x.shape as [number, number, number];
  return to - first === seq ? x : tf.slice(x, [0, first, 0], [outer, to - first, width]);
}
