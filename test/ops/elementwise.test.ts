import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { add, gelu, reluSquared, residualMix, scale, swiglu } from '../../src/ops/index.js';
import { describeEachBackend } from '../backend/present.js';
import { checkOperation, random } from './check.js';
import * as reference from './reference.js';

describeEachBackend('elementwise operations', () => {
  for (const [rows, width] of [
    [5, 4],
    [1, 1],
    [1, 9],
  ] as const) {
    test(`add, ${rows} x ${width}`, async () => {
      await checkOperation('add', {
        op: ([a, b]) => add(a!, b!),
        reference: ([a, b]) => reference.add(a!, b!),
        inputs: [random('a', [rows, width]), random('b', [rows, width])],
      });
    });

    test(`a multiple, GELU and SwiGLU, ${rows} x ${width}`, async () => {
      const [x, y] = [random('x', [rows, width], 2), random('y', [rows, width])];
      await checkOperation('scale', {
        op: ([x]) => scale(x!, -0.75),
        reference: ([x]) => reference.scale(x!, -0.75),
        inputs: [x],
      });
      await checkOperation('gelu', {
        op: ([x]) => gelu(x!),
        reference: ([x]) => reference.gelu(x!),
        inputs: [x],
      });
      await checkOperation('swiglu', {
        op: ([x, y]) => swiglu(x!, y!),
        reference: ([x, y]) => reference.swiglu(x!, y!),
        inputs: [x, y],
      });
    });

    test(`reluSquared, ${rows} x ${width}`, async () => {
      await checkOperation('reluSquared', {
        op: ([x]) => reluSquared(x!),
        reference: ([x]) => reference.reluSquared(x!),
        inputs: [random('x', [rows, width])],
      });
    });
  }

  test('a tensor added to itself gets both gradients', async () => {
    await checkOperation('add to itself', {
      op: ([a]) => add(a!, a!),
      reference: ([a]) => reference.add(a!, a!),
      inputs: [random('a', [3, 2])],
    });
  });

  for (const [layers, layer] of [
    [1, 0],
    [3, 0],
    [3, 2],
  ] as const) {
    test(`residualMix, layer ${layer} of ${layers}`, async () => {
      await checkOperation('residualMix', {
        op: ([x, x0, a, b]) =>
          residualMix(x as tf.Tensor2D, x0 as tf.Tensor2D, a as tf.Tensor1D, b as tf.Tensor1D, layer),
        reference: ([x, x0, a, b]) => reference.residualMix(x!, x0!, a!, b!, layer),
        inputs: [random('x', [4, 3]), random('x0', [4, 3]), random('a', [layers]), random('b', [layers])],
      });
    });
  }

  test('shapes must agree', () => {
    tf.tidy(() => {
      expect(() => add(tf.zeros([2, 3]), tf.zeros([3]))).toThrow('got [2,3] and [3]');
      expect(() => swiglu(tf.zeros([2, 3]), tf.zeros([3, 2]))).toThrow('got [2,3] and [3,2]');
      const x = tf.zeros([2, 3]) as tf.Tensor2D;
      expect(() => residualMix(x, x, tf.zeros([2]), tf.zeros([2]), 2)).toThrow('layer 2');
    });
  });
});
