// What a kernel of this backend is called with.

import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { WebGpuBackend } from '../backend.js';

/** Reductions and elementwise kernels: invocations per workgroup. */
export const WORKGROUP = 64;

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export type KernelCall = {
  inputs: Record<string, TensorInfo>;
  attrs: Record<string, unknown>;
  backend: WebGpuBackend;
};

export type WebGpuKernel = (call: KernelCall) => TensorInfo | TensorInfo[];
