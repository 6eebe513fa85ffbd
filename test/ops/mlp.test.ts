import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { reluSquaredMlp } from '../../src/ops/index.js';
import { describeEachBackend } from '../backend/present.js';
import { checkOperation, random } from './check.js';
import * as reference from './reference.js';

type Matrices = [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];

describeEachBackend('MLP with squared ReLU', () => {
  for (const [rows, inputs, hidden, outputs] of [
    [6, 4, 9, 4],
    [7, 5, 3, 2],
    [1, 1, 1, 1],
    [17, 3, 12, 3],
  ] as const) {
    test(`value and gradients of ${rows} rows, ${inputs} -> ${hidden} -> ${outputs}`, async () => {
      await checkOperation('mlp', {
        op: (tensors) => reluSquaredMlp(...(tensors as Matrices)),
        reference: ([x, wFc, wProj, sum]) => {
          const activated = reference.linear(x!, wFc!, inputs).map((v) => Math.max(v, 0) ** 2);
          return reference.linear(activated, wProj!, hidden).map((v, i) => v + sum![i]!);
        },
        inputs: [
          random('x', [rows, inputs]),
          random('fc', [hidden, inputs]),
          random('proj', [outputs, hidden]),
          random('sum', [rows, outputs]),
        ],
      });
    });
  }

  test('shapes must fit together', () => {
    tf.tidy(() => {
      const [x, wFc, wProj] = [tf.zeros([2, 3]), tf.zeros([5, 3]), tf.zeros([3, 4])] as tf.Tensor2D[];
      expect(() => reluSquaredMlp(x!, wFc!, wProj!, x!)).toThrow(/^Expected x \[N,/);
    });
  });
});
