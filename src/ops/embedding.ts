// Token embedding and its gradient. V vocabulary, W width, N tokens.
//
// Fused kernels (optional):
//   Embedding {table [V,W], ids int32 [N]} -> [y [N,W]]
//   EmbeddingGrad {ids int32 [N], dy [N,W]} attrs {rows: V} -> [dTable [V,W]]

import * as tf from '@tensorflow/tfjs-core';
import { expect } from '../base/errors.js';
import { differentiable } from './differentiable.js';
import { hasKernel, runFused } from './fused.js';

/**
 * Rows of `table` [V,W] chosen by `ids` int32 [N], each in [0, V) -> [N,W]. The ids get no gradient.
 * @throws UsageError when table is not a matrix or ids not an int32 vector
 */
export function embedding(table: tf.Tensor2D, ids: tf.Tensor1D): tf.Tensor2D {
  expect(
    table.rank === 2 && ids.rank === 1 && ids.dtype === 'int32',
    () => `Expected a table [V,W] and int32 ids [N], got [${table.shape}] and ${ids.dtype} [${ids.shape}]`,
  );
  const rows = table.shape[0];
  return differentiable([table], () => ({
    value: hasKernel('Embedding')
      ? (runFused('Embedding', { table, ids })[0] as tf.Tensor2D)
      : tf.gather(table, ids),
    saved: [ids],
    backward: (dy, [ids]) => [addRows(dy, ids as tf.Tensor1D, rows)],
  }));
}

/** Sums the rows of `values` [N,W] that share an id: `ids` int32 [N] in [0, rows) -> [rows,W]. */
export function addRows(values: tf.Tensor2D, ids: tf.Tensor1D, rows: number): tf.Tensor2D {
  if (hasKernel('EmbeddingGrad')) {
    return runFused('EmbeddingGrad', { ids, dy: values }, { rows })[0] as tf.Tensor2D;
  }
  // The stock cpu kernel visits every (row, id) pair, and the stock wasm backend has none.
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
