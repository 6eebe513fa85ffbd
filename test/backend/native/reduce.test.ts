import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { setThreads } from '../../../src/backend/native/threads.js';
import { useBackend } from '../../../src/backend/use.js';
import { randomStream } from '../../../src/base/random.js';
import { describeNative } from './present.js';

const REDUCTIONS = { sum: tf.sum, mean: tf.mean, max: tf.max } as const;

function drawn(shape: number[]): Float32Array {
  const stream = randomStream(1, `reduce ${shape}`);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => stream.normal());
}

describeNative('reductions', () => {
  for (const [name, reduce] of Object.entries(REDUCTIONS))
    test(`${name} equals the cpu backend's over all sets of axes, kept or not`, async () => {
      for (const shape of [[7], [1], [5, 9], [3, 4, 5], [2, 3, 4, 5], [0, 3], [3, 40000], [40000, 2]])
        for (let set = 1; set < 2 ** shape.length; set++) {
          if (name === 'max' && shape.includes(0)) continue; // the cpu backend reads beyond its array
          const axes = shape.map((_, axis) => axis).filter((axis) => (set >> axis) & 1);
          const results = [];
          for (const backend of ['cpu', 'native'] as const) {
            await useBackend(backend);
            const { values, shape: left } = tf.tidy(() => {
              const y = reduce(tf.tensor(drawn(shape), shape), axes, set % 2 === 0);
              return { values: [...y.dataSync()], shape: y.shape };
            });
            results.push({ values, left });
          }
          const [expected, got] = results as [(typeof results)[0], (typeof results)[0]];
          expect(got.left).toEqual(expected.left);
          got.values.forEach((value, i) => {
            const wanted = expected.values[i]!;
            if (!Object.is(value, wanted)) expect(Math.abs(value - wanted)).toBeLessThan(1e-5 * shape[0]!);
          });
        }
    });

  test('the sum of a million equal terms has one rounding error, on any number of threads', async () => {
    await useBackend('native');
    const sums = [1, 2, 5].map((threads) => {
      setThreads(threads);
      return tf.tidy(() => tf.sum(tf.fill([1 << 20], 0.1)).dataSync()[0]!);
    });
    expect(Math.abs(sums[0]! / (Math.fround(0.1) * 2 ** 20) - 1)).toBeLessThan(2 ** -23);
    expect(new Set(sums).size).toBe(1);
  });

  test('NaN passes through', async () => {
    await useBackend('native');
    for (const reduce of Object.values(REDUCTIONS)) {
      const values = drawn([100]);
      values[57] = Number.NaN;
      expect(tf.tidy(() => reduce(tf.tensor1d(values)).dataSync()[0])).toBeNaN();
    }
  });
});
