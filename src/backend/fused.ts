// The hook for a backend's fused kernels: an operation asks for its kernel by name and falls back to a composition of
// stock ops when the backend in use has none. contract.ts says what each kernel computes.

import * as tf from '@tensorflow/tfjs-core';
import type { KernelAttributes, KernelInputs, KernelName, KernelTensors } from './contract.js';

/** True when the backend in use registers the kernel. */
export function hasKernel(name: KernelName): boolean {
  return tf.getKernel(name, tf.getBackend()) != null;
}

/** Runs a kernel of the backend in use; returns its outputs in the contract's order. */
export function runFused<K extends KernelName>(
  name: K,
  inputs: KernelInputs<K, tf.Tensor>,
  ...[attrs]: object extends KernelAttributes<K> ? [] : [attrs: KernelAttributes<K>]
): KernelTensors<K> {
  const outputs = tf
    .engine()
    .runKernel(name, inputs as tf.NamedTensorMap, attrs as tf.NamedAttrMap | undefined);
  return outputs as unknown as KernelTensors<K>;
}
