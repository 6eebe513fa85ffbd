import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { RMS_EPSILON, rmsNorm } from '../../src/ops/index.js';
import { describeEachBackend } from '../backend/present.js';
import { checkOperation, expectClose, random, tidyAsync } from './check.js';
import * as reference from './reference.js';

describeEachBackend('rmsNorm', () => {
  for (const [rows, width] of [
    [5, 8],
    [1, 1],
    [1, 7],
    [33, 3],
  ] as const) {
    test(`value and gradient of ${rows} x ${width}`, async () => {
      await checkOperation('rmsNorm', {
        op: ([x]) => rmsNorm(x as tf.Tensor2D),
        reference: ([x]) => reference.rmsNorm(x!, width),
        inputs: [random('x', [rows, width])],
      });
    });
  }

  test('epsilon is 2^-23, inside the root', async () => {
    expect(RMS_EPSILON).toBe(1.1920928955078125e-7);
    await tidyAsync(async () => {
      const y = await rmsNorm(tf.fill([1, 4], 1e-4) as tf.Tensor2D).data();
      expectClose(y, Array(4).fill(1e-4 / Math.sqrt(1e-8 + 2 ** -23)), 'norm of a small row');
    });
  });

  test('a row of zeros stays zero, with a finite gradient', async () => {
    await tidyAsync(async () => {
      const x = tf.zeros([2, 3]) as tf.Tensor2D;
      expect(Array.from(await rmsNorm(x).data())).toEqual(Array(6).fill(0));
      const grad = await tf
        .grad((x) => rmsNorm(x as tf.Tensor2D))(x, tf.ones([2, 3]))
        .data();
      expectClose(grad, Array(6).fill(2 ** 11.5), 'gradient at zero');
    });
  });
});
