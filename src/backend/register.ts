// Registers kernels with tfjs, for every backend in the same way: ours take precedence over the stock kernel of their name,
// which handles the cases that ours do not. Can be called again: kernels in place stay, and kernels that another
// package has registered in between (tfjs-node brings its own copies of the cpu kernels) are replaced again.

import * as tf from '@tensorflow/tfjs-core';
import type { KernelName } from './contract.js';
import type { BackendName } from './types.js';

/** What a tfjs kernel gets: for kernels of the contract `inputs` and `attrs` are as declared there. */
export interface StockCall {
  inputs: Record<string, tf.TensorInfo>;
  attrs: Record<string, unknown>;
}

/** A kernel in place of one of tfjs's own; undefined leaves the case to the stock kernel. */
export type StockKernel<Context> = (call: StockCall & Context) => tf.TensorInfo | tf.TensorInfo[] | undefined;

/** Kernels in place of tfjs's own, by their names. */
export type StockTable<Context> = Readonly<Record<string, StockKernel<Context>>>;

type Kernel = (call: never) => tf.TensorInfo | readonly (tf.TensorInfo | undefined)[] | undefined;
type Outputs = tf.TensorInfo | tf.TensorInfo[];

/** Arguments of `registerKernels`. */
export interface Registration {
  backendName: BackendName;
  /** Kernels of the contract and of tfjs, by name. */
  kernels: { readonly [name in KernelName | (string & {})]?: Kernel };
  /** The backend whose kernels are the stock ones. Default: the same, as it was. */
  stock?: BackendName;
  /** Calls a kernel with what the backend passes to it. */
  call(kernel: (call: object) => Outputs | undefined, params: KernelParams): Outputs | undefined;
  /** Calls a stock kernel. Default: as it is. */
  callStock?(kernelName: string, kernel: tf.KernelFunc, params: KernelParams): Outputs;
}

export type KernelParams = Parameters<tf.KernelFunc>[0];

/** Kernels that were registered here, by backend and name. */
const registered = new Map<string, tf.KernelConfig>();

/** Registers kernels, and with `stock` every other kernel of that backend too. */
export function registerKernels({ backendName, kernels, stock, call, callStock }: Registration): void {
  const names = new Set(Object.keys(kernels));
  if (stock) for (const { kernelName } of tf.getKernelsForBackend(stock)) names.add(kernelName);
  for (const kernelName of names) {
    const key = `${backendName} ${kernelName}`;
    const present = tf.getKernel(kernelName, backendName) as tf.KernelConfig | undefined;
    if (present && present === registered.get(key)) continue;
    const kernel = kernels[kernelName] as ((call: object) => Outputs | undefined) | undefined;
    const stockKernel = () => (stock ? tf.getKernel(kernelName, stock) : present);
    const kernelFunc: tf.KernelFunc = (params) => {
      const outputs = kernel && call(kernel, params);
      if (outputs) return outputs;
      const func = stockKernel()?.kernelFunc;
      if (!func)
        throw new Error(`Expected inputs that the kernel ${kernelName} of the ${backendName} backend takes`);
      return callStock ? callStock(kernelName, func, params) : func(params);
    };
    if (present) tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({ ...(stock ? {} : present), kernelName, backendName, kernelFunc });
    registered.set(key, tf.getKernel(kernelName, backendName));
  }
}
