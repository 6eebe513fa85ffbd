import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { differentiable, reluSquared } from '../../src/ops/index.js';
import { describeEachBackend } from '../backend/present.js';
import { tidyAsync } from './check.js';

describeEachBackend('differentiable', () => {
  test('a scope named like a kernel with a registered gradient does not replace our gradient', async () => {
    const name = 'TestKernelWithGradient';
    tf.registerGradient({
      kernelName: name,
      gradFunc: () => {
        throw new Error('the gradient of another kernel');
      },
    });
    try {
      await tidyAsync(async () => {
        const f = (x: tf.Tensor) => tf.tidy(name, () => reluSquared(x));
        expect(
          Array.from(
            await tf
              .grad(f)(tf.tensor1d([3, -1]))
              .data(),
          ),
        ).toEqual([6, 0]);
      });
    } finally {
      tf.unregisterGradient(name);
    }
  });

  test('temporary tensors of the backward pass are freed', async () => {
    const x = tf.tensor1d([1, 2]);
    const f = (x: tf.Tensor) =>
      differentiable([x], () => ({
        value: tf.square(tf.square(x)),
        saved: [x],
        backward: (dy, [x]) => [tf.mul(tf.mul(tf.square(x!), x!), tf.mul(dy, 4))],
      }));
    const before = tf.memory().numTensors;
    const grad = tf.grad(f)(x);
    expect(Array.from(await grad.data())).toEqual([4, 32]);
    expect(tf.memory().numTensors).toBe(before + 1);
    tf.dispose([x, grad]);
  });

  test('a forward computation that throws frees its tensors', () => {
    const x = tf.tensor1d([1, 2]);
    const before = tf.memory().numTensors;
    const f = (x: tf.Tensor): tf.Tensor =>
      differentiable([x], () => {
        tf.square(x);
        throw new Error('forward');
      });
    expect(() => f(x)).toThrow('forward');
    expect(() => tf.grad(f)(x)).toThrow('forward');
    expect(tf.memory().numTensors).toBe(before);
    x.dispose();
  });
});
