// tfjs's kernels on the device give the cpu backend's results, over odd shapes, and leak nothing.

import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { selfTest } from '../../../src/backend/checks/selfTest.js';
import { fallbacks, resetFallbacks } from '../../../src/backend/fallbacks.js';
import { runFused } from '../../../src/backend/fused.js';
import { useBackend } from '../../../src/backend/use.js';
import { randomStream } from '../../../src/base/random.js';
import { adamwStep } from '../../../src/optim/adamw.js';
import { describeCuda } from './present.js';

type Build = (floats: (...shape: number[]) => tf.Tensor) => tf.Tensor | tf.Tensor[];

/** Largest error relative to the largest magnitude: sums in another order, other exponentials. */
const TOLERANCE = 2e-6;

const int = (values: number[], shape = [values.length]) => tf.tensor(Int32Array.from(values), shape, 'int32');

const CASES: Record<string, Build> = {
  'one input': (x) =>
    [
      tf.abs,
      tf.ceil,
      tf.cos,
      tf.exp,
      tf.floor,
      tf.neg,
      tf.relu,
      tf.sigmoid,
      tf.sign,
      tf.sin,
      tf.square,
      tf.tanh,
    ].map((f) => f(x(7, 13))),
  'one positive input': (x) => [tf.log, tf.sqrt, tf.rsqrt, tf.reciprocal].map((f) => f(tf.add(x(101), 1.5))),
  'two of one shape': (x) =>
    [tf.add, tf.sub, tf.mul, tf.div, tf.maximum, tf.minimum, tf.squaredDifference].map((f) =>
      f(x(5, 21), x(5, 21)),
    ),
  'a number on either side': (x) => [
    ...[tf.add, tf.sub, tf.mul, tf.div, tf.maximum, tf.minimum].flatMap((f) => [f(x(31), 3), f(3, x(31))]),
    tf.mul(x(4, 4), 1),
    tf.pow(tf.abs(x(9)), 1.5),
  ],
  'a one-element tensor made on the device': (x) => tf.mul(tf.sum(x(5)), x(3, 4)),
  'broadcasts over rows, columns and both': (x) => [
    tf.add(x(6, 1), x(6, 9)),
    tf.sub(x(9), x(6, 9)),
    tf.mul(x(6, 1), x(1, 9)),
    tf.add(x(2, 1, 3, 1), x(1, 4, 1, 5)),
    tf.div(x(2, 3, 4, 5), tf.add(tf.abs(x(3, 1, 5)), 1)),
  ],
  integers: () => [
    tf.add(int([1, 2, 3]), int([4, 5, 6])),
    tf.mul(int([1, 2, 3, 4], [2, 2]), int([7, 8])),
    tf.maximum(int([-1, 2]), tf.scalar(0, 'int32')),
    tf.range(0, 50, 7, 'int32'),
  ],
  'comparisons and casts': (x) => [
    ...[tf.less, tf.lessEqual, tf.greater, tf.greaterEqual, tf.equal, tf.notEqual].map((f) =>
      tf.cast(f(x(8, 3), x(3)), 'float32'),
    ),
    tf.cast(tf.mul(x(17), 10), 'int32'),
    tf.cast(int([0, 3, -2]), 'float32'),
    tf.cast(tf.notEqual(int([5, -1, 5]), -1), 'int32'),
    tf.isNaN(tf.tensor1d([1, Number.NaN])),
  ],
  'choice and clipping': (x) => [
    tf.where(tf.greater(x(5, 5), 0), x(5, 5), tf.neg(x(5, 5))),
    tf.clipByValue(x(40), -0.5, 0.25),
  ],
  'sums, means, extremes': (x) =>
    [tf.sum, tf.mean, tf.max, tf.min].flatMap((f) => [
      f(x(5, 67)),
      f(x(5, 67), 1),
      f(x(5, 67), 0, true),
      f(x(2, 3, 4, 5), [1, 2]),
      f(x(300, 2), -1, true),
    ]),
  'softmax and log-sum-exp': (x) => [
    tf.softmax(tf.mul(x(7, 33), 30)),
    tf.logSumExp(tf.mul(x(7, 33), 30), -1),
    tf.softmax(x(2, 3, 5)),
  ],
  'slices, splits, stacks': (x) => [
    tf.slice(x(5, 7), [1, 2], [3, 4]),
    tf.slice(x(5, 7), [2, 0], [2, 7]),
    ...tf.split(x(4, 6), 3, 1),
    ...tf.unstack(x(3, 4)),
    tf.stack([x(3, 4), x(3, 4)], 1),
    tf.concat([x(2, 3), x(2, 5)], 1),
    tf.concat([int([1, 2 ** 24 + 1]), int([3])]),
    tf.pad(x(2, 3), [
      [1, 0],
      [2, 3],
    ]),
    tf.tile(x(2, 3), [2, 3]),
    tf.expandDims(x(2, 3), 1),
  ],
  transposes: (x) => [
    tf.transpose(x(5, 7)),
    tf.transpose(x(2, 5, 3, 4), [0, 2, 1, 3]),
    tf.transpose(x(2, 3, 4, 5), [3, 1, 2, 0]),
    tf.transpose(x(1, 5, 1, 7), [2, 1, 0, 3]),
  ],
  'rows by number': (x) => [
    tf.gather(x(11, 5), int([3, 0, 10, 3])),
    tf.gather(x(4, 6), int([5, 1], [2, 1]), 1),
    tf.oneHot(int([0, 3, 1]), 5, 2, -1, 'float32'),
    tf.unsortedSegmentSum(x(6, 4), int([0, 2, 2, 1, 0, 2]) as tf.Tensor1D, 4),
  ],
  fills: (x) => [tf.zeros([3, 2]), tf.ones([4]), tf.fill([20], 2.5), tf.onesLike(x(3)), tf.zerosLike(x(30))],
  'products in all orientations': (x) => [
    tf.matMul(x(5, 7), x(7, 3)),
    tf.matMul(x(7, 5), x(7, 3), true, false),
    tf.matMul(x(5, 7), x(3, 7), false, true),
    tf.matMul(x(7, 5), x(3, 7), true, true),
    tf.matMul(x(4, 5, 7), x(4, 7, 3)),
    tf.matMul(x(4, 5, 7), x(7, 3)),
    tf.matMul(x(4, 7, 5), x(1, 7, 3), true, false),
    tf.matMul(x(2, 1, 3, 4), x(1, 3, 4, 2)),
  ],
  'not-a-number and infinity': () => {
    const odd = tf.tensor1d([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1]);
    return [
      tf.relu(odd),
      tf.tanh(odd),
      tf.maximum(odd, 0),
      tf.sum(odd),
      tf.max(odd),
      tf.clipByValue(odd, -2, 2),
    ];
  },
};

