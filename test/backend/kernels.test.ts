// The replaced kernels give the results of tfjs's own JavaScript kernels, over odd shapes, and leak nothing.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { simplify } from '../../src/backend/flat/copy.js';
import { useBackend } from '../../src/backend/use.js';
import { randomStream } from '../../src/base/random.js';

type Build = () => tf.Tensor | tf.Tensor[];
type Outcome = { shapes: number[][]; dtypes: string[]; values: number[][] };

/** The stock kernels under a name of their own, taken before any is replaced. */
beforeAll(async () => {
  tf.copyRegisteredKernels('cpu', 'stock');
  tf.registerBackend('stock', () => {
    const backend = new MathBackendCPU();
    (backend as unknown as { firstUse: boolean }).firstUse = false;
    return backend;
  });
  await useBackend('cpu');
  await useBackend('wasm');
});

function dataIds(): number {
  return (tf.backend() as unknown as { numDataIds(): number }).numDataIds();
}

function outcome(build: Build): Outcome {
  const made = tf.tidy(build);
  const tensors = Array.isArray(made) ? made : [made];
  const result = {
    shapes: tensors.map((t) => t.shape),
    dtypes: tensors.map((t) => t.dtype as string),
    values: tensors.map((t) => Array.from(t.dataSync())),
  };
  tf.dispose(tensors);
  return result;
}

/** Largest error relative to the largest magnitude: room for sums in another order, not for a wrong term. */
const TOLERANCE = 1e-5;

function expectClose(got: Outcome, expected: Outcome): void {
  expect(got.shapes).toEqual(expected.shapes);
  expect(got.dtypes).toEqual(expected.dtypes);
  got.values.forEach((values, i) => {
    const reference = expected.values[i]!;
    const scale = reference.reduce(
      (max, v) => (Number.isFinite(v) ? Math.max(max, Math.abs(v)) : max),
      1e-30,
    );
    values.forEach((v, j) => {
      if (!Object.is(v, reference[j]) && !(Math.abs(v - reference[j]!) <= TOLERANCE * scale))
        throw new Error(`Expected ${reference[j]} at ${j} of output ${i}, got ${v}`);
    });
  });
}

/** Builds with the same random numbers each time. */
function seeded(
  seed: number,
  build: (floats: (shape: number[]) => tf.Tensor) => tf.Tensor | tf.Tensor[],
): Build {
  return () => {
    const stream = randomStream(seed, 'case');
    return build((shape) => {
      const size = shape.reduce((p, n) => p * n, 1);
      return tf.tensor(
        Float32Array.from({ length: size }, () => 2 * stream.uniform() - 1),
        shape,
        'float32',
      );
    });
  };
}

function ids(values: number[], shape = [values.length]): tf.Tensor {
  return tf.tensor(Int32Array.from(values), shape, 'int32');
}

