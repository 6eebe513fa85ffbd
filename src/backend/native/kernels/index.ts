// The kernels of this folder by the names that tfjs and src/ops know them under.

import { type FusedTable, fusedTable } from '../../contract.js';
import type { StockTable } from '../../register.js';
import * as attention from './attention.js';
import * as elementwise from './elementwise.js';
import type { NativeContext } from './kernel.js';
import * as lmHead from './lmHead.js';
import * as optimizers from './optimizers.js';
import * as products from './products.js';
import * as reduce from './reduce.js';
import * as rows from './rows.js';

/** Those of the contract: all but those that join several. */
export const FUSED: FusedTable<NativeContext> = fusedTable({
  ...attention,
  ...elementwise,
  ...lmHead,
  ...optimizers,
  ...products,
  ...rows,
});

/** Kernels in place of tfjs's own. */
export const STOCK: StockTable<NativeContext> = {
  Add: elementwise.add,
  BatchMatMul: products.batchMatMul,
  Max: reduce.max,
  Mean: reduce.mean,
  Multiply: elementwise.mul,
  RealDiv: elementwise.div,
  Sub: elementwise.sub,
  Sum: reduce.sum,
  Tanh: elementwise.tanh,
};
