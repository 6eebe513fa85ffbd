import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { linear } from '../../src/ops/index.js';
import { describeEachBackend } from '../backend/present.js';
import { checkOperation, random } from './check.js';
import * as reference from './reference.js';

describeEachBackend('linear', () => {
  for (const [rows, inputs, outputs] of [
    [6, 4, 9],
    [7, 9, 4],
    [1, 1, 1],
    [1, 5, 3],
    [17, 3, 1],
  ] as const) {
    test(`value and gradients of [${rows},${inputs}] by [${outputs},${inputs}]`, async () => {
      await checkOperation('linear', {
        op: ([x, w]) => linear(x as tf.Tensor2D, w as tf.Tensor2D),
        reference: ([x, w]) => reference.linear(x!, w!, inputs),
        inputs: [random('x', [rows, inputs]), random('w', [outputs, inputs])],
      });
    });
  }

  test('widths must agree', () => {
    tf.tidy(() => {
      expect(() => linear(tf.zeros([2, 3]), tf.zeros([3, 2]))).toThrow(
        'Expected x [N,I] and w [O,I] of one width I, got [2,3] and [3,2]',
      );
    });
  });
});
