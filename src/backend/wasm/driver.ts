// The `wasm` backend: tfjs-backend-wasm (XNNPACK, 128-bit SIMD, one thread) with this folder's repairs.
// tfjs offers no threads under Node; where SIMD were missing it would load a scalar build by itself.

import * as tf from '@tensorflow/tfjs-core';
import type { BackendDriver } from '../driver.js';
import { cpuName } from '../machine.js';
import type { BackendInfo, BackendProbe } from '../types.js';
import { guardAllocation, MAX_HEAP_BYTES } from './allocation.js';
import { repairConcat } from './concat.js';
import { repairGather } from './gather.js';
import type { WasmBackend } from './heap.js';
import { repairIdentity } from './identity.js';
import { repairMatMul } from './matMul.js';
import { repairOneHot } from './oneHot.js';
import { repairReductions } from './reduce.js';
import { repairSegmentSum } from './segmentSum.js';
import { repairSlice } from './slice.js';
import { repairTanh } from './tanh.js';
import { repairTile } from './tile.js';
import { repairTranspose } from './transpose.js';

let repaired = false;

function repairKernels(): void {
  if (repaired) return;
  repaired = true;
  repairTranspose();
  repairIdentity();
  repairMatMul();
  repairSlice();
  repairConcat();
  repairGather();
  repairTile();
  repairSegmentSum();
  repairOneHot();
  repairReductions();
  repairTanh();
}

async function start(): Promise<BackendInfo> {
  await import('@tensorflow/tfjs-backend-wasm');
  repairKernels();
  const listeners = processListeners();
  await tf.setBackend('wasm');
  await tf.ready();
  removeListenersSince(listeners);
  guardAllocation((tf.backend() as unknown as WasmBackend).wasm);
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
  return { name: 'wasm', available: true, precisions: ['fp32'], info: describe() };
}

export const driver: BackendDriver = { name: 'wasm', precisions: ['fp32'], probe, start };
