// The `cpu` backend: tfjs in plain JavaScript. Always available; for tests and as the last resort. A few very slow stock
// kernels are replaced.

import * as tf from '@tensorflow/tfjs-core';
import { FLAT_KERNELS } from '../flat/index.js';
import { type FlatContext, replaceKernels } from '../flat/store.js';
import { cpuName, systemMemory } from '../machine.js';
import { quietly } from '../quiet.js';
import type { StockTable } from '../register.js';
import type { BackendDriver, BackendInfo, BackendProbe } from '../types.js';
import { broadcast } from './broadcast.js';
import { matMul } from './matMul.js';
import { cpuStore } from './store.js';

const KERNELS: StockTable<FlatContext> = {
  ...FLAT_KERNELS,
  BatchMatMul: matMul,
  Add: broadcast((a, b) => a + b),
  Sub: broadcast((a, b) => a - b),
  Multiply: broadcast((a, b) => a * b),
  RealDiv: broadcast((a, b) => a / b),
};

async function start(): Promise<BackendInfo> {
  await quietly(() => import('@tensorflow/tfjs-backend-cpu'));
  replaceKernels('cpu', cpuStore, KERNELS);
  await tf.setBackend('cpu');
  await tf.ready();
  // Its first write would print an advertisement for tfjs-node.
  (tf.backend() as unknown as { firstUse: boolean }).firstUse = false;
  return describe();
}

function describe(): BackendInfo {
  return {
    name: 'cpu',
    precision: 'fp32',
    device: `${cpuName()}, 1 thread`,
    version: `tfjs ${tf.version_core}`,
    memoryBytes: systemMemory(),
  };
}

async function probe(): Promise<BackendProbe> {
  return { name: 'cpu', available: true, precisions: ['fp32'], info: describe() };
}

export const driver: BackendDriver = { name: 'cpu', precisions: ['fp32'], probe, start };
