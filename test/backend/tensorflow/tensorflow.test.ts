// Against a real libtensorflow, where there is one.

import { beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { selfTest } from '../../../src/backend/checks/selfTest.js';
import { isOutOfMemory } from '../../../src/backend/outOfMemory.js';
import { withoutStderr } from '../../../src/backend/stderr.js';
import { useBackend } from '../../../src/backend/use.js';
import { linear, lmHeadCrossEntropy } from '../../../src/ops/index.js';
import { adamwStep } from '../../../src/optim/adamw.js';
import { absentBackends, presentBackends } from '../present.js';

const absent = absentBackends.find(({ name }) => name === 'tensorflow');
const when = presentBackends.includes('tensorflow') ? describe : describe.skip;

when(`the tensorflow backend${absent ? ` (${absent.reason})` : ''}`, () => {
  beforeAll(async () => {
    await useBackend('tensorflow');
  });

  test('reports the TensorFlow version', async () => {
    const { version, device } = await useBackend('tensorflow');
    expect(version).toMatch(/^tfjs-node(-gpu)? 4\.\d+\.\d+, TensorFlow \d+\.\d+\.\d+/);
    expect(device).not.toBe('');
  });

  test('passes the self-test', async () => {
    expect((await selfTest()).failures).toEqual([]);
  });

  test('shares the engine with the tfjs that tinygpt imports', () => {
    const before = tf.memory().numTensors;
    const [value, gradients] = tf.tidy(() => {
      const x = tf.tensor1d([1, 2]);
      const square = tf.customGrad((t, save) => {
        (save as (ts: tf.Tensor[]) => void)([t as tf.Tensor]);
        return { value: tf.square(t as tf.Tensor), gradFunc: (dy, [saved]) => tf.mul(tf.mul(dy, 2), saved!) };
      });
      const { value: y, grad } = tf.valueAndGrad((t) => square(t) as tf.Tensor)(x);
      return [Array.from(y.dataSync()), Array.from(grad.dataSync())];
    });
    expect(value).toEqual([1, 4]);
    expect(gradients).toEqual([2, 4]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a huge allocation is recognized as out of memory', () => {
    const before = tf.memory().numTensors;
    let error: unknown;
    // TensorFlow prints its allocator's state as well.
    withoutStderr(() => {
      try {
        tf.tidy(() => tf.fill([2 ** 22, 2 ** 22], 1));
      } catch (e) {
        error = e;
      }
    });
    expect(isOutOfMemory(error)).toBe(true);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('matmuls round their operands in bf16 only', async () => {
    const product = () =>
      tf.tidy(() => {
        const x = tf.tensor2d([1 + 2 ** -10, 3], [1, 2]);
        const w = tf.tensor2d([1, 2 ** -10], [1, 2]);
        return linear(x, w).dataSync()[0]!;
      });
    expect(product()).toBe(1 + 2 ** -10 + 3 * 2 ** -10);
    await useBackend('tensorflow', { precision: 'bf16' });
    try {
      expect(product()).toBe(1); // 1 + 2^-10 becomes 1, and 1 + 3 * 2^-10 does as a result
    } finally {
      await useBackend('tensorflow');
    }
  });

  test('an in-place step does not change tensors that shared the buffer, and leaks nothing', () => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const options = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-10, weightDecay: 0, step: 1 };
      const initial = tf.tensor1d([1, 2, 3]);
      const [param, expAvg, expAvgSq] = [initial, tf.zeros([3]), tf.zeros([3])].map((x) => tf.variable(x));
      const shared = tf.clone(param!);
      const grad = tf.tensor1d([1, -1, 0]);
      adamwStep(param!, grad, { expAvg: expAvg!, expAvgSq: expAvgSq! }, options);
      expect(Array.from(initial.dataSync())).toEqual([1, 2, 3]);
      expect(Array.from(shared.dataSync())).toEqual([1, 2, 3]);
      const [a, b, c] = param!.dataSync();
      expect(a).toBeCloseTo(0.9, 5);
      expect(b).toBeCloseTo(2.1, 5);
      expect(c).toBe(3);
      expect(expAvg!.dataSync()[0]).toBeCloseTo(0.1, 6);
      adamwStep(param!, grad, { expAvg: expAvg!, expAvgSq: expAvgSq! }, { ...options, step: 2 });
      expect(param!.dataSync()[0]).toBeCloseTo(0.8, 5);
      for (const variable of [param, expAvg, expAvgSq]) variable!.dispose();
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a large softcap does not overflow', () => {
    tf.tidy(() => {
      const x = tf.tensor2d([200, -200], [2, 1]);
      const w = tf.tensor2d([1, -1, 0], [3, 1]);
      const targets = tf.tensor1d([0, 0], 'int32');
      const losses = lmHeadCrossEntropy(x, w, targets, { softcap: 1e4, reduction: 'none' }).dataSync();
      expect(losses[0]).toBeCloseTo(0, 5);
      expect(losses[1]! / 400).toBeCloseTo(1, 3);
    });
  });
});
