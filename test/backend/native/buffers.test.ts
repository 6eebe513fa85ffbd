// The pool of arrays: arrays and tensors that callers hold never change unexpectedly.

import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { ArrayPool } from '../../../src/backend/native/arrays.js';
import { useBackend } from '../../../src/backend/use.js';
import { adamwStep } from '../../../src/optim/adamw.js';
import { describeNative } from './present.js';

const CONSTANTS = { lr: 0.1, beta1: 0.8, beta2: 0.9, eps: 1e-8, weightDecay: 0, step: 1 };

function step(param: tf.Variable): void {
  tf.tidy(() => {
    const state = { expAvg: tf.variable(tf.zeros([3])), expAvgSq: tf.variable(tf.zeros([3])) };
    adamwStep(param, tf.ones([3]), state, CONSTANTS);
    state.expAvg.dispose();
    state.expAvgSq.dispose();
  });
}

describeNative('buffers of the native backend', () => {
  test('an in-place step does not write the array that a variable was made from', () => {
    const mine = Float32Array.from([1, 2, 3]);
    const initial = tf.tensor1d(mine);
    const param = tf.variable(initial);
    initial.dispose();
    step(param);
    expect(Array.from(mine)).toEqual([1, 2, 3]);
    expect(param.dataSync()[0]).toBeCloseTo(0.9, 5);
    param.dispose();
  });

  test('an in-place step does not change a tensor that shares the buffer', () => {
    const initial = tf.tensor1d([1, 2, 3]);
    const param = tf.variable(initial);
    step(param);
    step(param);
    expect(Array.from(initial.dataSync())).toEqual([1, 2, 3]);
    expect(param.dataSync()[0]).toBeCloseTo(0.8, 4);
    tf.dispose([initial, param]);
  });

  test('data that was read does not change when the tensor is updated or its array reused', () => {
    const param = tf.variable(tf.tidy(() => tf.add(tf.tensor1d([1, 2, 3]), tf.tensor1d([1, 1, 1]))));
    const read = param.dataSync();
    step(param);
    expect(Array.from(read)).toEqual([2, 3, 4]);
    param.dispose();
    tf.tidy(() => tf.add(tf.tensor1d([9, 9, 9]), tf.tensor1d([9, 9, 9])));
    expect(Array.from(read)).toEqual([2, 3, 4]);
  });

  test.each([
    ['slice', (x: tf.Tensor1D) => tf.slice(x, 1, 2)],
    ['split', (x: tf.Tensor1D) => tf.split(x, [1, 2])[1]!],
    ['stridedSlice', (x: tf.Tensor1D) => tf.stridedSlice(x, [1], [3], [1])],
    [
      'unstack',
      (x: tf.Tensor1D) =>
        tf.concat(
          tf
            .unstack(x)
            .slice(1)
            .map((each) => tf.reshape(each, [1])),
        ),
    ],
    ['cast', (x: tf.Tensor1D) => tf.slice(tf.cast(x, 'float32'), 1)],
    ['gather', (x: tf.Tensor1D) => tf.gather(x, tf.tensor1d([1, 2], 'int32'))],
    ['clone', (x: tf.Tensor1D) => tf.slice(tf.clone(x), 1)],
  ])('a %s outlives the tensor that it was taken from', (_name, take) => {
    const source = tf.tidy(() => tf.add(tf.tensor1d([1, 2, 3]), tf.tensor1d([1, 1, 1])));
    const part = tf.tidy(() => take(source as tf.Tensor1D));
    source.dispose();
    tf.tidy(() => {
      for (let i = 0; i < 4; i++) tf.add(tf.tensor1d([9, 9, 9]), tf.tensor1d([9, 9, 9]));
    });
    expect(Array.from(part.dataSync())).toEqual([3, 4]);
    part.dispose();
  });

  test('tensors move to another backend and back', async () => {
    const x = tf.variable(tf.tidy(() => tf.add(tf.tensor1d([1, 2, 3]), tf.tensor1d([0, 0, 0]))));
    await useBackend('cpu');
    const y = tf.add(x, 1);
    await useBackend('native');
    step(x);
    expect(Array.from(tf.sub(y, 0).dataSync())).toEqual([2, 3, 4]);
    expect(x.dataSync()[0]).toBeCloseTo(0.9, 5);
    tf.dispose([x, y]);
  });
});

test('idle arrays of a recording in progress are used again, however many there are', () => {
  const pool = new ArrayPool();
  const size = 2 ** 24; // two are more than the pool keeps
  const [one, other] = [pool.take(size), pool.take(size)];
  pool.recorded = new Set([one]);
  pool.put(one);
  pool.put(other);
  pool.take(1);
  expect(pool.take(size) === one).toBe(true);
  expect(pool.take(size) === other).toBe(false);
});
