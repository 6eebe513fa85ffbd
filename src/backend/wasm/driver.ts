// The `wasm` backend: tfjs-backend-wasm (XNNPACK, SIMD, one thread) with this folder's repairs.

import * as tf from '@tensorflow/tfjs-core';
import type { BackendDriver } from '../driver.js';
import { cpuName } from '../machine.js';
import type { BackendInfo, BackendProbe } from '../types.js';

async function start(): Promise<BackendInfo> {
  await import('@tensorflow/tfjs-backend-wasm');
  await tf.setBackend('wasm');
  await tf.ready();
  return describe();
}

function describe(): BackendInfo {
  return {
    name: 'wasm',
    precision: 'fp32',
    device: `${cpuName()}, 1 thread`,
    version: `tfjs ${tf.version_core}`,
    memoryBytes: 2 ** 31,
  };
}

async function probe(): Promise<BackendProbe> {
  return { name: 'wasm', available: true, precisions: ['fp32'], info: describe() };
}

export const driver: BackendDriver = { name: 'wasm', precisions: ['fp32'], probe, start };
