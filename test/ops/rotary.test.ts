import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { rotary, rotaryQkNorm } from '../../src/ops/index.js';
import { describeEachBackend } from '../backend/present.js';
import { checkOperation, expectClose, random, tidyAsync } from './check.js';
import * as reference from './reference.js';

function tables(seq: number, half: number) {
  const angles = Float64Array.from(
    { length: seq * half },
    (_, i) => Math.floor(i / half) * 10 ** -(i % half),
  );
  return {
    cos: angles.map((a) => Math.fround(Math.cos(a))),
    sin: angles.map((a) => Math.fround(Math.sin(a))),
  };
}

describeEachBackend('rotaryQkNorm', () => {
  for (const [batch, seq, heads, half] of [
    [2, 7, 3, 4],
    [1, 1, 1, 1],
    [3, 1, 2, 2],
    [2, 5, 2, 1],
  ] as const) {
    test(`value and gradient of ${batch} x ${seq} tokens, ${heads} heads of ${2 * half}`, async () => {
      const { cos, sin } = tables(seq, half);
      for (const [op, expected] of [
        [rotaryQkNorm, reference.rotaryQkNorm],
        [rotary, reference.rotary],
      ] as const)
        await checkOperation(op.name, {
          op: ([x]) =>
            tf.tidy(() =>
              op(
                x as tf.Tensor2D,
                tf.tensor2d(Float32Array.from(cos), [seq, half]),
                tf.tensor2d(Float32Array.from(sin), [seq, half]),
                { heads },
              ),
            ),
          reference: ([x]) => expected(x!, cos, sin, seq, heads),
          inputs: [random('x', [batch * seq, heads * 2 * half])],
        });
    });
  }

  test('dot products of rotated heads depend only on the distance of their positions', async () => {
    await tidyAsync(async () => {
      const seq = 6;
      const { cos, sin } = tables(seq, 2);
      const [c, s] = [cos, sin].map((table) => tf.tensor2d(Float32Array.from(table), [seq, 2]));
      const same = (values: number[]) => tf.tile(tf.tensor2d(values, [1, 4]), [seq, 1]) as tf.Tensor2D;
      const q = rotaryQkNorm(same([1, -2, 0.5, 3]), c!, s!, { heads: 1 });
      const k = rotaryQkNorm(same([0.3, 1, -1, 2]), c!, s!, { heads: 1 });
      const products = (await tf.matMul(q, k, false, true).array()) as number[][];
      for (let i = 1; i < seq; i++) {
        expectClose(products[i]!.slice(1, i + 1), products[i - 1]!.slice(0, i), `products of query ${i}`);
      }
    });
  });

  test('sizes must fit together', () => {
    tf.tidy(() => {
      expect(() => rotaryQkNorm(tf.zeros([4, 6]), tf.zeros([2, 2]), tf.zeros([2, 2]), { heads: 2 })).toThrow(
        'got [4,6], [2,2], [2,2] and 2 heads',
      );
    });
  });
});
