// Sums over micro-batches.

import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runFused } from '../backend/fused.js';

/**
 * (sum + x) * factor, elementwise, both of one shape. Consumes both: the result takes the place of `sum`, in its memory
 * where the backend can.
 */
export function accumulate(sum: tf.Tensor, x: tf.Tensor, factor = 1): tf.Tensor {
  const total = tf.tidy(() => {
    if (hasKernel('Accumulate')) return runFused('Accumulate', { sum, x }, { factor })[0]!;
    const added = tf.add(sum, x);
    return factor === 1 ? added : tf.mul(added, factor);
  });
  tf.dispose([sum, x]);
  return total;
}

/** Adds a pass's gradients to sums by name, which they begin; `factor` as above. Consumes `grads`. */
export function accumulateGrads(
  sums: Record<string, tf.Tensor>,
  grads: Readonly<Record<string, tf.Tensor>>,
  factor: number,
): void {
  for (const [name, grad] of Object.entries(grads)) {
    const sum = sums[name];
    sums[name] = sum ? accumulate(sum, grad, factor) : grad;
  }
}
