// Root-mean-square norm without a learned gain (Zhang & Sennrich 2019, equation 4; PyTorch's F.rms_norm).

import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runFused } from '../backend/fused.js';
import { expect } from '../base/errors.js';
import { differentiable, optional } from './differentiable.js';

/** Added to the mean square: float32's machine epsilon, PyTorch's default. */
export const RMS_EPSILON = 2 ** -23;

/**
 * y = x * rsqrt(mean(x^2) + epsilon) over the last axis of x [N,C].
 * @param options.residual y is part of the residual stream, not only an operand of matmuls: float32 in any precision
 * @throws UsageError when x is not a matrix
 */
export function rmsNorm(x: tf.Tensor2D, { residual = false } = {}): tf.Tensor2D {
  expect(x.rank === 2, () => `Expected a matrix [N,C] to normalize, got [${x.shape}]`);
  if (hasKernel('RmsNorm'))
    return differentiable([x], () => {
      const [y, rstd] = runFused('RmsNorm', { x }, { epsilon: RMS_EPSILON, residual });
      return {
        value: y,
        saved: [y, rstd],
        backward: (dy, [y, rstd], takeSum) =>
          runFused('RmsNormGrad', { y, rstd, dy, ...optional({ sum: takeSum(0) }) }),
      };
    });
  return differentiable([x], () => {
    const { y, rstd } = normalizeRows(x);
    return {
      value: y,
      saved: [y, rstd],
      backward: (dy, [y, rstd]) => [normalizeRowsGrad(y, rstd, dy)],
    };
  });
}

/** Rows of x [R,D] scaled to a root mean square of one, and the factors rstd [R,1]. Not differentiable. */
export function normalizeRows(x: tf.Tensor2D): { y: tf.Tensor2D; rstd: tf.Tensor2D } {
  const meanSquare = tf.mean(tf.square(x), -1, true);
  const rstd = tf.rsqrt(tf.add(meanSquare, RMS_EPSILON)) as tf.Tensor2D;
  return { y: tf.mul(x, rstd), rstd };
}

/** dx = rstd * (dy - y * mean(dy * y)): uses y instead of x, so that x can be freed after the forward pass. */
export function normalizeRowsGrad(y: tf.Tensor2D, rstd: tf.Tensor2D, dy: tf.Tensor2D): tf.Tensor2D {
  const along = tf.mean(tf.mul(dy, y), -1, true);
  return tf.mul(tf.sub(dy, tf.mul(y, along)), rstd);
}
