import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { embedding } from '../../src/ops/index.js';
import { describeEachBackend } from '../backend/present.js';
import { checkOperation, random, randomIds, tidyAsync } from './check.js';
import * as reference from './reference.js';

describeEachBackend('embedding', () => {
  for (const [rows, width, tokens] of [
    [11, 6, 20],
    [1, 1, 1],
    [3, 5, 7],
  ] as const) {
    test(`value and gradient of ${tokens} tokens from a table of ${rows} x ${width}`, async () => {
      const ids = randomIds('ids', tokens, rows);
      await checkOperation('embedding', {
        op: ([table]) => tf.tidy(() => embedding(table as tf.Tensor2D, tf.tensor1d(ids, 'int32'))),
        reference: ([table]) => reference.embedding(table!, ids, width),
        inputs: [random('table', [rows, width])],
      });
    });
  }

  test('gradients of a repeated id are summed, those of absent ids are zero', async () => {
    await tidyAsync(async () => {
      const table = tf.zeros([4, 2]) as tf.Tensor2D;
      const ids = tf.tensor1d([2, 0, 2], 'int32');
      const dy = tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]);
      const grad = tf.grad((table) => embedding(table as tf.Tensor2D, ids))(table, dy);
      expect(Array.from(await grad.data())).toEqual([3, 4, 0, 0, 6, 8, 0, 0]);
    });
  });

  test('ids must be int32', () => {
    tf.tidy(() => {
      expect(() => embedding(tf.zeros([4, 2]), tf.tensor1d([1]))).toThrow(
        'Expected a table [V,W] and int32 ids [N], got [4,2] and float32 [1]',
      );
    });
  });
});
