import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { trackPeak } from '../../src/backend/memory.js';
import { type AttentionShape, attentionFootprint, causalAttention } from '../../src/ops/index.js';
import { describeEachBackend } from '../backend/present.js';
import { checkOperation, expectClose, random, tensorOf, tidyAsync } from './check.js';
import * as reference from './reference.js';

const attend = ([q, k, v]: tf.Tensor[], shape: AttentionShape) =>
  causalAttention(q as tf.Tensor2D, k as tf.Tensor2D, v as tf.Tensor2D, shape);

const inputsOf = ({ batch, seq, heads, kvHeads }: AttentionShape, width: number) => [
  random('q', [batch * seq, heads * width]),
  random('k', [batch * seq, kvHeads * width]),
  random('v', [batch * seq, kvHeads * width]),
];

// Longer than a block of queries. Differences of all inputs would take minutes: a few entries of each are compared,
// and the reference runs once for all backends.
const LONG = [
  { seq: 131, window: 131 },
  { seq: 160, window: 30 },
  { seq: 260, window: 129 },
];

const probes = (length: number) => [Math.floor(length / 2), length - 1];

const expectations = new Map<object, ReturnType<typeof computeExpected>>();
function expectedOf(long: (typeof LONG)[number]) {
  const known = expectations.get(long) ?? computeExpected(long);
  expectations.set(long, known);
  return known;
}

function computeExpected({ seq, window }: (typeof LONG)[number]) {
  const shape = { batch: 1, seq, heads: 2, kvHeads: 1, window };
  const inputs = inputsOf(shape, 2);
  const dy = random('long dy', [seq, 4]);
  const arrays = inputs.map((input) => input.values);
  const value = (at: Float64Array[]) => reference.causalAttention(at[0]!, at[1]!, at[2]!, shape);
  const grads = arrays.map((array, n) =>
    probes(array.length).map((entry) => {
      const at = (shift: number) => {
        const moved = arrays.map((values) => values.slice());
        moved[n]![entry]! += shift;
        return value(moved).reduce((sum, y, i) => sum + y * dy.values[i]!, 0);
      };
      return (at(1e-5) - at(-1e-5)) / 2e-5;
    }),
  );
  return { shape, inputs, dy, value: value(arrays), grads };
}

describeEachBackend('causalAttention', () => {
  const cases: [number, number, number, number, number, number][] = [
    // batch, seq, heads, kvHeads, window, width
    [2, 7, 2, 2, 7, 4],
    [2, 7, 4, 2, 3, 2],
    [1, 1, 1, 1, 1, 1],
    [3, 1, 2, 1, 0, 2],
    [1, 7, 2, 2, 0, 2],
    [1, 7, 3, 1, 1, 2],
    [1, 9, 2, 1, 100, 1], // too long for its width to keep the probabilities
  ];
  for (const [batch, seq, heads, kvHeads, window, width] of cases) {
    const shape = { batch, seq, heads, kvHeads, window };
    test(`value and gradients: ${JSON.stringify(shape)}, width ${width}`, async () => {
      await checkOperation('causalAttention', {
        op: (inputs) => attend(inputs, shape),
        reference: ([q, k, v]) => reference.causalAttention(q!, k!, v!, shape),
        inputs: inputsOf(shape, width),
      });
    });
  }

  for (const long of LONG) {
    test(`several blocks of queries: T = ${long.seq}, window ${long.window}`, async () => {
      const { shape, inputs, dy, value, grads: expected } = expectedOf(long);
      await tidyAsync(async () => {
        const tensors = inputs.map(tensorOf);
        expectClose(await attend(tensors, shape).data(), value, 'value');
        const grads = tf.grads((...xs: tf.Tensor[]) => attend(xs, shape))(tensors, tensorOf(dy));
        for (const [n, grad] of grads.entries()) {
          const actual = await grad.data();
          const entries = probes(actual.length).map((entry) => actual[entry]!);
          expectClose(entries, expected[n]!, `gradient of input ${n}`);
        }
      });
    });
  }

  test('a long sequence has only one block of scores in memory', () => {
    tf.tidy(() => {
      const shape = { batch: 1, seq: 1024, heads: 2, kvHeads: 1, window: 64 };
      const tensors = inputsOf(shape, 2).map(tensorOf);
      const watch = trackPeak();
      const start = watch.bytes();
      tf.grads((...xs: tf.Tensor[]) => attend(xs, shape))(tensors, tf.ones([1024, 4]));
      const peak = watch.bytes() - start;
      watch.stop();
      const { kept, transient } = attentionFootprint(shape, 2);
      expect(kept).toBe(0);
      // Beside the scores some tensors of q's size, and less than one matrix of all scores.
      expect(peak).toBeLessThan(4 * (transient + 40 * 1024 * 4));
      expect(peak).toBeLessThan(4 * 2 * 1024 * 1024);
    });
  });

  test('a key outside the window has no influence', async () => {
    await tidyAsync(async () => {
      const shape = { batch: 1, seq: 8, heads: 1, kvHeads: 1, window: 2 };
      const [q, k, v] = inputsOf(shape, 4).map(tensorOf) as tf.Tensor2D[];
      const poison = tf.tensor2d(
        Float32Array.from({ length: 32 }, (_, i) => (i < 4 ? 1e6 : 0)),
        [8, 4],
      );
      const clean = await causalAttention(q!, k!, v!, shape).array();
      const marked = await causalAttention(q!, k!, tf.add(v!, poison), shape).array();
      expect(marked.slice(3)).toEqual(clean.slice(3));
      expect(marked[2]).not.toEqual(clean[2]);
    });
  });

  test('sizes must fit together', () => {
    tf.tidy(() => {
      const x = tf.zeros([4, 6]) as tf.Tensor2D;
      const shape = { batch: 2, seq: 2, heads: 3, kvHeads: 2, window: 1 };
      expect(() => causalAttention(x, x, x, shape)).toThrow('H a multiple of G');
      expect(() => causalAttention(x, x, x, { ...shape, kvHeads: 3, window: -1 })).toThrow('window >= 0');
    });
  });
});
