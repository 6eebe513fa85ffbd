// The kernels of this folder by the names of the contract.

import { fusedTable } from '../../contract.js';
import { registerKernels } from '../../register.js';
import * as attention from './attention.js';
import { Eager, type NodeBackend } from './eager.js';
import type { TensorflowContext } from './kernel.js';
import * as lmHead from './lmHead.js';
import * as optimizers from './optimizers.js';
import * as rows from './rows.js';

const FUSED = fusedTable<TensorflowContext>({ ...attention, ...lmHead, ...optimizers, ...rows });

/** Registers them for the `tensorflow` backend; may be called again. */
export function registerTensorflowKernels(): void {
  registerKernels({
    backendName: 'tensorflow',
    kernels: FUSED,
    call(kernel, { inputs, attrs, backend }) {
      const e = new Eager(backend as NodeBackend);
      try {
        return kernel({ inputs, attrs, e });
      } finally {
        e.end();
      }
    },
  });
}
