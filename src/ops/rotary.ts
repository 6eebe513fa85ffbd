// Rotary position embedding followed by the norm of each head (karpathy/autoresearch, train.py: apply_rotary_emb and
// CausalSelfAttention.forward). B batch, T sequence, N = B*T, H heads, D head width.
//
// Fused kernels (optional):
//   RotaryQkNorm {x [N,H*D], cos [T,D/2], sin [T,D/2]} attrs {heads: H, epsilon} -> [y [N,H*D], rstd [N*H,1]]
//   RotaryQkNormGrad {y [N,H*D], rstd [N*H,1], cos, sin, dy [N,H*D]} attrs {heads: H} -> [dx [N,H*D]]

import * as tf from '@tensorflow/tfjs-core';
import { expect } from '../base/errors.js';
import { differentiable } from './differentiable.js';
import { hasKernel, runFused } from './fused.js';
import { normalizeRows, normalizeRowsGrad, RMS_EPSILON } from './norm.js';

/**
 * Rotates each head's pairs (x1, x2), x1 its first and x2 its second half, by the position's angle, then scales each
 * head to a root mean square of one: y1 = x1 cos + x2 sin, y2 = -x1 sin + x2 cos. x [N,H*D], cos and sin [T,D/2];
 * row n of x is position n mod T. The tables get no gradient.
 * @throws UsageError when the shapes do not fit together
 */
export function rotaryQkNorm(
  x: tf.Tensor2D,
  cos: tf.Tensor2D,
  sin: tf.Tensor2D,
  { heads }: { heads: number },
): tf.Tensor2D {
  const [seq, half] = cos.shape;
  const [rows, width] = x.shape;
  expect(
    x.rank === 2 &&
      rows % seq === 0 &&
      width === heads * half * 2 &&
      tf.util.arraysEqual(cos.shape, sin.shape),
    () =>
      `Expected x [B*T,H*D] with cos and sin [T,D/2], got [${x.shape}], [${cos.shape}], [${sin.shape}] ` +
      `and ${heads} heads`,
  );
  return differentiable([x], () => {
    if (hasKernel('RotaryQkNorm')) {
      const [y, rstd] = runFused('RotaryQkNorm', { x, cos, sin }, { heads, epsilon: RMS_EPSILON });
      return {
        value: y as tf.Tensor2D,
        saved: [y!, rstd!, cos, sin],
        backward: (dy, [y, rstd, cos, sin]) =>
          runFused('RotaryQkNormGrad', { y: y!, rstd: rstd!, cos: cos!, sin: sin!, dy }, { heads }),
      };
    }
    const byHead: [number, number] = [rows * heads, 2 * half];
    const { y, rstd } = normalizeRows(tf.reshape(rotate(x, cos, sin, heads), byHead));
    const value = tf.reshape(y, [rows, width]) as tf.Tensor2D;
    return {
      value,
      saved: [value, rstd, cos, sin],
      backward: (dy, [y, rstd, cos, sin]) => {
        const dz = normalizeRowsGrad(tf.reshape(y!, byHead), rstd as tf.Tensor2D, tf.reshape(dy, byHead));
        // The transpose of a rotation turns back: the sine changes its sign.
        const dx = rotate(dz, cos as tf.Tensor2D, tf.neg(sin as tf.Tensor2D), heads);
        return [tf.reshape(dx, [rows, width])];
      },
    };
  });
}

/** Rotated pairs of x, whose rows may be tokens or heads; the result is [N*H,2,D/2]. */
function rotate(x: tf.Tensor2D, cos: tf.Tensor2D, sin: tf.Tensor2D, heads: number): tf.Tensor {
  const [seq, half] = cos.shape;
  const pairs = x.size / (2 * half);
  // Halves first, so that x1 and x2 are contiguous, and the tables repeated per head, so that they are a suffix of
  // the operand's shape: the one broadcast that every backend does quickly.
  const halves = tf.transpose(tf.reshape(x, [pairs, 2, half]), [1, 0, 2]);
  const rowwise = [pairs / (seq * heads), seq, heads * half];
  const part = (i: number) => tf.reshape(tf.slice(halves, [i, 0, 0], [1, pairs, half]), rowwise);
  const [x1, x2] = [part(0), part(1)];
  const c = tf.concat(Array(heads).fill(cos), 1);
  const s = tf.concat(Array(heads).fill(sin), 1);
  const y1 = tf.add(tf.mul(x1, c), tf.mul(x2, s));
  const y2 = tf.sub(tf.mul(x2, c), tf.mul(x1, s));
  return tf.transpose(tf.reshape(tf.concat([y1, y2]), [2, pairs, half]), [1, 0, 2]);
}
