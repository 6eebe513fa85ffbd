import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { add, differentiable, reluSquared } from '../../src/ops/index.js';
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

  test('an operation may have several values, not all of them used', async () => {
    const f = (x: tf.Tensor) =>
      differentiable([x], () => ({
        value: [tf.square(x), tf.mul(x, 3)] as [tf.Tensor, tf.Tensor],
        saved: [x],
        backward: ([dSquare, dTriple], [x]) => [tf.add(tf.mul(tf.mul(dSquare, x!), 2), tf.mul(dTriple, 3))],
      }));
    const both = (x: tf.Tensor) => tf.tidy(() => f(x).reduce((a, b) => add(a, b)));
    const one = (x: tf.Tensor) => tf.tidy(() => f(x)[1]);
    const x = tf.tensor1d([1, 2]);
    const before = tf.memory().numTensors;
    const [first, second] = [tf.grad(both)(x), tf.grad(one)(x)];
    expect(Array.from(await first.data())).toEqual([5, 7]);
    expect(Array.from(await second.data())).toEqual([3, 3]);
    expect(tf.memory().numTensors).toBe(before + 2);
    tf.dispose([x, first, second]);
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
