import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { accumulate } from '../../src/ops/index.js';
import { describeEachBackend } from '../backend/present.js';

describeEachBackend('accumulate', () => {
  for (const shape of [[7], [5, 4], [1]])
    test(`is (sum + x) * factor for [${shape}], and consumes both`, async () => {
      const before = tf.memory().numTensors;
      const [sum, x] = [tf.fill(shape, 0.75), tf.fill(shape, 0.5)];
      const total = accumulate(accumulate(sum, x), tf.fill(shape, 0.25), 0.5);
      expect([...(await total.data())]).toEqual(Array(total.size).fill(0.75));
      expect(total.shape).toEqual(shape);
      expect(tf.memory().numTensors).toBe(before + 1);
      total.dispose();
    });

  test('does not change a tensor that shares the buffer of the sum', async () => {
    const sum = tf.mul(tf.tensor1d([1, 2, 3]), 1.5);
    const other = tf.reshape(sum, [3, 1]);
    const total = accumulate(sum, tf.tensor1d([1, 1, 1]));
    expect([...(await other.data())]).toEqual([1.5, 3, 4.5]);
    expect([...(await total.data())]).toEqual([2.5, 4, 5.5]);
    tf.dispose([other, total]);
  });

  test('does not change the array that a tensor was made from', async () => {
    const values = new Float32Array([1, 2]);
    const total = accumulate(tf.tensor1d(values), tf.tensor1d([1, 1]));
    expect([...values]).toEqual([1, 2]);
    expect([...(await total.data())]).toEqual([2, 3]);
    total.dispose();
  });
});
