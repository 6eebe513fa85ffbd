// A small model for the tests of recorded passes, and a pass whose results are known.

import { expect } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { randomStream } from '../../src/base/random.js';
import { modelConfig } from '../../src/model/config.js';
import { type Gpt, gptLoss } from '../../src/model/gpt.js';
import { linear, repeatedGrads } from '../../src/ops/index.js';

export const CONFIG = modelConfig({ vocabSize: 50, seqLen: 16, depth: 2, heads: 4, kvHeads: 2, width: 32 });

/** The `index`-th batch: ids and targets. */
export function batch(index: number): [Int32Array, Int32Array] {
  const random = randomStream(5, `batch ${index}`);
  const draw = () => Int32Array.from({ length: 48 }, () => random.int(50));
  return [draw(), draw()];
}

export const loss = (gpt: Gpt) => (ids: tf.Tensor1D, targets: tf.Tensor1D) =>
  gptLoss(gpt, ids, targets, { batch: 3, seq: 16 }) as tf.Scalar;

export const gradsOf = (gpt: Gpt) => repeatedGrads(loss(gpt), gpt.params);

export function values(tensors: Record<string, tf.Tensor>): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(tensors)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, tensor]) => [name, Array.from(tensor.dataSync())]),
  );
}

/** Passes over the squares of four ids, as `squared` makes a matrix [2, 2] of them: losses and gradients are right each time. */
export async function expectSumsOfSquares(
  squared: (ids: tf.Tensor1D) => tf.Tensor2D,
  batches: readonly number[][],
): Promise<void> {
  const w = tf.variable(tf.tensor2d([1, 2, 3, 4], [2, 2]));
  const repeated = repeatedGrads(
    (ids) =>
      tf.customGrad((y) => ({
        value: tf.sum(y as tf.Tensor) as tf.Scalar,
        gradFunc: () => tf.ones((y as tf.Tensor).shape),
      }))(linear(squared(ids), w)) as tf.Scalar,
    new Map([['w', w]]),
  );
  for (const ids of batches) {
    const [a, b, c, d] = ids.map((id) => id * id) as [number, number, number, number];
    const { value, grads } = await repeated([Int32Array.from(ids)]);
    expect(value.dataSync()[0]).toBe(4 * a + 6 * b + 4 * c + 6 * d);
    expect(Array.from(Object.values(grads)[0]!.dataSync())).toEqual([a + c, b + d, a + c, b + d]);
    tf.dispose([value, grads]);
  }
  w.dispose();
}
