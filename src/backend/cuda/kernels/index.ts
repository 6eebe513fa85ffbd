// The kernels of this folder by the names that tfjs and src/ops know them under.

import { type FusedTable, fusedTable } from '../../contract.js';
import * as adamw from './adamw.js';
import * as attention from './attention.js';
import { BINARY, OTHER_ELEMENTWISE, UNARY } from './elementwise.js';
import * as embedding from './embedding.js';
import type { CudaContext, CudaStockTable } from './kernel.js';
import * as lmHead from './lmHead.js';
import * as mlp from './mlp.js';
import { MOVES } from './moves.js';
import * as muon from './muon.js';
import * as products from './products.js';
import { REDUCE } from './reduce.js';
import * as rows from './rows.js';
import * as selfAttention from './selfAttention.js';

/** Those of the contract: all of them. */
export const FUSED: Required<FusedTable<CudaContext>> = fusedTable({
  ...adamw,
  ...attention,
  ...embedding,
  ...lmHead,
  ...mlp,
  ...muon,
  ...products,
  ...rows,
  ...selfAttention,
});

/** Those in place of tfjs's own. */
export const STOCK: CudaStockTable = {
  ...UNARY,
  ...BINARY,
  ...OTHER_ELEMENTWISE,
  ...REDUCE,
  ...MOVES,
  BatchMatMul: products.batchMatMul,
};
