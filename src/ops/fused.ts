// The hook for a backend's fused kernels: an operation asks for its kernel by name and falls back to a
// composition of stock ops when the backend in use has none. Names and contracts stand in each operation's file.

import * as tf from '@tensorflow/tfjs-core';

/** True when the backend in use registers the kernel. */
export function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) != null;
}

/** Runs a kernel of the backend in use; returns its outputs in the contract's order. */
export function runFused(name: string, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap = {}): tf.Tensor[] {
  const outputs: tf.Tensor | tf.Tensor[] = tf.engine().runKernel(name, inputs, attrs);
  return Array.isArray(outputs) ? outputs : [outputs];
}
