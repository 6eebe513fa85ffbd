import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { gatedValueEmbedding } from '../../src/ops/index.js';
import { describeEachBackend } from '../backend/present.js';
import { checkOperation, random, tidyAsync } from './check.js';
import * as reference from './reference.js';

const matrices = (tensors: tf.Tensor[]) => tensors as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];

describeEachBackend('gatedValueEmbedding', () => {
  for (const [rows, width, kvHeads, headWidth, channels] of [
    [6, 8, 2, 3, 4],
    [1, 1, 1, 1, 1],
    [5, 4, 1, 6, 4],
    [7, 6, 3, 1, 2],
  ] as const) {
    test(`value and gradients: ${rows} rows, ${kvHeads} kv heads of ${headWidth}, gate over ${channels} of ${width}`, async () => {
      await checkOperation('gatedValueEmbedding', {
        op: (inputs) => gatedValueEmbedding(...matrices(inputs)),
        reference: ([v, ve, x, gate]) => reference.gatedValueEmbedding(v!, ve!, x!, gate!, rows, kvHeads),
        inputs: [
          random('v', [rows, kvHeads * headWidth]),
          random('ve', [rows, kvHeads * headWidth]),
          random('x', [rows, width]),
          random('gate', [kvHeads, channels]),
        ],
      });
    });
  }

  test('a gate of zeros adds the value embedding once', async () => {
    await tidyAsync(async () => {
      const [v, ve] = [tf.fill([2, 4], 3) as tf.Tensor2D, tf.fill([2, 4], 5) as tf.Tensor2D];
      const y = gatedValueEmbedding(v, ve, tf.ones([2, 8]), tf.zeros([2, 8]));
      expect(Array.from(await y.data())).toEqual(Array(8).fill(8));
    });
  });

  test('a gate wider than x is refused', () => {
    tf.tidy(() => {
      const v = tf.zeros([2, 4]) as tf.Tensor2D;
      expect(() => gatedValueEmbedding(v, v, tf.zeros([2, 8]), tf.zeros([2, 9]))).toThrow('K <= C');
    });
  });
});
