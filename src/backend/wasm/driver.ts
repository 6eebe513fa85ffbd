// The `wasm` backend: tfjs-backend-wasm (XNNPACK, 128-bit SIMD, one thread) with this folder's fixes. tfjs offers no
// threads under Node; without SIMD it loads a scalar build by itself.

import * as tf from '@tensorflow/tfjs-core';
import { declareCapabilities } from '../capabilities.js';
import { FLAT_KERNELS } from '../flat/index.js';
import { type FlatContext, replaceKernels } from '../flat/store.js';
import { cpuName } from '../machine.js';
import { quietly } from '../quiet.js';
import type { StockTable } from '../register.js';
import type { BackendDriver, BackendInfo, BackendProbe } from '../types.js';
import { guardAllocation, MAX_HEAP_BYTES } from './allocation.js';
import { type WasmBackend, wasmStore } from './heap.js';
import { identity } from './identity.js';
import { matMul } from './matMul.js';
import { oneHot } from './oneHot.js';
import { tanh } from './tanh.js';
import { transpose } from './transpose.js';

const KERNELS: StockTable<FlatContext> = {
  ...FLAT_KERNELS,
  BatchMatMul: matMul,
  Identity: identity,
  OneHot: oneHot,
  Tanh: tanh,
  Transpose: transpose,
};

async function start(): Promise<BackendInfo> {
  await quietly(() => import('@tensorflow/tfjs-backend-wasm'));
  replaceKernels('wasm', wasmStore, KERNELS);
  const listeners = processListeners();
  await tf.setBackend('wasm');
  await tf.ready();
  removeListenersSince(listeners);
  const { wasm } = tf.backend() as unknown as WasmBackend;
  guardAllocation(wasm);
  declareCapabilities('wasm', { reservedBytes: () => wasm.HEAPU8.length });
  return describe();
}

const FATAL = ['uncaughtException', 'unhandledRejection'] as const;

function processListeners() {
  return FATAL.map((event) => process.rawListeners(event));
}

/** Emscripten's own handlers print its minified source whenever the program dies of an uncaught error. */
function removeListenersSince(before: ReturnType<typeof processListeners>): void {
  FATAL.forEach((event, i) => {
    for (const listener of process.rawListeners(event))
      if (!before[i]!.includes(listener)) process.removeListener(event, listener as () => void);
  });
}

function describe(): BackendInfo {
  return {
    name: 'wasm',
    precision: 'fp32',
    device: `${cpuName()}, 1 thread`,
    version: `tfjs ${tf.version_core}`,
    memoryBytes: MAX_HEAP_BYTES,
  };
}

async function probe(): Promise<BackendProbe> {
  if ('WebAssembly' in globalThis)
    return { name: 'wasm', available: true, precisions: ['fp32'], info: describe() };
  const reason = 'this Node.js runs without WebAssembly (--jitless)';
  return {
    name: 'wasm',
    available: false,
    precisions: ['fp32'],
    reason,
    remedy: 'start node without --jitless',
  };
}

export const driver: BackendDriver = { name: 'wasm', precisions: ['fp32'], probe, start };
