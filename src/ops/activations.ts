// GELU and SwiGLU, composed of stock operations on every backend. Logistic functions are written with tanh, which every
// backend has a kernel for.

import * as tf from '@tensorflow/tfjs-core';
import { expect } from '../base/errors.js';
import { differentiable } from './differentiable.js';

const [GELU_SCALE, GELU_CUBIC] = [Math.sqrt(2 / Math.PI), 0.044715];

/** x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), elementwise (Hendrycks & Gimpel 2016, the tanh approximation). */
export function gelu<T extends tf.Tensor>(x: T): T {
  const tanhOf = (x: tf.Tensor) =>
    tf.tidy(() => tf.tanh(tf.mul(tf.mul(x, tf.add(tf.mul(tf.mul(x, x), GELU_CUBIC), 1)), GELU_SCALE)));
  return differentiable([x], () => ({
    value: tf.mul(tf.mul(x, 0.5), tf.add(tanhOf(x), 1)) as T,
    saved: [x],
    // (1 + t)/2 + x/2 (1 - t^2) sqrt(2/pi) (1 + 3 * 0.044715 x^2)
    backward: (dy, [x]) => {
      const t = tanhOf(x);
      const slope = tf.add(tf.mul(tf.mul(x, x), 3 * GELU_CUBIC * GELU_SCALE), GELU_SCALE);
      const curved = tf.mul(tf.mul(x, slope), tf.sub(1, tf.mul(t, t)));
      return [tf.mul(tf.mul(dy, 0.5), tf.add(tf.add(t, 1), curved))];
    },
  }));
}

/**
 * gate sigmoid(gate) * up, elementwise (Shazeer 2020, "GLU Variants Improve Transformer", eq. 6).
 * @throws UsageError when the shapes differ
 */
export function swiglu<T extends tf.Tensor>(gate: T, up: T): T {
  expect(
    tf.util.arraysEqual(gate.shape, up.shape),
    () => `Expected a gate and values of one shape, got [${gate.shape}] and [${up.shape}]`,
  );
  const sigmoid = (x: tf.Tensor) => tf.tidy(() => tf.mul(tf.add(tf.tanh(tf.mul(x, 0.5)), 1), 0.5));
  return differentiable([gate, up], () => ({
    value: tf.mul(tf.mul(gate, sigmoid(gate)), up) as T,
    saved: [gate, up],
    backward: (dy, [gate, up]) => {
      const s = sigmoid(gate);
      const silu = tf.mul(gate, s);
      const slope = tf.add(s, tf.mul(silu, tf.sub(1, s)));
      return [tf.mul(tf.mul(dy, up), slope), tf.mul(dy, silu)];
    },
  }));
}
