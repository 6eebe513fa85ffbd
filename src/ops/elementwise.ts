// Elementwise operations: sum of two tensors, multiple of one, squared ReLU, and the per-layer mix of the residual stream with the
// first embedding, with the norm that follows (karpathy/autoresearch, train.py: MLP.forward and GPT.forward).

import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runFused } from '../backend/fused.js';
import { expect } from '../base/errors.js';
import { differentiable, optional } from './differentiable.js';
import { RMS_EPSILON, rmsNorm } from './norm.js';

/**
 * a + b, shapes equal.
 * @throws UsageError when the shapes differ
 */
export function add<T extends tf.Tensor>(a: T, b: T): T {
  expect(
    tf.util.arraysEqual(a.shape, b.shape),
    () => `Expected two tensors of one shape to add, got [${a.shape}] and [${b.shape}]`,
  );
  return differentiable([a, b], () => ({
    value: tf.add(a, b) as T,
    saved: [],
    backward: (dy) => [tf.clone(dy), tf.clone(dy)],
  }));
}

/** x times a number. */
export function scale<T extends tf.Tensor>(x: T, factor: number): T {
  return differentiable([x], () => ({
    value: tf.mul(x, factor) as T,
    saved: [],
    backward: (dy) => [tf.mul(dy, factor)],
  }));
}

/** max(x, 0)^2, elementwise (So et al. 2021, "Primer", section 3). */
export function reluSquared<T extends tf.Tensor>(x: T): T {
  if (hasKernel('ReluSquared'))
    return differentiable([x], () => {
      const y = runFused('ReluSquared', { x })[0] as T;
      return { value: y, saved: [y], backward: (dy, [y]) => runFused('ReluSquaredGrad', { y, dy }) };
    });
  return differentiable([x], () => {
    const positive = tf.relu(x);
    return {
      value: tf.square(positive) as T,
      saved: [positive],
      backward: (dy, [positive]) => [tf.mul(tf.mul(dy, positive), 2)],
    };
  });
}

/**
 * residLambdas[layer] * x + x0Lambdas[layer] * x0 for x, x0 [N,C] and lambdas [L].
 * @throws UsageError when shapes or layer do not fit
 */
export function residualMix(
  x: tf.Tensor2D,
  x0: tf.Tensor2D,
  residLambdas: tf.Tensor1D,
  x0Lambdas: tf.Tensor1D,
  layer: number,
): tf.Tensor2D {
  assertMix(x, x0, residLambdas, x0Lambdas, layer);
  const inputs = [x, x0, residLambdas, x0Lambdas];
  if (hasKernel('ResidualMix'))
    return differentiable(inputs, () => ({
      value: runFused('ResidualMix', { x, x0, residLambdas, x0Lambdas }, { layer })[0],
      saved: [x, x0, residLambdas, x0Lambdas],
      backward: (dy, [x, x0, residLambdas, x0Lambdas], takeSum) => {
        const given = { x, x0, residLambdas, x0Lambdas, dy, ...optional({ sum0: takeSum(1) }) };
        return runFused('ResidualMixGrad', given, { layer });
      },
    }));
  return differentiable(inputs, () => {
    const pick = (lambdas: tf.Tensor1D) => tf.reshape(tf.slice1d(lambdas, layer, 1), []);
    const [a, b] = [pick(residLambdas), pick(x0Lambdas)];
    // The gradient of the lambdas is zero except at `layer`.
    const place = (value: tf.Tensor) => {
      const unit = new Float32Array(residLambdas.size);
      unit[layer] = 1;
      return tf.mul(tf.tensor1d(unit), value);
    };
    return {
      value: tf.add(tf.mul(x, a), tf.mul(x0, b)) as tf.Tensor2D,
      saved: [x, x0, a, b],
      backward: (dy, [x, x0, a, b]) => [
        tf.mul(dy, a),
        tf.mul(dy, b),
        place(tf.sum(tf.mul(dy, x))),
        place(tf.sum(tf.mul(dy, x0))),
      ],
    };
  });
}

function assertMix(
  x: tf.Tensor2D,
  x0: tf.Tensor2D,
  residLambdas: tf.Tensor1D,
  x0Lambdas: tf.Tensor1D,
  layer: number,
): void {
  const layers = residLambdas.size;
  expect(
    tf.util.arraysEqual(x.shape, x0.shape) && x0Lambdas.size === layers && layer >= 0 && layer < layers,
    () =>
      `Expected x and x0 of one shape and layer within both lambdas, got [${x.shape}], [${x0.shape}], ` +
      `layer ${layer}, lambdas [${residLambdas.shape}] and [${x0Lambdas.shape}]`,
  );
}

/**
 * `residualMix` and the norm of its result, [mixed, y].
 * @throws UsageError when shapes or layer do not fit
 */
export function residualMixNorm(
  x: tf.Tensor2D,
  x0: tf.Tensor2D,
  residLambdas: tf.Tensor1D,
  x0Lambdas: tf.Tensor1D,
  layer: number,
): [tf.Tensor2D, tf.Tensor2D] {
  if (!hasKernel('ResidualMixNorm')) {
    const mixed = residualMix(x, x0, residLambdas, x0Lambdas, layer);
    return [mixed, rmsNorm(mixed)];
  }
  assertMix(x, x0, residLambdas, x0Lambdas, layer);
  return differentiable([x, x0, residLambdas, x0Lambdas], () => {
    const inputs = { x, x0, residLambdas, x0Lambdas };
    const attrs = { layer, epsilon: RMS_EPSILON };
    const [mixed, y, rstd] = runFused('ResidualMixNorm', inputs, attrs);
    return {
      value: [mixed, y] as [tf.Tensor2D, tf.Tensor2D],
      saved: [x, x0, residLambdas, x0Lambdas, y, rstd],
      backward: ([dMixed, dy], [x, x0, residLambdas, x0Lambdas, y, rstd], takeSum) => {
        const given = { x, x0, residLambdas, x0Lambdas, y, rstd, dMixed, dy };
        return runFused('ResidualMixNormGrad', { ...given, ...optional({ sum0: takeSum(1) }) }, { layer });
      },
    };
  });
}
