import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { trackPeak } from '../../src/backend/memory.js';
import {
  type CrossEntropyOptions,
  hasKernel,
  lmHeadCrossEntropy,
  lmHeadLogits,
  logitsRows,
  MAX_LOGITS_BYTES,
} from '../../src/ops/index.js';
import { describeEachBackend } from '../backend/present.js';
import { checkOperation, expectClose, random, randomIds, tensorOf, tidyAsync } from './check.js';
import * as reference from './reference.js';

const REDUCTIONS = ['mean', 'sum', 'none'] as const;

const loss = ([x, w]: tf.Tensor[], targets: Int32Array, options: CrossEntropyOptions) =>
  tf.tidy(() =>
    lmHeadCrossEntropy(x as tf.Tensor2D, w as tf.Tensor2D, tf.tensor1d(targets, 'int32'), options),
  );

/** Targets with some ignored. */
function someIgnored(length: number, vocab: number): Int32Array {
  return randomIds('targets', length, vocab).map((id, i) => (i % 3 === 1 ? -1 : id));
}

describeEachBackend('lmHeadCrossEntropy', () => {
  for (const reduction of REDUCTIONS) {
    for (const [rows, width, vocab, maxLogitsBytes] of [
      [7, 5, 11, undefined],
      [7, 5, 11, 4 * 11 * 3], // chunks of 3, 3 and 1 rows
      [4, 3, 6, 1], // of one row
      [1, 1, 1, undefined],
      [1, 4, 9, undefined],
    ] as const) {
      test(`value and gradients, ${reduction} of ${rows} x ${vocab}, chunks of ${maxLogitsBytes ?? 'default'} bytes`, async () => {
        const targets = someIgnored(rows, vocab);
        await checkOperation('lmHeadCrossEntropy', {
          op: (inputs) => loss(inputs, targets, { softcap: 3, reduction, maxLogitsBytes }),
          reference: ([x, w]) =>
            reference.lmHeadCrossEntropy(x!, w!, targets, { width, softcap: 3, reduction }),
          inputs: [random('x', [rows, width]), random('w', [vocab, width])],
        });
      });
    }
  }

  test('with every target ignored, losses and gradients are zero', async () => {
    await tidyAsync(async () => {
      const inputs = [random('x', [3, 4]), random('w', [5, 4])].map(tensorOf);
      const targets = new Int32Array(3).fill(-1);
      for (const reduction of REDUCTIONS) {
        const f = (...xs: tf.Tensor[]) => loss(xs, targets, { softcap: 15, reduction });
        expect(Array.from(await f(...inputs).data()).every((value) => value === 0)).toBe(true);
        const dy = reduction === 'none' ? tf.ones([3]) : tf.ones([]);
        for (const grad of tf.grads(f)(inputs, dy)) {
          expect(Array.from(await grad.data()).every((value) => value === 0)).toBe(true);
        }
      }
    });
  });

  test('a very large softcap neither overflows nor loses an unlikely target', async () => {
    await tidyAsync(async () => {
      // Logits of 300 and -300: the target's probability is exp(-600).
      const x = tf.tensor2d([1, 1], [2, 1]);
      const w = tf.tensor2d([300, -300, 0], [3, 1]);
      const targets = new Int32Array([1, 0]);
      const options = { softcap: 1e4, reduction: 'none' } as const;
      const expected = reference.lmHeadLosses(
        Float64Array.of(1, 1),
        Float64Array.of(300, -300, 0),
        targets,
        1,
        1e4,
      );
      expectClose(await loss([x, w], targets, options).data(), expected, 'losses');
      const grads = tf.grads((...xs: tf.Tensor[]) => loss(xs, targets, { ...options, reduction: 'mean' }))([
        x,
        w,
      ]);
      for (const grad of grads) expect(Array.from(await grad.data()).every(Number.isFinite)).toBe(true);
    });
  });

  test('chunked equals unchunked, bit for bit in the losses', async () => {
    await tidyAsync(async () => {
      const inputs = [random('x', [37, 8]), random('w', [29, 8])].map(tensorOf);
      const targets = someIgnored(37, 29);
      const run = async (maxLogitsBytes?: number) => {
        const options = { softcap: 15, reduction: 'mean', maxLogitsBytes } as const;
        const losses = await loss(inputs, targets, { ...options, reduction: 'none' }).data();
        const grads = tf.grads((...xs: tf.Tensor[]) => loss(xs, targets, options))(inputs);
        return { losses, grads: await Promise.all(grads.map((grad) => grad.data())) };
      };
      const whole = await run();
      const chunked = await run(4 * 29 * 5);
      // TensorFlow's product of fewer rows sums in another order.
      if (tf.getBackend() === 'tensorflow') expectClose(chunked.losses, whole.losses, 'losses', 1e-6);
      else expect(chunked.losses).toEqual(whole.losses);
      for (const i of [0, 1]) expectClose(chunked.grads[i]!, whole.grads[i]!, `gradient ${i}`, 1e-6);
    });
  });

  test('logits are never whole in memory when they exceed the limit', () => {
    tf.tidy(() => {
      const [rows, vocab] = [512, 256];
      const inputs = [random('x', [rows, 4]), random('w', [vocab, 4])].map(tensorOf);
      const options = { softcap: 15, reduction: 'mean', maxLogitsBytes: 4 * vocab * 32 } as const;
      const watch = trackPeak();
      const start = watch.bytes();
      tf.grads((...xs: tf.Tensor[]) => loss(xs, someIgnored(rows, vocab), options))(inputs);
      expect(watch.bytes() - start).toBeLessThan(4 * rows * vocab);
      watch.stop();
    });
  });

  test('the scalar loss multiplies its gradient by dy', async () => {
    await tidyAsync(async () => {
      const inputs = [random('x', [5, 4]), random('w', [6, 4])].map(tensorOf);
      const targets = someIgnored(5, 6);
      const f = (...xs: tf.Tensor[]) => loss(xs, targets, { softcap: 15, reduction: 'mean' });
      const once = tf.grads(f)(inputs, tf.scalar(1));
      const thrice = tf.grads(f)(inputs, tf.scalar(3));
      for (const i of [0, 1]) {
        expectClose(await thrice[i]!.data(), await tf.mul(once[i]!, 3).data(), `gradient ${i}`, 1e-6);
      }
    });
  });

  test('without a tape no gradient is computed', async () => {
    const inputs = [random('x', [64, 4]), random('w', [256, 4])].map(tensorOf);
    const targets = someIgnored(64, 256);
    const { kernelNames, result } = await tf.profile(() =>
      loss(inputs, targets, { softcap: 15, reduction: 'mean' }),
    );
    tf.dispose([inputs, result]);
    expect(kernelNames).toContain(hasKernel('LmHeadCrossEntropy') ? 'LmHeadCrossEntropy' : 'Sigmoid');
    expect(kernelNames).not.toContain('UnsortedSegmentSum');
  });

  test('bad options are refused', () => {
    tf.tidy(() => {
      const x = tf.zeros([2, 3]);
      expect(() => loss([x, x], new Int32Array(2), { softcap: 0, reduction: 'mean' })).toThrow(
        'Expected softcap > 0, got 0',
      );
      expect(() => loss([x, tf.zeros([2, 4])], new Int32Array(2), { softcap: 1, reduction: 'mean' })).toThrow(
        'got [2,3], [2,4] and [2]',
      );
    });
  });
});

test('logitsRows: as many as take the memory of x, at least 256, at most the limit and all rows', () => {
  expect(logitsRows(2048, 128, 512)).toBe(512);
  expect(logitsRows(2048, 128, 8192)).toBe(256);
  expect(logitsRows(100, 128, 8192)).toBe(100);
  expect(logitsRows(65536, 4096, 32768)).toBe(MAX_LOGITS_BYTES / 4 / 32768);
  expect(logitsRows(2048, 128, 512, 4 * 512 * 10 + 5)).toBe(10);
  expect(logitsRows(2048, 128, 512, 1)).toBe(1);
});

describeEachBackend('lmHeadLogits', () => {
  test('equals the reference and is capped', async () => {
    await tidyAsync(async () => {
      const [x, w] = [random('x', [6, 5], 4), random('w', [7, 5])];
      const logits = lmHeadLogits(tensorOf(x) as tf.Tensor2D, tensorOf(w) as tf.Tensor2D, 2);
      const values = await logits.data();
      expectClose(values, reference.lmHeadLogits(x.values, w.values, 5, 2), 'logits');
      expect(Math.max(...values)).toBeLessThanOrEqual(2);
    });
  });
});
