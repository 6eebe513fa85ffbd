// The loss of predictions that are nearly certain: never below 0, and accurate relative to the loss, not to the logits.

import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { lmHeadCrossEntropy } from '../../src/ops/index.js';
import { describeCuda } from './cuda/present.js';
import { describeEachBackend } from './present.js';

/** Logits before the cap, of the target; all others have the same below 0. */
const MARGINS = [0.5, 2, 4, 6, 8, 12, 16, 20, 30, 60, 200];

/** Row n of x w^T is MARGINS[n] at the id 7 n, and -MARGINS[n] elsewhere. */
async function nearlyCertain(vocab: number, softcap: number) {
  const rows = MARGINS.length;
  const ids = MARGINS.map((_, n) => 7 * n);
  const x = tf.buffer([rows, rows + 1]);
  const w = tf.buffer([vocab, rows + 1]);
  for (let v = 0; v < vocab; v++) w.set(-1, v, rows);
  MARGINS.forEach((margin, n) => {
    x.set(margin, n, n);
    x.set(margin, n, rows);
    w.set(2, ids[n]!, n);
  });
  const inputs = [
    x.toTensor() as tf.Tensor2D,
    w.toTensor() as tf.Tensor2D,
    tf.tensor1d(ids, 'int32'),
  ] as const;
  const loss = async (reduction: 'none' | 'mean') => {
    const value = tf.tidy(() => lmHeadCrossEntropy(...inputs, { softcap, reduction }));
    const values = await value.data();
    value.dispose();
    return values;
  };
  const losses = await loss('none');
  const mean = (await loss('mean'))[0]!;
  tf.dispose([...inputs]);
  return { losses, mean };
}

function cases(): void {
  test.each([
    [257, 15],
    [80, 15],
    [301, 60],
    [1031, 15],
  ])('a vocabulary of %d, logits up to %d', async (vocab, softcap) => {
    const { losses, mean } = await nearlyCertain(vocab, softcap);
    MARGINS.forEach((margin, n) => {
      const expected = Math.log1p((vocab - 1) * Math.exp(-2 * softcap * Math.tanh(margin / softcap)));
      expect(losses[n]).toBeGreaterThanOrEqual(0);
      // A rounding of the logits, which are up to the cap, is that of the loss in proportion; where the difference of two
      // logits is taken, as the composition of stock operations does, it remains as it is.
      const rounding = 4e-6 * softcap;
      const exact = expected < 0.01 && ['native', 'cuda', 'webgpu'].includes(tf.getBackend());
      const tolerance = exact ? rounding * expected + 1e-35 : rounding * Math.max(expected, 0.25);
      expect(Math.abs(losses[n]! - expected)).toBeLessThanOrEqual(tolerance);
    });
    expect(mean).toBeGreaterThanOrEqual(0);
  });
}

describeEachBackend('losses of nearly certain predictions', cases);
describeCuda('losses of nearly certain predictions on the emulated device', cases);
// Logits are rounded to bfloat16 in a step only: an evaluation has the same tolerance.
describeCuda('losses of nearly certain predictions on the emulated device in bf16', cases, 'bf16');
