// What the files of this folder share.

import type { FusedKernel, KernelName } from '../../contract.js';
import type { StockKernel } from '../../register.js';
import type { WebGpuBackend } from '../backend.js';

/** Reductions and elementwise kernels: invocations per workgroup. */
export const WORKGROUP = 64;

/** What a kernel gets besides the call. */
export interface WebGpuContext {
  backend: WebGpuBackend;
}

/** A kernel of the contract. */
export type WebGpuKernel<K extends KernelName> = FusedKernel<K, WebGpuContext>;

/** A kernel in place of one of tfjs's own. */
export type WebGpuStockKernel = StockKernel<WebGpuContext>;
