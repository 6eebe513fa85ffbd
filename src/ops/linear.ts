// Linear map without bias, weights in PyTorch's layout. N rows, I inputs, O outputs.

import * as tf from '@tensorflow/tfjs-core';
import { capabilities } from '../backend/capabilities.js';
import { hasKernel, runFused } from '../backend/fused.js';
import { expect } from '../base/errors.js';
import { differentiable, optional } from './differentiable.js';
import { add } from './elementwise.js';

/**
 * y = x w^T for x [N,I] and w [O,I], or sum + x w^T for sum [N,O].
 * @throws UsageError when the shapes do not fit together
 */
export function linear(x: tf.Tensor2D, w: tf.Tensor2D, sum?: tf.Tensor2D): tf.Tensor2D {
  expect(
    x.rank === 2 && w.rank === 2 && x.shape[1] === w.shape[1],
    () => `Expected x [N,I] and w [O,I] of one width I, got [${x.shape}] and [${w.shape}]`,
  );
  if (sum) return capabilities().addsSums ? linearSum(x, w, sum) : add(sum, linear(x, w));
  return differentiable([x, w], () => ({
    value: hasKernel('Linear') ? runFused('Linear', { x, w })[0] : tf.matMul(x, w, false, true),
    saved: [x, w],
    backward: (dy, [x, w], takeSum) =>
      hasKernel('LinearGrad')
        ? runFused('LinearGrad', { x, w, dy, ...optional({ sum: takeSum(0) }) })
        : [tf.matMul(dy, w), tf.matMul(dy, x, true, false)],
  }));
}

const linearSum = (x: tf.Tensor2D, w: tf.Tensor2D, sum: tf.Tensor2D): tf.Tensor2D =>
  differentiable([x, w, sum], () => ({
    value: runFused('Linear', { x, w, sum })[0],
    saved: [x, w],
    backward: (dy, [x, w], takeSum) => {
      const [dx, dw] = runFused('LinearGrad', { x, w, dy, ...optional({ sum: takeSum(0) }) });
      return [dx, dw, tf.clone(dy)];
    },
  }));
