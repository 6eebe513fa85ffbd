// The kernels of this folder by the names that tfjs and src/ops know them under.

import { BINARY, OTHER_ELEMENTWISE, UNARY } from './elementwise.js';
import type { CudaKernel } from './kernel.js';
import { MOVES } from './moves.js';
import { batchMatMul, linear, linearGrad } from './products.js';
import { REDUCE } from './reduce.js';

export const CUDA_KERNELS: Record<string, CudaKernel> = {
  ...UNARY,
  ...BINARY,
  ...OTHER_ELEMENTWISE,
  ...REDUCE,
  ...MOVES,
  BatchMatMul: batchMatMul,
  Linear: linear,
  LinearGrad: linearGrad,
};
