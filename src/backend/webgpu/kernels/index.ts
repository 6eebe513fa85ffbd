// The kernels of this folder by the names that tfjs and src/ops know them under.

import { type FusedTable, fusedTable } from '../../contract.js';
import type { StockTable } from '../../register.js';
import * as attention from './attention.js';
import * as elementwise from './elementwise.js';
import type { WebGpuContext } from './kernel.js';
import * as lmHead from './lmHead.js';
import * as matmul from './matmul.js';
import * as optimizers from './optimizers.js';
import * as rows from './rows.js';

/** Those of the contract: all but those that join several. */
export const FUSED: FusedTable<WebGpuContext> = fusedTable({
  ...attention,
  ...elementwise,
  ...lmHead,
  ...matmul,
  ...optimizers,
  ...rows,
});

/** Those in place of tfjs's own. */
export const STOCK: StockTable<WebGpuContext> = {
  Cos: elementwise.cos,
  Sin: elementwise.sin,
  Tanh: elementwise.tanh,
};
