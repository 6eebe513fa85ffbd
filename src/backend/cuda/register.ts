// Makes the backend known to tfjs: our kernels, and for every other one that the cpu backend has, a counted fallback.

import * as tf from '@tensorflow/tfjs-core';
import { driver as cpu } from '../cpu/driver.js';
import { quietly } from '../quiet.js';
import { registerKernels } from '../register.js';
import { CudaBackend } from './backend.js';
import { runOnCpu } from './fallback.js';
import { FUSED, STOCK } from './kernels/index.js';
import type { Session } from './session.js';

/** Registers backend and kernels, those that are missing only; leaves the backend `cpu` current. */
export async function registerCuda(session: Session): Promise<void> {
  // Stock kernels come from the cpu backend, with its repairs.
  await cpu.start('fp32');
  if (!tf.findBackendFactory('cuda'))
    tf.registerBackend('cuda', () => new CudaBackend(session) as unknown as tf.KernelBackend);
  await quietly(() =>
    registerKernels({
      backendName: 'cuda',
      kernels: { ...FUSED, ...STOCK },
      stock: 'cpu',
      call: (kernel, params) => (params.backend as CudaBackend).call(() => kernel(params)),
      callStock: (name, kernel, params) => runOnCpu(name, kernel, params),
    }),
  );
}
