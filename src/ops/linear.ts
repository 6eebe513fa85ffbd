// Linear map without bias, weights in PyTorch's layout. N rows, I inputs, O outputs.
//
// Fused kernels (optional):
//   Linear {x [N,I], w [O,I]} -> [y [N,O]]
//   LinearGrad {x [N,I], w [O,I], dy [N,O]} -> [dx [N,I], dw [O,I]]

import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runFused } from '../backend/fused.js';
import { expect } from '../base/errors.js';
import { differentiable } from './differentiable.js';

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
        : [tf.matMul(dy, w!), tf.matMul(dy, x!, true, false)],
  }));
}
