// Kernels that the device has none for run on the cpu backend: tensors are read back, which waits for the device, and
// the results uploaded. Slow, so each one is counted and shown.

import type { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { countFallback } from '../fallbacks.js';
import type { Info } from '../flat/store.js';
import type { KernelParams } from '../register.js';
import type { CudaBackend } from './backend.js';

type Inputs = Record<string, Info> | Info[];

/** Runs a kernel of the cpu backend on tensors of the device. */
export function runOnCpu(name: string, stock: tf.KernelFunc, params: KernelParams): Info | Info[] {
  const { inputs, attrs, backend } = params as unknown as {
    inputs: Inputs;
    attrs: object;
    backend: CudaBackend;
  };
  countFallback(name);
  const cpu = tf.findBackend('cpu') as unknown as MathBackendCPU;
  const borrowed: Info[] = [];
  const download = (x: Info): Info => {
    const values = backend.readSync(x.dataId);
    const info = cpu.makeTensorInfo(x.shape, x.dtype, values as Float32Array);
    borrowed.push(info);
    return info;
  };
  const upload = (x: Info): Info => ({
    dataId: backend.write(cpu.readSync(x.dataId), x.shape, x.dtype),
    shape: x.shape,
    dtype: x.dtype,
  });
  let made: Info[] = [];
  try {
    const mapped = Array.isArray(inputs)
      ? inputs.map(download)
      : Object.fromEntries(Object.entries(inputs).map(([key, x]) => [key, x && download(x)]));
    const outputs = stock({
      inputs: mapped as never,
      attrs: attrs as never,
      backend: cpu as unknown as tf.KernelBackend,
    }) as Info | Info[];
    made = Array.isArray(outputs) ? outputs : [outputs];
    const results = made.map(upload);
    return Array.isArray(outputs) ? results : results[0]!;
  } finally {
    for (const { dataId } of [...made, ...borrowed]) cpu.disposeData(dataId);
  }
}
