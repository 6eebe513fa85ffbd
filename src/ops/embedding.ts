// Token embedding, its gradient, and the two row operations they use. V vocabulary, W width, N tokens.

import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runFused } from '../backend/fused.js';
import { expect } from '../base/errors.js';
import { differentiable } from './differentiable.js';

/**
 * Rows of `table` [V,W] chosen by `ids` int32 [N] -> [N,W]. The ids get no gradient, and must lie in [0, V): not every
 * backend checks them.
 * @param options.residual the rows are part of the residual stream: float32 in any precision
 * @throws UsageError when table is not a matrix or ids not an int32 vector
 */
export function embedding(table: tf.Tensor2D, ids: tf.Tensor1D, { residual = false } = {}): tf.Tensor2D {
  expect(
    table.rank === 2 && ids.rank === 1 && ids.dtype === 'int32',
    () => `Expected a table [V,W] and int32 ids [N], got [${table.shape}] and ${ids.dtype} [${ids.shape}]`,
  );
  const rows = table.shape[0];
  return differentiable([table], () => ({
    value: takeRows(table, ids, { residual }),
    saved: [ids],
    backward: (dy, [ids]) => [addRows(dy, ids, rows)],
  }));
}

/** Rows of `table` [V,W] chosen by `ids` int32 [N] -> [N,W]. Not differentiable. */
export function takeRows(table: tf.Tensor2D, ids: tf.Tensor1D, { residual = true } = {}): tf.Tensor2D {
  return hasKernel('Embedding')
    ? runFused('Embedding', { table, ids }, { residual })[0]
    : tf.gather(table, ids);
}

/** Sums the rows of `values` [N,W] that share an id: `ids` int32 [N] in [0, rows) -> [rows,W]. Not differentiable. */
export function addRows(values: tf.Tensor2D, ids: tf.Tensor1D, rows: number): tf.Tensor2D {
  return hasKernel('EmbeddingGrad')
    ? runFused('EmbeddingGrad', { ids, dy: values }, { rows })[0]
    : tf.unsortedSegmentSum(values, ids, rows);
}
