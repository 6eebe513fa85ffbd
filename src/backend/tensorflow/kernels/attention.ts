// Causal attention with a sliding window. Letters: contract.ts. Queries are taken in blocks, each
// with only the keys that its window reaches; the backward pass recomputes the probabilities from lse (Dao et al.
// 2022, algorithm 4). Exponential and sums are separate operations, three times as fast as TensorFlow's softmax.

import { type Block, blocksOf } from '../../attentionBlocks.js';
import type { AttentionShape } from '../../contract.js';
import type { Eager, Handle } from './eager.js';
import type { TensorflowKernel } from './kernel.js';

/** Queries a block: short ones skip more of the keys that no query sees; on a GPU calls would count. */
const blockLength = (e: Eager): number => (e.backend.isUsingGpuDevice ? 256 : 128);

/** The score of a masked key: its exponential is zero relative to any other. */
const UNSEEN = -1e30;

/** 0 where the query sees the key, else UNSEEN: [n,m]; blocks of one form share it. */
function maskOf(e: Eager, { from, to, first }: Block, window: number, masks: Map<string, Handle>): Handle {
  const key = `${to - from} ${to - first} ${from - first}`;
  const known = masks.get(key);
  if (known) return known;
  const [n, m] = [to - from, to - first];
  const values = new Float32Array(n * m);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < m; j++) {
      const distance = from + i - (first + j);
      if (distance < 0 || distance > window) values[i * m + j] = UNSEEN;
    }
  const mask = e.floats(values, [n, m]);
  masks.set(key, mask);
  return mask;
}

/** [N,n*E] -> [B*G,n/G,T,E] */
function split(e: Eager, x: Handle, n: number, { batch, seq, kvHeads }: AttentionShape): Handle {
  const each = (x.shape[0]! * x.shape[1]!) / (batch * seq * n);
  const byHead = e.transpose(e.reshape(x, [batch, seq, n, each]), [0, 2, 1, 3]);
  return e.reshape(byHead, [batch * kvHeads, n / kvHeads, seq, each]);
}

/** Inverse of split, for n heads of E numbers. */
function join(e: Eager, x: Handle, n: number, each: number, { batch, seq }: AttentionShape): Handle {
  return e.reshape(e.transpose(e.reshape(x, [batch, n, seq, each]), [0, 2, 1, 3]), [batch * seq, n * each]);
}

/** The block's queries out of [B*G,Q,T,E] -> [B*G,Q*n,E]. */
function rowsOf(e: Eager, x: Handle, { from, to }: Block): Handle {
  const [outer, group, , each] = x.shape as [number, number, number, number];
  const rows = e.slice(x, [0, 0, from, 0], [outer, group, to - from, each]);
  return e.reshape(rows, [outer, group * (to - from), each]);
}

/** The block's keys out of [B*G,1,T,D] -> [B*G,m,D]. */
function keysOf(e: Eager, x: Handle, { first, to }: Block): Handle {
  const [outer, , , each] = x.shape as [number, number, number, number];
  return e.reshape(e.slice(x, [0, 0, first, 0], [outer, 1, to - first, each]), [outer, to - first, each]);
}

/** Blocks [B*G,Q*n,E] of consecutive queries -> [N,H*E]. */
function merge(e: Eager, blocks: Handle[], shape: AttentionShape): Handle {
  const group = shape.heads / shape.kvHeads;
  const each = blocks[0]!.shape[2]!;
  const parts = blocks.map((x) => e.reshape(x, [x.shape[0]!, group, x.shape[1]! / group, each]));
  return join(e, e.concat(parts, 2), shape.heads, each, shape);
}

/** Masked scores of a block, [B*H,n,m] (and their shape by kv head, for what follows). */
function scoresOf(
  e: Eager,
  q: Handle,
  k: Handle,
  block: Block,
  shape: AttentionShape,
  masks: Map<string, Handle>,
): Handle {
  const scores = e.batchMatMul(q, k, { transposeB: true });
  const byHead = [shape.batch * shape.heads, block.to - block.from, block.to - block.first];
  const masked = e.add(e.reshape(scores, byHead), maskOf(e, block, shape.window, masks));
  e.free(scores);
  return masked;
}

