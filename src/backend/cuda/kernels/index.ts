// The kernels of this folder by the names that tfjs and src/ops know them under.

import { adamwStep } from './adamw.js';
import { ATTENTION } from './attention.js';
import { BINARY, OTHER_ELEMENTWISE, UNARY } from './elementwise.js';
import { EMBEDDING } from './embedding.js';
import type { CudaStockTable, CudaTable } from './kernel.js';
import { lmHeadCrossEntropy } from './lmHead.js';
import { MOVES } from './moves.js';
import { muonStep } from './muon.js';
import { batchMatMul, linear, linearGrad } from './products.js';
import { REDUCE } from './reduce.js';
import { ROWS } from './rows.js';

/** Those of the contract: all of them. */
export const FUSED = {
  ...ROWS,
  ...EMBEDDING,
  ...ATTENTION,
  AdamWStep: adamwStep,
  Linear: linear,
  LinearGrad: linearGrad,
  LmHeadCrossEntropy: lmHeadCrossEntropy,
  MuonStep: muonStep,
} satisfies Required<CudaTable>;

/** Those in place of tfjs's own. */
export const STOCK: CudaStockTable = {
  ...UNARY,
  ...BINARY,
  ...OTHER_ELEMENTWISE,
  ...REDUCE,
  ...MOVES,
  BatchMatMul: batchMatMul,
};
