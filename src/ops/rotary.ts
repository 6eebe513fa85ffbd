// Rotary position embedding followed by the norm of each head (karpathy/autoresearch, train.py: apply_rotary_emb and
// CausalSelfAttention.forward). B batch, T sequence, N = B*T, H heads, D head width.
//
// Fused kernels (optional):
//   RotaryQkNorm {x [N,H*D], cos [T,D/2], sin [T,D/2]} attrs {heads: H, epsilon} -> [y [N,H*D], rstd [N*H,1]]
//   RotaryQkNormGrad {y, rstd, cos, sin, dy [N,H*D]} attrs {heads: H} -> [dx [N,H*D]]

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
    const { y, rstd } = normalizeRows(tf.reshape(rotate(x, cos, sin, heads, false), byHead));
    const value = tf.reshape(y, [rows, width]) as tf.Tensor2D;
    return {
      value,
      saved: [value, rstd, cos, sin],
      backward: (dy, [y, rstd, cos, sin]) => {
        const dz = normalizeRowsGrad(tf.reshape(y!, byHead), rstd as tf.Tensor2D, tf.reshape(dy, byHead));
        return [rotate(dz, cos as tf.Tensor2D, sin as tf.Tensor2D, heads, true)];
      },
    };
  });
}

/** Rotation of all heads, or its transpose: x * [cos cos] + swap(x) * [sin -sin], swap exchanging a head's halves. */
function rotate(
  x: tf.Tensor2D,
  cos: tf.Tensor2D,
  sin: tf.Tensor2D,
  heads: number,
  inverse: boolean,
): tf.Tensor2D {
  const [seq, half] = cos.shape;
  const width = heads * half * 2;
  const rows = x.size / width;
  const near = tf.tile(tf.concat([cos, cos], 1), [1, heads]);
  const far = tf.tile(tf.concat(inverse ? [tf.neg(sin), sin] : [sin, tf.neg(sin)], 1), [1, heads]);
  const swapped = tf.reverse(tf.reshape(x, [rows * heads, 2, half]), 1);
  // The tables are a suffix of the operand's shape: the one broadcast that every backend does quickly.
  const bySequence = [rows / seq, seq, width];
  const y = tf.add(tf.mul(tf.reshape(x, bySequence), near), tf.mul(tf.reshape(swapped, bySequence), far));
  return tf.reshape(y, [rows, width]);
}
