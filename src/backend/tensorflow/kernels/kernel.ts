// What the kernels of this folder get besides the call.

import type { FusedKernel, KernelName } from '../../contract.js';
import type { Eager } from './eager.js';

export interface TensorflowContext {
  /** TensorFlow's operations; what they make goes when the kernel ends. */
  e: Eager;
}

/** A kernel of the contract. */
export type TensorflowKernel<K extends KernelName> = FusedKernel<K, TensorflowContext>;
