// Optimizer steps. AdamW runs as TensorFlow's fused kernel on resource variables,
// in place; Muon steps all matrices of a shape at once.

import type * as tf from '@tensorflow/tfjs-core';
import { adamwFactors, applyMuon } from '../../updates.js';
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

export const muonStep: TensorflowKernel<'MuonStep'> = ({ inputs, attrs, e }) => {
  const each = (name: 'param' | 'grad') =>
    Array.from({ length: attrs.count }, (_, i) => inputs[`${name}${i}`]!);
  applyMuon(e, each('param'), each('grad'), inputs, attrs);
  return [];
};
