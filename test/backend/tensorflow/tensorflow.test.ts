// Against a real libtensorflow, where there is one.

import { beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { isOutOfMemory } from '../../../src/backend/outOfMemory.js';
import { selfTest } from '../../../src/backend/selfTest.js';
import { withoutStderr } from '../../../src/backend/tensorflow/stderr.js';
import { useBackend } from '../../../src/backend/use.js';
import { absentBackends, presentBackends } from '../present.js';

const absent = absentBackends.find(({ name }) => name === 'tensorflow');
const when = presentBackends.includes('tensorflow') ? describe : describe.skip;

when(`the tensorflow backend${absent ? ` (${absent.reason})` : ''}`, () => {
  beforeAll(async () => {
    await useBackend('tensorflow');
  });

  test('says which TensorFlow it is', async () => {
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

  test('an allocation beyond all memory is recognized as such', () => {
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
});
