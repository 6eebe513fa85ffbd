// Rotary position embedding followed by the norm of each head (karpathy/autoresearch, train.py: apply_rotary_emb and
// CausalSelfAttention.forward). B batch, T sequence, N = B*T, H heads, D head width.

import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runFused } from '../backend/fused.js';
import { expect } from '../base/errors.js';
import { differentiable } from './differentiable.js';
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
  checkShapes(x, cos, sin, heads);
  const half = cos.shape[1];
  const [rows, width] = x.shape;
  if (hasKernel('RotaryQkNorm'))
    return differentiable([x], () => {
      const [y, rstd] = runFused('RotaryQkNorm', { x, cos, sin }, { heads, epsilon: RMS_EPSILON });
      return {
        value: y,
        saved: [y, rstd, cos, sin],
        backward: (dy, [y, rstd, cos, sin]) =>
          runFused('RotaryQkNormGrad', { y, rstd, cos, sin, dy }, { heads }),
      };
    });
  return differentiable([x], () => {
    const byHead: [number, number] = [rows * heads, 2 * half];
    const { y, rstd } = normalizeRows(tf.reshape(rotate(x, cos, sin, heads), byHead));
    const value = tf.reshape(y, [rows, width]) as tf.Tensor2D;
    return {
      value,
      saved: [value, rstd, cos, sin],
      backward: (dy, [y, rstd, cos, sin]) => {
        const dz = normalizeRowsGrad(tf.reshape(y, byHead), rstd, tf.reshape(dy, byHead));
        // The transpose of a rotation is the inverse rotation: the sine changes its sign.
        const dx = rotate(dz, cos, tf.neg(sin), heads);
        return [tf.reshape(dx, [rows, width])];
      },
    };
  });
}

/**
 * The same rotation without the norm. x [N,H*D], cos and sin [T,D/2].
 * @throws UsageError when the shapes do not fit together
 */
export function rotary(
  x: tf.Tensor2D,
  cos: tf.Tensor2D,
  sin: tf.Tensor2D,
  { heads }: { heads: number },
): tf.Tensor2D {
  checkShapes(x, cos, sin, heads);
  const turn = (x: tf.Tensor, sin: tf.Tensor2D) => tf.reshape(rotate(x, cos, sin, heads), x.shape);
  return differentiable([x], () => ({
    value: turn(x, sin) as tf.Tensor2D,
    saved: [cos, sin],
    backward: (dy, [, sin]) => [turn(dy, tf.neg(sin))],
  }));
}

function checkShapes(x: tf.Tensor2D, cos: tf.Tensor2D, sin: tf.Tensor2D, heads: number): void {
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
}

/** x with all its heads rotated: x * [cos cos] + swapped(x) * [sin -sin], `swapped` exchanging each head's halves. */
function rotate(x: tf.Tensor, cos: tf.Tensor2D, sin: tf.Tensor2D, heads: number): tf.Tensor {
  const [seq, half] = cos.shape;
  const pairs = x.size / (2 * half);
  const byHead = tf.reshape(x, [pairs, 2 * half]) as tf.Tensor2D;
  const side = (i: number) => tf.slice2d(byHead, [0, i * half], [pairs, half]);
  const swapped = tf.concat([side(1), side(0)], 1);
  // The tables are repeated per head, which makes them a suffix of the operand's shape: the one broadcast that every
  // backend does quickly.
  const near = tf.concat(Array<tf.Tensor2D>(2 * heads).fill(cos), 1);
  const far = tf.concat(
    Array<tf.Tensor2D[]>(heads)
      .fill([sin, tf.neg(sin)])
      .flat(),
    1,
  );
  const rowwise = [pairs / (seq * heads), seq, heads * half * 2];
  return tf.add(tf.mul(tf.reshape(byHead, rowwise), near), tf.mul(tf.reshape(swapped, rowwise), far));
}
