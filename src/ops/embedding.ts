// Token embedding, its gradient, and the two row operations under them. V vocabulary, W width, N tokens.
//
// Fused kernels (optional):
//   Embedding {table [V,W], ids int32 [N]} -> [y [N,W]]
//   EmbeddingGrad {ids int32 [N], dy [N,W]} attrs {rows: V} -> [dTable [V,W]]

import * as tf from '@tensorflow/tfjs-core';
import { expect } from '../base/errors.js';
import { differentiable } from './differentiable.js';
import { hasKernel, runFused } from './fused.js';

/**
 * Rows of `table` [V,W] chosen by `ids` int32 [N] -> [N,W]. The ids get no gradient, and must lie in [0, V): not every
 * backend checks them.
 * @throws UsageError when table is not a matrix or ids not an int32 vector
 */
export function embedding(table: tf.Tensor2D, ids: tf.Tensor1D): tf.Tensor2D {
  expect(
    table.rank === 2 && ids.rank === 1 && ids.dtype === 'int32',
    () => `Expected a table [V,W] and int32 ids [N], got [${table.shape}] and ${ids.dtype} [${ids.shape}]`,
  );
  const rows = table.shape[0];
  return differentiable([table], () => ({
    value: takeRows(table, ids),
    saved: [ids],
    backward: (dy, [ids]) => [addRows(dy, ids as tf.Tensor1D, rows)],
  }));
}

/** Rows of `table` [V,W] chosen by `ids` int32 [N] -> [N,W]. Not differentiable. */
export function takeRows(table: tf.Tensor2D, ids: tf.Tensor1D): tf.Tensor2D {
  if (hasKernel('Embedding')) return runFused('Embedding', { table, ids })[0] as tf.Tensor2D;
  // wasm copies row by row in GatherNd, element by element in GatherV2 (30 times slower).
  if (tf.getBackend() !== 'cpu') return tf.gatherND(table, tf.reshape(ids, [ids.size, 1])) as tf.Tensor2D;
  const width = table.shape[1];
  const from = table.dataSync<'float32'>();
  const chosen = ids.dataSync();
  const taken = new Float32Array(chosen.length * width);
  for (let i = 0; i < chosen.length; i++) {
    taken.set(from.subarray(chosen[i]! * width, (chosen[i]! + 1) * width), i * width);
  }
  return tf.tensor2d(taken, [chosen.length, width]);
}

/** Sums the rows of `values` [N,W] that share an id: `ids` int32 [N] in [0, rows) -> [rows,W]. Not differentiable. */
export function addRows(values: tf.Tensor2D, ids: tf.Tensor1D, rows: number): tf.Tensor2D {
  if (hasKernel('EmbeddingGrad')) {
    return runFused('EmbeddingGrad', { ids, dy: values }, { rows })[0] as tf.Tensor2D;
  }
  // The stock cpu kernel visits every (row, id) pair; the stock wasm backend has none.
  if (tf.getBackend() !== 'cpu' && hasKernel('UnsortedSegmentSum')) {
    return tf.unsortedSegmentSum(values, ids, rows);
  }
  const width = values.shape[1];
  const from = values.dataSync();
  const chosen = ids.dataSync();
  const sums = new Float32Array(rows * width);
  for (let i = 0; i < chosen.length; i++) {
    const to = chosen[i]! * width;
    for (let j = 0; j < width; j++) sums[to + j]! += from[i * width + j]!;
  }
  return tf.tensor2d(sums, [rows, width]);
}
