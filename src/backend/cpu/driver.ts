// The `cpu` backend: tfjs in plain JavaScript. Always there; for tests and as the last resort.

import * as tf from '@tensorflow/tfjs-core';
import type { BackendDriver } from '../driver.js';
import { cpuName } from '../machine.js';
import type { BackendInfo, BackendProbe } from '../types.js';

async function start(): Promise<BackendInfo> {
  await import('@tensorflow/tfjs-backend-cpu');
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
  };
}

async function probe(): Promise<BackendProbe> {
  return { name: 'cpu', available: true, precisions: ['fp32'], info: describe() };
}

export const driver: BackendDriver = { name: 'cpu', precisions: ['fp32'], probe, start };
