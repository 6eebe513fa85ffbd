// The `tensorflow` backend: tfjs-node-gpu or tfjs-node, which the user installs beside tinygpt.

import * as tf from '@tensorflow/tfjs-core';
import { EnvironmentError } from '../../base/errors.js';
import type { BackendDriver } from '../driver.js';
import { cpuName, nvidiaGpus, systemMemory } from '../machine.js';
import type { BackendInfo, BackendProbe } from '../types.js';
import type { Candidate } from './find.js';
import { loadTensorflow } from './load.js';

/** The part of tfjs-node's backend that is used here. */
interface NodeBackend {
  isUsingGpuDevice: boolean;
  binding: { TF_Version: string };
}

async function start(): Promise<BackendInfo> {
  const loaded = await loadTensorflow();
  if ('reason' in loaded) throw new EnvironmentError(`${loaded.reason}; to mend: ${loaded.remedy}`);
  await tf.setBackend('tensorflow');
  await tf.ready();
  return describe(loaded.candidate);
}

async function describe({ name, version }: Candidate): Promise<BackendInfo> {
  const backend = tf.findBackend('tensorflow') as unknown as NodeBackend;
  const [gpu] = await nvidiaGpus();
  const gibibytes = backend.isUsingGpuDevice ? /, ([\d.]+) GiB/.exec(gpu ?? '')?.[1] : undefined;
  const idle = gpu ? ' (the GPU is not in use: TensorFlow finds no CUDA libraries that fit it)' : '';
  return {
    name: 'tensorflow',
    precision: 'fp32',
    device: backend.isUsingGpuDevice ? (gpu ?? 'NVIDIA GPU') : cpuName() + idle,
    version: `${name.replace('@tensorflow/', '')} ${version}, TensorFlow ${backend.binding.TF_Version}`,
    memoryBytes: gibibytes ? Number(gibibytes) * 2 ** 30 : systemMemory(),
  };
}

async function probe(): Promise<BackendProbe> {
  const loaded = await loadTensorflow();
  if ('reason' in loaded) {
    return { name: 'tensorflow', available: false, precisions: ['fp32'], ...loaded };
  }
  return {
    name: 'tensorflow',
    available: true,
    precisions: ['fp32'],
    info: await describe(loaded.candidate),
  };
}

export const driver: BackendDriver = { name: 'tensorflow', precisions: ['fp32'], probe, start };