const scaled = (e: Eager, q: Handle, heads: number): Handle => e.mul(q, 1 / Math.sqrt(q.shape[1]! / heads));

export const causalAttention: TensorflowKernel<'CausalAttention'> = ({ inputs, attrs: shape, e }) => {
  const { batch, heads, kvHeads } = shape;
  const [q, k, v] = e.inputs(inputs.q, inputs.k, inputs.v);
  const q4 = split(e, scaled(e, q, heads), heads, shape);
  const [k4, v4] = [split(e, k, kvHeads, shape), split(e, v, kvHeads, shape)];
  const masks = new Map<string, Handle>();
  const ys: Handle[] = [];
  const lses: Handle[] = [];
  for (const block of blocksOf(shape, blockLength(e))) {
    const [qb, kb, vb] = [rowsOf(e, q4, block), keysOf(e, k4, block), keysOf(e, v4, block)];
    const scores = scoresOf(e, qb, kb, block, shape, masks);
    const most = e.max(scores, 2);
    const shifted = e.sub(scores, most);
    const weights = e.exp(shifted);
    e.free(scores, shifted);
    const total = e.sum(weights, 2);
    const rows = [batch * kvHeads, qb.shape[1]!, -1];
    const byKv = (x: Handle, each: number) => e.reshape(x, [rows[0]!, rows[1]!, each]);
    // Divided after the product, where there is less to divide.
    ys.push(e.div(e.batchMatMul(byKv(weights, weights.shape[2]!), vb), byKv(total, 1)));
    lses.push(byKv(e.add(most, e.log(total)), 1));
    e.free(weights);
  }
  return e.outputs(merge(e, ys, shape), merge(e, lses, shape));
};

export const causalAttentionGrad: TensorflowKernel<'CausalAttentionGrad'> = ({ inputs, attrs: shape, e }) => {
  const { batch, seq, heads, kvHeads } = shape;
  const [q, k, v, y, lse, dy] = e.inputs(inputs.q, inputs.k, inputs.v, inputs.y, inputs.lse, inputs.dy);
  const width = q.shape[1]! / heads;
  const q4 = split(e, scaled(e, q, heads), heads, shape);
  const [k4, v4] = [split(e, k, kvHeads, shape), split(e, v, kvHeads, shape)];
  const dy4 = split(e, dy, heads, shape);
  // The softmax's gradient subtracts sum_j p_ij dp_ij, which is dy_i . y_i.
  const dots = e.sum(e.reshape(e.mul(dy, y), [batch * seq * heads, width]), 1);
  const along4 = split(e, e.reshape(dots, [batch * seq, heads]), heads, shape);
  const lse4 = split(e, lse, heads, shape);
  const masks = new Map<string, Handle>();
  const [dqs, dks, dvs]: [Handle[], Handle[], Handle[]] = [[], [], []];
  for (const block of blocksOf(shape, blockLength(e))) {
    const [qb, kb, vb] = [rowsOf(e, q4, block), keysOf(e, k4, block), keysOf(e, v4, block)];
    const dyb = rowsOf(e, dy4, block);
    const scores = scoresOf(e, qb, kb, block, shape, masks);
    const byKv = [batch * kvHeads, qb.shape[1]!, block.to - block.first];
    const shifted = e.sub(e.reshape(scores, byKv), rowsOf(e, lse4, block));
    const p = e.exp(shifted);
    const dp = e.batchMatMul(dyb, vb, { transposeB: true });
    const apart = e.sub(dp, rowsOf(e, along4, block));
    const ds = e.mul(p, apart);
    e.free(scores, shifted, dp, apart);
    const around = [
      [0, 0],
      [block.first, seq - block.to],
      [0, 0],
    ] as const;
    dqs.push(e.batchMatMul(ds, kb));
    dks.push(e.pad(e.batchMatMul(ds, qb, { transposeA: true }), around));
    dvs.push(e.pad(e.batchMatMul(p, dyb, { transposeA: true }), around));
    e.free(p, ds);
  }
  // q4 carries the scale, which is what dk needs; dq needs it once more.
  return e.outputs(
    scaled(e, merge(e, dqs, shape), heads),
    join(e, e.addN(dks), kvHeads, width, shape),
    join(e, e.addN(dvs), kvHeads, width, shape),
  );
};
