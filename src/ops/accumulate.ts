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
