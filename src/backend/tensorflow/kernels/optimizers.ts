// Optimizer steps. AdamW runs as TensorFlow's fused kernel on resource variables,
// in place; Muon steps all matrices of a shape at once.
//
// K matrices of R x S, r the smaller side.

import type * as tf from '@tensorflow/tfjs-core';
import { adamwFactors, POLAR_EXPRESS_COEFFICIENTS } from '../../updates.js';
import type { Eager, Handle } from './eager.js';
import type { TensorflowKernel } from './kernel.js';

/** Runs TensorFlow's Adam on copies of nothing: the variables' own buffers go in and come out. */
function applyAdam(e: Eager, variables: tf.TensorInfo[], numbers: number[], grad: Handle): void {
  const resources = variables.map((variable, i) => {
    const resource = e.resource(e.input(variable), i);
    e.release(variable);
    return resource;
  });
  e.adam(resources, numbers, grad);
  variables.forEach((variable, i) => {
    e.replace(variable, e.contents(resources[i]!));
  });
}

export const adamWStep: TensorflowKernel<'AdamWStep'> = ({ inputs, attrs, e }) => {
  const { param, expAvg, expAvgSq, grad } = inputs;
  const { lr, beta1, beta2, eps, weightDecay, step } = attrs;
  if (weightDecay !== 0) e.replace(param, e.mul(e.input(param), adamwFactors(attrs).keep));
  // TensorFlow corrects v's bias outside of the root: lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps'), which is
  // ours with eps' = eps sqrt(1 - b2^t).
  const [power1, power2] = [beta1 ** step, beta2 ** step];
  const numbers = [power1, power2, lr, beta1, beta2, eps * Math.sqrt(1 - power2)];
  applyAdam(e, [param, expAvg, expAvgSq], numbers, e.input(grad));
  return [];
};

/** value I, [r,r] */
function diagonal(e: Eager, size: number, value: number): Handle {
  const values = new Float32Array(size * size);
  for (let i = 0; i < size; i++) values[i * (size + 1)] = value;
  return e.floats(values, [size, size]);
}

/**
 * X / factor, where X is the Polar Express of a stack [K,R,S]. An iteration p(X) = X (a + b A + c A^2), A the Gram
 * matrix, is c X ((A + b/2c)^2 + a/c - b^2/4c^2): two additions to a diagonal, and the factor c is carried along.
 */
function polarExpress(e: Eager, g: Handle, steps: number): { x: Handle; factor: number } {
  const [, rows, columns] = g.shape as [number, number, number];
  const tall = rows > columns;
  const size = Math.min(rows, columns);
  let x = e.div(g, e.add(e.mul(e.norm(g, 1, 2), 1.02), 1e-6));
  let factor = 1;
  for (const [a, b, c] of POLAR_EXPRESS_COEFFICIENTS.slice(0, steps)) {
    const half = b / (2 * c);
    const product = e.batchMatMul(x, x, tall ? { transposeA: true } : { transposeB: true });
    const gram = factor === 1 ? product : e.mul(product, factor ** 2);
    const shifted = e.add(gram, diagonal(e, size, half));
    const squared = e.batchMatMul(shifted, shifted);
    const polynomial = e.add(squared, diagonal(e, size, a / c - half ** 2));
    const next = tall ? e.batchMatMul(x, polynomial) : e.batchMatMul(polynomial, x);
    e.free(x, ...new Set([product, gram]), shifted, squared, polynomial);
    x = next;
    factor *= c;
  }
  return { x, factor };
}

export const muonStep: TensorflowKernel<'MuonStep'> = ({ inputs, attrs, e }) => {
  const { momentum, secondMoment } = inputs;
  const { count, lr, momentum: mu, beta2, weightDecay, nsSteps } = attrs;
  const grads = e.stack(Array.from({ length: count }, (_, i) => e.input(inputs[`grad${i}`]!)));
  const [, rows, columns] = grads.shape as [number, number, number];
  const axis = rows >= columns ? 2 : 1;
  const size = Math.min(rows, columns);
  const m = lerp(e, e.input(momentum), grads, 1 - mu);
  const direction = lerp(e, grads, m, mu);
  const { x: update, factor } = polarExpress(e, direction, nsSteps);
  e.free(grads, direction);

  // NorMuon: divide by the running root mean square of each row, keeping the matrix's Frobenius norm.
  const mean = e.mul(e.square(e.norm(update, axis)), factor ** 2 / size);
  const second = lerp(e, e.input(secondMoment), mean, 1 - beta2);
  const scale = e.rsqrt(e.maximum(second, 1e-10));
  const total = e.sqrt(e.mul(e.sum(mean, 1, 2), size));
  const scaled = e.sqrt(e.mul(e.sum(e.mul(mean, e.square(scale)), 1, 2), size));
  const change = e.mul(scale, e.mul(e.div(total, e.maximum(scaled, 1e-10)), lr * factor));
  const steps = e.unstack(e.mul(update, change));
  e.free(update);
  steps.forEach((step, i) => {
    const variable = inputs[`param${i}`]!;
    const param = e.input(variable);
    e.replace(variable, e.sub(weightDecay === 0 ? param : decayed(e, param, step, lr * weightDecay), step));
    e.free(step);
  });
  e.replace(momentum, m);
  e.replace(secondMoment, second);
  return [];
};

/** W shrunk by `rate` where the step and it agree in sign. */
function decayed(e: Eager, param: Handle, step: Handle, rate: number): Handle {
  const agree = e.greaterEqual(e.mul(step, param), 0);
  return e.select(agree, e.mul(param, 1 - rate), param);
}

/** a + weight (b - a) */
const lerp = (e: Eager, a: Handle, b: Handle, weight: number): Handle => e.add(a, e.mul(e.sub(b, a), weight));
