// Makes the backend known to tfjs: our kernels, and for every other one that the cpu backend has, a counted fallback.

import * as tf from '@tensorflow/tfjs-core';
import { driver as cpu } from '../cpu/driver.js';
import { quietly } from '../quiet.js';
import { CudaBackend } from './backend.js';
import { runOnCpu } from './fallback.js';
import { CUDA_KERNELS } from './kernels/index.js';
import type { CudaKernel, KernelCall } from './kernels/kernel.js';
import type { Session } from './session.js';

const registered = new Map<string, tf.KernelConfig>();

/** Registers backend and kernels, those that are missing only; leaves the backend `cpu` current. */
export async function registerCuda(session: Session): Promise<void> {
  // Stock kernels come from the cpu backend, with its repairs.
  await cpu.start('fp32');
  if (!tf.findBackendFactory('cuda'))
    tf.registerBackend('cuda', () => new CudaBackend(session) as unknown as tf.KernelBackend);
  const stock = tf.getKernelsForBackend('cpu').map(({ kernelName }) => kernelName);
  await quietly(() => {
    for (const name of new Set([...stock, ...Object.keys(CUDA_KERNELS)])) register(name, CUDA_KERNELS[name]);
  });
}

function register(kernelName: string, kernel: CudaKernel | undefined): void {
  const present = tf.getKernel(kernelName, 'cuda') as tf.KernelConfig | undefined;
  if (present && present === registered.get(kernelName)) return;
  if (present) tf.unregisterKernel(kernelName, 'cuda');
  const kernelFunc: tf.KernelFunc = (params) => {
    const call = params as unknown as KernelCall;
    const out = kernel && call.backend.call(() => kernel(call));
    if (out) return out;
    const stock = tf.getKernel(kernelName, 'cpu') as tf.KernelConfig | undefined;
    if (!stock) throw new Error(`Kernel '${kernelName}' of the cuda backend does not take these inputs`);
    return runOnCpu(kernelName, stock.kernelFunc, call);
  };
  tf.registerKernel({ kernelName, backendName: 'cuda', kernelFunc });
  registered.set(kernelName, tf.getKernel(kernelName, 'cuda') as tf.KernelConfig);
}