function outcome(build: Build) {
  const stream = randomStream(1, 'case');
  const made = tf.tidy(() =>
    build((...shape) => {
      const size = shape.reduce((p, n) => p * n, 1);
      return tf.tensor(
        Float32Array.from({ length: size }, () => 2 * stream.uniform() - 1),
        shape,
      );
    }),
  );
  const tensors = Array.isArray(made) ? made : [made];
  const results = tensors.map((t) => ({ shape: t.shape, dtype: t.dtype, values: Array.from(t.dataSync()) }));
  tf.dispose(tensors);
  return results;
}

describeCuda('kernels of tfjs on the emulated device', (_, backend) => {
  test.each(Object.keys(CASES))('%s', async (name) => {
    await useBackend('cpu');
    const expected = outcome(CASES[name]!);
    await useBackend('cuda');
    resetFallbacks();
    const before = { ids: backend().numDataIds(), bytes: backend().session.allocator.statistics().current };
    const got = outcome(CASES[name]!);
    expect(fallbacks()).toEqual({});
    expect(backend().numDataIds()).toBe(before.ids);
    expect(backend().session.allocator.statistics().current).toBe(before.bytes);
    expect(got.map(({ shape, dtype }) => [shape, dtype])).toEqual(
      expected.map(({ shape, dtype }) => [shape, dtype]),
    );
    got.forEach(({ values }, i) => {
      const reference = expected[i]!.values;
      const scale = reference.reduce(
        (max, v) => (Number.isFinite(v) ? Math.max(max, Math.abs(v)) : max),
        1e-30,
      );
      values.forEach((v, j) => {
        if (Object.is(v, reference[j]) || v === reference[j]) return;
        if (!(Math.abs(v - reference[j]!) <= TOLERANCE * scale))
          throw new Error(`Expected ${reference[j]} at ${j} of output ${i}, got ${v}`);
      });
    });
  });

  test('sums of gradients take the place of the sum before, unless it is shared', () => {
    const { allocator } = backend().session;
    const [sum, x] = [0.5, 0.25].map((v) => tf.fill([5, 7], v)) as [tf.Tensor, tf.Tensor];
    const add = (a: tf.Tensor, b: tf.Tensor) => runFused('Accumulate', { sum: a, x: b }, { factor: 2 })[0]!;
    const before = allocator.statistics().current;
    const total = add(sum, x);
    expect(allocator.statistics().current).toBe(before);
    sum.dispose();
    expect([...total.dataSync()]).toEqual(Array(35).fill(1.5));
    const view = tf.reshape(total, [35]);
    const next = add(total, x);
    expect([...view.dataSync()]).toEqual(Array(35).fill(1.5));
    expect([...next.dataSync()]).toEqual(Array(35).fill(3.5));
    // A few numbers that the host has.
    const small = add(tf.tensor1d([1, 2]), tf.tensor1d([3, 4]));
    expect([...small.dataSync()]).toEqual([8, 12]);
    tf.dispose([x, total, view, next, small]);
  });

  test('updates that a failed dry run put off do not take place later', () => {
    const variables = () => tf.tidy(() => [1, 2, 3].map((value) => tf.variable(tf.fill([40], value))));
    const [dry, real] = [variables(), variables()];
    const grad = tf.fill([40], 0.5);
    const options = { lr: 0.1, beta1: 0.9, beta2: 0.9, eps: 1e-8, weightDecay: 0, step: 1 };
    const step = ([param, expAvg, expAvgSq]: tf.Variable[]) =>
      adamwStep(param!, grad, { expAvg: expAvg!, expAvgSq: expAvgSq! }, options);
    const failing = () => {
      step(dry);
      throw new Error('no such check');
    };
    expect(() => backend().collect(failing)).toThrow('no such check');
    step(real);
    expect(dry.map((variable) => variable.dataSync()[39])).toEqual([1, 2, 3]);
    expect(real[0]!.dataSync()[39]).not.toBe(1);
    tf.dispose([...dry, ...real, grad]);
  });

  test('the self-test passes', async () => {
    const { failures } = await selfTest('fp32');
    expect(failures).toEqual([]);
  });

  describe('kernels without a device version', () => {
    test('run on the cpu backend and are counted', () => {
      resetFallbacks();
      const before = backend().numDataIds();
      const values = tf.tidy(() => {
        const { values, indices } = tf.topk(tf.tensor1d([3, 1, 4, 1, 5]), 2);
        return [...values.dataSync(), ...indices.dataSync()];
      });
      expect(values).toEqual([5, 4, 4, 2]);
      expect(fallbacks()).toEqual({ TopK: 1 });
      expect(backend().numDataIds()).toBe(before);
    });
  });
});
