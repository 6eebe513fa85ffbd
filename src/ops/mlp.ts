// The MLP with squared ReLU, as one operation where the backend has a kernel for it (karpathy/autoresearch, train.py: class MLP).
// N tokens, C inputs, M hidden, O outputs.

import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runFused } from '../backend/fused.js';
import { expect } from '../base/errors.js';
import { differentiable, optional } from './differentiable.js';
import { reluSquared } from './elementwise.js';
import { linear } from './linear.js';

/**
 * sum [N,O] + max(x wFc^T, 0)^2 wProj^T for x [N,C], wFc [M,C] and wProj [O,M].
 * @throws UsageError when the shapes do not fit together
 */
export function reluSquaredMlp(
  x: tf.Tensor2D,
  wFc: tf.Tensor2D,
  wProj: tf.Tensor2D,
  sum: tf.Tensor2D,
): tf.Tensor2D {
  if (!hasKernel('ReluSquaredMlp')) return tf.tidy(() => linear(reluSquared(linear(x, wFc)), wProj, sum));
  expect(
    x.shape[1] === wFc.shape[1] &&
      wFc.shape[0] === wProj.shape[1] &&
      sum.shape[0] === x.shape[0] &&
      sum.shape[1] === wProj.shape[0],
    () =>
      'Expected x [N,C], weights [M,C] and [O,M], and a sum [N,O], got ' +
      [x, wFc, wProj, sum].map(({ shape }) => `[${shape}]`).join(', '),
  );
  return differentiable([x, wFc, wProj, sum], () => {
    const [y, hidden] = runFused('ReluSquaredMlp', { x, wFc, wProj, sum });
    return {
      value: y,
      saved: [x, wFc, wProj, hidden],
      backward: (dy, [x, wFc, wProj, hidden], takeSum) => {
        const given = { x, wFc, wProj, hidden, dy, ...optional({ sum: takeSum(0) }) };
        return [...runFused('ReluSquaredMlpGrad', given), tf.clone(dy)];
      },
    };
  });
}
