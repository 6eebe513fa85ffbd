// AdamW (Loshchilov & Hutter 2019, algorithm 2) as adamw_step_fused of the reference: decay first, bias
// corrections folded into the step.

import * as tf from '@tensorflow/tfjs-core';
import { hasKernel } from '../ops/index.js';

/** Constants of one AdamW step. */
export interface AdamWStep {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  /** Steps taken, this one included: from 1. */
  step: number;
}

/** First and second moment, of the parameter's shape. */
export interface AdamWState {
  expAvg: tf.Variable;
  expAvgSq: tf.Variable;
}

/**
 * Updates `param` and `state` in place from `grad` (all of one shape):
 *   p <- (1 - lr wd) p
 *   m <- m + (1 - b1)(g - m),  v <- v + (1 - b2)(g^2 - v)
 *   p <- p - lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps)
 *
 * A backend may register the kernel `AdamWStep` with inputs {param, expAvg, expAvgSq, grad}, the attributes of
 * `AdamWStep` and no output, writing the first three in place.
 */
export function adamwStep(param: tf.Variable, grad: tf.Tensor, state: AdamWState, options: AdamWStep): void {
  const { expAvg, expAvgSq } = state;
  if (hasKernel('AdamWStep')) {
    tf.engine().runKernel('AdamWStep', { param, expAvg, expAvgSq, grad }, { ...options });
    return;
  }
  const { lr, beta1, beta2, eps, weightDecay, step } = options;
  tf.tidy(() => {
    const m = lerp(expAvg, grad, 1 - beta1);
    const v = lerp(expAvgSq, tf.square(grad), 1 - beta2);
    const denominator = tf.add(tf.sqrt(tf.mul(v, 1 / (1 - beta2 ** step))), eps);
    const update = tf.mul(tf.div(m, denominator), lr / (1 - beta1 ** step));
    const decayed = weightDecay === 0 ? param : tf.mul(param, 1 - lr * weightDecay);
    param.assign(tf.sub(decayed, update));
    expAvg.assign(m);
    expAvgSq.assign(v);
  });
}

/** a + weight * (b - a), PyTorch's lerp. */
export function lerp(a: tf.Tensor, b: tf.Tensor, weight: number): tf.Tensor {
  return tf.tidy(() => tf.add(a, tf.mul(tf.sub(b, a), weight)));
}
