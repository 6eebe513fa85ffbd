// Causal attention and its gradients as cuDNN knows them: graphs of the operations that its fused engines recognize as "scaled
// dot-product attention" (NVIDIA's documentation of cuDNN's frontend, "Attention"), on tensors of dims [B,H,T,D] whose strides
// are ours, so that they are read and written where our own kernels do.
//
// B batch, T sequence, H query heads, G kv heads, D head width. Arithmetic within a graph is float32; softmax's weights and the
// gradients of scores are rounded to bfloat16 before they are multiplied, as in kernels/cuda/attention_mma.cu.

import type { CudnnApi } from '../library.js';
import { DATA } from './constants.js';
import { Graph, type Tensor } from './graph.js';

export interface SdpaShape {
  B: number;
  T: number;
  H: number;
  G: number;
  D: number;
  /** Query i sees the keys j with i - window <= j <= i. */
  window: number;
  /** Elements between rows of queries, and of keys and of values. */
  qStride: number;
  kvStride: number;
}

/** Tensors in memory: of both graphs, and of the gradients' one. `delta` is sums of y dy by query and head, [B,H,T]. */
export type SdpaTensor = 'q' | 'k' | 'v' | 'y' | 'lse' | 'dy' | 'delta' | 'dq' | 'dk' | 'dv';

export interface SdpaGraph {
  graph: Graph;
  tensors: Partial<Record<SdpaTensor, Tensor>>;
  /** What the host gives: tensors and their values. */
  scalars: [Tensor, number][];
}

/** What the two graphs share. */
function start(api: CudnnApi, { B, T, H, G, D, window, qStride, kvStride }: SdpaShape) {
  const graph = new Graph(api);
  const scalars: [Tensor, number][] = [];
  const scalar = (value: number) => {
    const tensor = graph.scalar();
    scalars.push([tensor, value]);
    return tensor;
  };
  const rows = (heads: number, stride: number) =>
    graph.tensor([B, heads, T, D], [T * stride, D, stride, 1], DATA.BFLOAT16);
  const turned = (heads: number, stride: number) =>
    graph.tensor([B, heads, D, T], [T * stride, D, 1, stride], DATA.BFLOAT16);
  /** Scores that are not seen become -infinity. */
  const masked = (scores: Tensor): Tensor => {
    const index = (x: Tensor, axis: number) => graph.pointwise('GEN_INDEX', [x], { type: DATA.INT32, axis });
    const keep = (x: Tensor, mode: 'CMP_GE' | 'CMP_GT', a: Tensor, b: Tensor) => {
      const seen = graph.pointwise(mode, [a, b], { type: DATA.BOOLEAN, compute: DATA.BOOLEAN });
      return graph.pointwise('BINARY_SELECT', [x, scalar(Number.NEGATIVE_INFINITY), seen]);
    };
    const causal = keep(scores, 'CMP_GE', index(scores, 2), index(scores, 3));
    if (window >= T - 1) return causal;
    const row = index(causal, 2);
    const reach = graph.pointwise('ADD', [index(causal, 3), scalar(window + 1)], { axis: 3 });
    return keep(causal, 'CMP_GT', reach, row);
  };
  return {
    ...{ graph, scalars, scalar, masked, square: [B, H, T, T], perRow: [B, H, T, 1] },
    scale: 1 / Math.sqrt(D),
    /** Queries and what is laid out like them, keys and values, and the latter with their last two axes exchanged. */
    queries: () => rows(H, qStride),
    kv: () => rows(G, kvStride),
    kvTurned: () => turned(G, kvStride),
    outputs: () => rows(H, H * D),
    lse: graph.tensor([B, H, T, 1], [T * H, 1, H, 1], DATA.FLOAT),
  };
}

/** y = softmax(q k^T / sqrt(D)) v, and lse. */
export function forwardGraph(api: CudnnApi, shape: SdpaShape): SdpaGraph {
  const { graph, scalars, scalar, masked, square, perRow, scale, ...make } = start(api, shape);
  const [q, k, v, y, lse] = [make.queries(), make.kvTurned(), make.kv(), make.outputs(), make.lse];
  const products = graph.matmul(q, k, graph.virtual(square));
  const scores = masked(graph.pointwise('MUL', [products, scalar(scale)]));
  const top = graph.reduce('MAX', scores, graph.virtual(perRow));
  const powers = graph.pointwise('EXP', [graph.pointwise('SUB', [scores, top])]);
  const sum = graph.reduce('ADD', powers, graph.virtual(perRow));
  graph.pointwise('ADD', [top, graph.pointwise('LOG', [sum])], { y: lse });
  graph.matmul(graph.pointwise('DIV', [powers, sum], { type: DATA.BFLOAT16 }), v, y);
  return { graph, scalars, tensors: { q, k, v, y, lse } };
}

/**
 * The gradients of q, k and v. That of q is one matmul and not a sum in memory, which engines would add to in any order: so
 * results repeat to the bit, at the price of a workspace with all gradients of scores.
 */
export function backwardGraph(api: CudnnApi, shape: SdpaShape): SdpaGraph {
  const { graph, scalars, scalar, masked, square, perRow, ...make } = start(api, shape);
  const { B, T, H, G, D, kvStride } = shape;
  const [q, k, v] = [make.queries(), make.kvTurned(), make.kvTurned()];
  const [y, dy, lse] = [make.outputs(), make.outputs(), make.lse];
  const [dq, dk, dv] = [make.queries(), make.kv(), make.kv()];
  const delta = graph.tensor(perRow, [T * H, T, 1, 1], DATA.FLOAT);
  const scale = scalar(make.scale);
  const along = graph.reduce('ADD', graph.pointwise('MUL', [dy, y]), graph.virtual(perRow));
  graph.pointwise('MUL', [along, scalar(1)], { y: delta });
  const scaled = graph.pointwise('MUL', [graph.matmul(q, k, graph.virtual(square)), scale]);
  const p = graph.pointwise('EXP', [masked(graph.pointwise('SUB', [scaled, lse]))]);
  /** c = a^T b, summed over the query heads of a kv head. */
  const alongQueries = (a: Tensor, b: Tensor, c: Tensor) => {
    const turned = graph.reshape(a, graph.virtual(square, DATA.BFLOAT16, [H * T * T, T * T, 1, T]));
    if (H === G) graph.matmul(turned, b, c);
    else graph.reduce('ADD', graph.matmul(turned, b, graph.virtual([B, H, T, D], DATA.BFLOAT16)), c);
  };
  alongQueries(p, dy, dv);
  const dp = graph.matmul(dy, v, graph.virtual(square));
  const weighted = graph.pointwise('MUL', [graph.pointwise('SUB', [dp, delta]), p]);
  const ds = graph.pointwise('MUL', [weighted, scale]);
  alongQueries(ds, q, dk);
  const keys = graph.virtual([B, G, T, D], DATA.BFLOAT16, [T * kvStride, D, kvStride, 1]);
  graph.matmul(ds, graph.reshape(k, keys), dq);
  return { graph, scalars, tensors: { q, k, v, y, lse, dy, delta, dq, dk, dv } };
}
