// AdamW (Loshchilov & Hutter 2019, algorithm 2) as adamw_step_fused of the reference: decay first, bias
// corrections folded into the step.

import * as tf from '@tensorflow/tfjs-core';
import type { KernelAttributes } from '../backend/contract.js';
import { adamwFactors, lerp } from '../backend/updates.js';
import { hasKernel, runFused } from '../ops/index.js';
import { STOCK } from './muon.js';

/** Constants of one AdamW step; `step` counts the steps taken, this one included: from 1. */
export type AdamWStep = KernelAttributes<'AdamWStep'>;

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
 */
export function adamwStep(param: tf.Variable, grad: tf.Tensor, state: AdamWState, options: AdamWStep): void {
  const { expAvg, expAvgSq } = state;
  if (hasKernel('AdamWStep')) {
    runFused('AdamWStep', { param, expAvg, expAvgSq, grad }, options);
    return;
  }
  const { beta1, beta2, eps, weightDecay } = options;
  const { keep, rate, correction } = adamwFactors(options);
  tf.tidy(() => {
    const m = lerp(STOCK, expAvg, grad, 1 - beta1);
    const v = lerp(STOCK, expAvgSq, tf.square(grad), 1 - beta2);
    const denominator = tf.add(tf.sqrt(tf.mul(v, correction)), eps);
    const update = tf.mul(tf.div(m, denominator), rate);
    const decayed = weightDecay === 0 ? param : tf.mul(param, keep);
    param.assign(tf.sub(decayed, update));
    expAvg.assign(m);
    expAvgSq.assign(v);
  });
}