describe.each(['wasm', 'cpu'] as const)('kernels of %s', (backend) => {
  let before = 0;

  beforeAll(async () => {
    await useBackend(backend);
    before = dataIds();
  });

  afterAll(async () => {
    await useBackend(backend);
    expect(tf.memory().numTensors).toBe(0);
    expect(dataIds()).toBe(before);
  });

  async function expectSame(build: Build): Promise<void> {
    await tf.setBackend('stock');
    const expected = outcome(build);
    await tf.setBackend(backend);
    expectClose(outcome(build), expected);
  }

  describe('matMul', () => {
    const batches: [number[], number[]][] = [
      [[], []],
      [[1], [1]],
      [[3], [3]],
      [[3], [1]],
      [[1], [3]],
      [
        [2, 3],
        [2, 3],
      ],
      [[2, 3], [3]],
      [[3], [2, 3]],
    ];
    for (const transposeA of [false, true])
      for (const transposeB of [false, true])
        test(`equals stock for all broadcasts of batches, transposeA ${transposeA}, transposeB ${transposeB}`, async () => {
          let seed = 0;
          for (const [aBatch, bBatch] of batches)
            for (const [m, k, n] of [
              [1, 1, 1],
              [1, 9, 33],
              [5, 7, 3],
              [33, 4, 1],
              [4, 130, 9],
              [130, 12, 17],
              [6, 5, 131],
            ] as const)
              await expectSame(
                seeded(seed++, (x) =>
                  tf.matMul(
                    x([...aBatch, ...(transposeA ? [k, m] : [m, k])]),
                    x([...bBatch, ...(transposeB ? [n, k] : [k, n])]),
                    transposeA,
                    transposeB,
                  ),
                ),
              );
        });

    test('returns zeros for an inner size of 0 and an empty tensor for an outer size of 0', async () => {
      await expectSame(() => tf.matMul(tf.zeros([3, 0]), tf.zeros([0, 4])));
      await expectSame(() => tf.matMul(tf.zeros([0, 3]), tf.zeros([3, 4])));
      await expectSame(() => tf.matMul(tf.zeros([2, 3, 5]), tf.zeros([2, 0, 5]), false, true));
    });
  });

  describe('matMul of batches that broadcast both ways', () => {
    test('equals the product of the repeated batches', async () => {
      await useBackend(backend);
      const run = (repeat: boolean): Build =>
        seeded(50, (x) => {
          const [a, b] = [x([2, 1, 3, 4]), x([1, 3, 4, 5])];
          return repeat ? tf.matMul(tf.tile(a, [1, 3, 1, 1]), tf.tile(b, [2, 1, 1, 1])) : tf.matMul(a, b);
        });
      expectClose(outcome(run(false)), outcome(run(true)));
    });
  });

  describe('broadcasting arithmetic', () => {
    test('equals the stock kernels for rows, columns and scalars on either side', async () => {
      let seed = 700;
      for (const op of [tf.add, tf.sub, tf.mul, tf.div])
        for (const [a, b] of [
          [[3, 4], [4]],
          [
            [3, 4],
            [3, 1],
          ],
          [
            [3, 1],
            [1, 4],
          ],
          [
            [2, 3, 4],
            [3, 1],
          ],
          [[5], [2, 1]],
          [[2, 3], []],
          [[1], [2, 0]],
        ] as const) {
          await expectSame(seeded(seed, (x) => op(x([...a]), x([...b]))));
          await expectSame(seeded(seed++, (x) => op(x([...b]), x([...a]))));
        }
    });
  });

  describe('Transpose', () => {
    test('equals stock for every permutation of irregular shapes', async () => {
      let seed = 100;
      for (const shape of [
        [5],
        [7, 6],
        [130, 9],
        [1, 5],
        [2, 3, 4],
        [3, 1, 5],
        [2, 5, 3, 7],
        [2, 1, 9, 4],
        [2, 3, 2, 2, 3],
      ])
        for (const perm of permutations(shape.length))
          await expectSame(seeded(seed++, (x) => tf.transpose(x(shape), perm)));
    });

    test('keeps the bits of int32 and handles empty tensors', async () => {
      await expectSame(() => tf.transpose(ids([-1, 2 ** 31 - 1, -(2 ** 31), 5, 6, 7], [2, 3])));
      await expectSame(() => tf.transpose(tf.zeros([0, 3]), [1, 0]));
    });
  });

  describe('copying kernels', () => {
    test('Slice equals stock for random boxes of ranks 1 to 5', async () => {
      for (let seed = 0; seed < 120; seed++) {
        const stream = randomStream(seed, 'slice');
        const rank = 1 + stream.int(5);
        const shape = Array.from({ length: rank }, (_, i) => 1 + stream.int(i === rank - 1 ? 40 : 5));
        const begin = shape.map((n) => (stream.uniform() < 0.4 ? 0 : stream.int(n)));
        const size = shape.map((n, i) => (stream.uniform() < 0.4 ? -1 : stream.int(n - begin[i]! + 1)));
        await expectSame(seeded(seed, (x) => tf.slice(x(shape), begin, size)));
      }
    });

    test('SplitV, Unpack and Concat equal stock along every axis', async () => {
      let seed = 200;
      for (const shape of [[6], [6, 4], [2, 6, 35], [2, 3, 4, 6]])
        for (let axis = 0; axis < shape.length; axis++) {
          await expectSame(seeded(seed, (x) => tf.split(x(shape), shape[axis]! % 2 === 0 ? 2 : 1, axis)));
          await expectSame(seeded(seed, (x) => tf.unstack(x(shape), axis)));
          const other = shape.map((n, i) => (i === axis ? 17 : n));
          await expectSame(seeded(seed++, (x) => tf.concat([x(shape), x(other), x(shape)], axis)));
        }
      await expectSame(seeded(seed, (x) => tf.split(x([5, 7]), [1, 0, 4], 0)));
      await expectSame(seeded(seed, (x) => tf.concat([x([2, 0]), x([2, 3]), x([2, 1])], 1)));
      await expectSame(seeded(seed, (x) => tf.stack([x([3, 2]), x([3, 2])], 1)));
    });

    test('int32 and bool tensors keep their bits', async () => {
      const odd = [-1, 2 ** 31 - 1, -(2 ** 31), 0x7fc00001, -0x3fffff, 6];
      await expectSame(() => tf.slice(ids(odd, [3, 2]), [0, 1], [3, 1]));
      await expectSame(() => tf.concat([ids(odd), ids(odd)]));
      await expectSame(() => tf.tile(ids(odd, [6, 1]), [1, 20]));
      await expectSame(() => tf.gather(ids(odd, [3, 2]), ids([2, 0])));
      await expectSame(() => tf.slice(tf.tensor([true, false, true, true], [2, 2], 'bool'), [0, 1], [2, 1]));
      await expectSame(() => tf.concat([tf.tensor1d([true], 'bool'), tf.tensor1d([false, true], 'bool')]));
    });

    test('GatherV2 equals stock along every axis, with and without batch dimensions', async () => {
      let seed = 300;
      for (const shape of [[9], [9, 5], [9, 33], [3, 9, 4]])
        for (let axis = 0; axis < shape.length; axis++)
          await expectSame(
            seeded(seed++, (x) => tf.gather(x(shape), ids([1, 0, 2, 2, shape[axis]! - 1, 0], [2, 3]), axis)),
          );
      await expectSame(seeded(seed, (x) => tf.gather(x([2, 5, 3]), ids([4, 0, 1, 1], [2, 2]), 1, 1)));
      await expectSame(seeded(seed, (x) => tf.gather(x([4, 3]), ids([], [0]))));
    });

    test('GatherV2 throws for an index out of range', async () => {
      await useBackend(backend);
      expect(() => tf.tidy(() => tf.gather(tf.ones([3, 2]), ids([0, 3])))).toThrow('index value 3');
      expect(() => tf.tidy(() => tf.gather(tf.ones([3, 2]), ids([-1])))).toThrow('index value -1');
    });

    test('Tile and broadcastTo equal stock', async () => {
      let seed = 400;
      for (const [shape, reps] of [
        [[3], [4]],
        [
          [3, 1],
          [1, 40],
        ],
        [
          [1, 3],
          [40, 1],
        ],
        [
          [2, 3],
          [2, 2],
        ],
        [
          [2, 3, 4],
          [1, 2, 1],
        ],
        [
          [2, 1, 3],
          [2, 5, 3],
        ],
        [
          [2, 20, 3],
          [3, 1, 2],
        ],
        [
          [1, 1, 1, 1],
          [2, 3, 1, 2],
        ],
        [
          [2, 3],
          [0, 1],
        ],
      ] as const)
        await expectSame(seeded(seed++, (x) => tf.tile(x([...shape]), [...reps])));
      await expectSame(seeded(seed, (x) => tf.broadcastTo(x([5, 1]), [3, 5, 7])));
      await expectSame(() => tf.broadcastTo(tf.scalar(3), [2, 3]));
    });
  });

  describe('UnsortedSegmentSum', () => {
    test('equals stock, repeated and missing segments included', async () => {
      await expectSame(
        seeded(500, (x) => tf.unsortedSegmentSum(x([6, 5]), ids([3, 0, 3, 9, 3, 0]) as tf.Tensor1D, 11)),
      );
      await expectSame(
        seeded(501, (x) => tf.unsortedSegmentSum(x([7]), ids([0, 0, 1, 1, 1, 0, 2]) as tf.Tensor1D, 3)),
      );
      await expectSame(seeded(502, (x) => tf.unsortedSegmentSum(x([2, 0]), ids([0, 1]) as tf.Tensor1D, 2)));
    });

    test('drops segments out of range', async () => {
      await useBackend(backend);
      const sums = tf.tidy(() =>
        tf.unsortedSegmentSum(tf.ones([3, 1]), ids([-1, 5, 1]) as tf.Tensor1D, 2).dataSync(),
      );
      expect(Array.from(sums)).toEqual([0, 1]);
    });
  });

  describe('OneHot', () => {
    test.each(['float32', 'int32', 'bool'] as const)(
      'equals stock in %s, indices out of range included',
      async (dtype) => {
        await expectSame(() => tf.oneHot(ids([0, 4, -1, 5, 2]) as tf.Tensor1D, 5, 1, 0, dtype));
        await expectSame(() => tf.oneHot(ids([0, 1, 2, 0], [2, 2]) as tf.Tensor1D, 3, 1, 0, dtype));
      },
    );
  });

  describe('Sum and Mean', () => {
    test('equal stock over all sets of axes, kept or not', async () => {
      let seed = 600;
      for (const shape of [[7], [5, 9], [3, 4, 5], [2, 3, 4, 5]])
        for (let set = 0; set < 2 ** shape.length; set++) {
          const axes = shape.map((_, axis) => axis).filter((axis) => (set >> axis) & 1);
          for (const keep of [false, true]) {
            await expectSame(seeded(seed, (x) => tf.sum(x(shape), axes, keep)));
            await expectSame(
              seeded(seed++, (x) => tf.mean(x(shape), axes.length > 0 ? axes : undefined, keep)),
            );
          }
        }
    });

    test('equal stock for integers and empty axes', async () => {
      await expectSame(() => tf.sum(ids([1, 2, 3, 4], [2, 2]), 0));
      await expectSame(() => tf.mean(ids([1, 2, 3, 5], [2, 2]), 1));
      await expectSame(() => tf.sum(tf.tensor([true, true, false], [3], 'bool')));
      await expectSame(() => tf.sum(tf.zeros([0, 3]), 0));
    });

    test('the sum of a million equal terms has one rounding error', async () => {
      await useBackend(backend);
      const sum = tf.tidy(() => tf.sum(tf.fill([1 << 20], 0.1)).dataSync()[0]!);
      expect(Math.abs(sum / (Math.fround(0.1) * 2 ** 20) - 1)).toBeLessThan(2 ** -23);
    });
  });

  describe('Tanh', () => {
    test('is accurate to 4 units in the last place from 1e-30 to saturation, in both signs', async () => {
      await useBackend(backend);
      const x = Float32Array.from({ length: 4001 }, (_, i) => 10 ** (-30 + (32 * i) / 4000));
      for (const sign of [1, -1]) {
        const signed = x.map((v) => sign * v);
        const got = tf.tidy(() => tf.tanh(tf.tensor1d(signed)).dataSync());
        const errors = signed.map((v, i) => Math.abs(got[i]! / Math.tanh(v) - 1));
        expect(Math.max(...errors)).toBeLessThan(4 * 2 ** -23);
      }
    });

    test('handles zero, infinities and NaN', async () => {
      await useBackend(backend);
      const x = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
      const got = tf.tidy(() => tf.tanh(tf.tensor1d(x)).dataSync());
      expect(Array.from(got, Math.abs)).toEqual([0, 1, 1, Number.NaN]);
      expect(got[2]).toBe(-1);
      await expectSame(() => tf.tanh(tf.zeros([0])));
    });
  });
});

function permutations(rank: number): number[][] {
  if (rank === 0) return [[]];
  return permutations(rank - 1).flatMap((p) =>
    Array.from({ length: rank }, (_, i) => [...p.slice(0, i), rank - 1, ...p.slice(i)]),
  );
}

test('the strided copy merges adjacent axes with one stride', () => {
  expect(simplify([2, 4, 5, 3], [60, 5, 1, 20])).toEqual({ shape: [2, 20, 3], strides: [[60, 1, 20]] });
  expect(simplify([1, 2, 4, 5], [20, 20, 5, 1])).toEqual({ shape: [40], strides: [[1]] });
  expect(simplify([3, 1, 1], [0, 7, 9])).toEqual({ shape: [3], strides: [[0]] });
  expect(simplify([1, 1], [1, 1])).toEqual({ shape: [], strides: [[]] });
  expect(simplify([2, 4, 5], [20, 5, 1], [0, 5, 1])).toEqual({
    shape: [2, 20],
    strides: [
      [20, 1],
      [0, 1],
    ],
  });
});
