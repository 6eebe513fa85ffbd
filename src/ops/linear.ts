// Linear map without bias, weights in PyTorch's layout. N rows, I inputs, O outputs.
//
// Fused kernels (optional):
//   Linear {x [N,I], w [O,I]} -> [y [N,O]]
//   LinearGrad {x [N,I], w [O,I], dy [N,O]} -> [dx [N,I], dw [O,I]]

import * as tf from '@tensorflow/tfjs-core';
import { expect } from '../base/errors.js';
import { differentiable } from './differentiable.js';
import { hasKernel, runFused } from './fused.js';

/**
 * y = x w^T for x [N,I] and w [O,I].
 * @throws UsageError when the widths differ
 */
export function linear(x: tf.Tensor2D, w: tf.Tensor2D): tf.Tensor2D {
  expect(
    x.rank === 2 && w.rank === 2 && x.shape[1] === w.shape[1],
    () => `Expected x [N,I] and w [O,I] of one width I, got [${x.shape}] and [${w.shape}]`,
  );
  return differentiable([x, w], () => ({
    value: hasKernel('Linear')
      ? (runFused('Linear', { x, w })[0] as tf.Tensor2D)
      : tf.matMul(x, w, false, true),
    saved: [x, w],
    backward: (dy, [x, w]) =>
      hasKernel('LinearGrad')
        ? runFused('LinearGrad', { x: x!, w: w!, dy })
        : [tf.matMul(dy, w!), sumOfOuterProducts(dy, x as tf.Tensor2D)],
  }));
}

/** a^T b, the sum over rows of their outer products: a [N,P], b [N,Q] -> [P,Q]. Not differentiable. */
export function sumOfOuterProducts(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  // wasm copies a transposed operand, slowly when it is large: there the narrower one is transposed, and the result.
  if (tf.getBackend() === 'wasm' && a.shape[1] > b.shape[1])
    return tf.transpose(tf.matMul(b, a, true, false));
  return tf.matMul(a, b, true, false);
}
