// The `tensorflow` backend: tfjs-node-gpu or tfjs-node, as `tinygpt setup tensorflow` prepares them or as npm
// installs them next to tinygpt.

import * as tf from '@tensorflow/tfjs-core';
import { EnvironmentError } from '../../base/errors.js';
import { declareCapabilities } from '../capabilities.js';
import { cpuName, nvidiaGpus, systemMemory } from '../machine.js';
import type { BackendDriver, BackendInfo, BackendProbe, Precision } from '../types.js';
import { cudaVersion, missingLibraries } from './cuda.js';
import { type Candidate, setupCommand } from './find.js';
import { recordingOf } from './graph/recording.js';
import { type NodeBackend, setProducts } from './kernels/eager.js';
import { registerTensorflowKernels } from './kernels/index.js';
import { loadTensorflow } from './load.js';
import { VARIANTS } from './prepared.js';

/** bf16: products of matrices round their factors, all else is float32. */
const PRECISIONS: Precision[] = ['fp32', 'bf16'];

async function start(precision: Precision): Promise<BackendInfo> {
  const loaded = await loadTensorflow();
  if ('reason' in loaded) throw new EnvironmentError(`${loaded.reason}; to fix: ${loaded.remedy}`);
  registerTensorflowKernels();
  setProducts(precision);
  await tf.setBackend('tensorflow');
  await tf.ready();
  const backend = tf.backend() as unknown as NodeBackend;
  declareCapabilities('tensorflow', backend.isUsingGpuDevice ? {} : recordingOf(backend));
  return describe(loaded.candidate, precision);
}

async function describe({ name, version }: Candidate, precision: Precision): Promise<BackendInfo> {
  const { isUsingGpuDevice: onGpu, binding } = tf.findBackend('tensorflow') as unknown as NodeBackend;
  const tensorflow = binding.TF_Version;
  const [gpu] = await nvidiaGpus();
  const gibibytes = onGpu ? /, ([\d.]+) GiB/.exec(gpu ?? '')?.[1] : undefined;
  const cuda = onGpu ? cudaVersion(tensorflow) : undefined;
  const idle = gpu ? ` (the GPU is not in use: ${whyIdle(name, tensorflow)})` : '';
  return {
    name: 'tensorflow',
    precision,
    gpu: onGpu,
    device: onGpu ? (gpu ?? 'NVIDIA GPU') : cpuName() + idle,
    version:
      `${name.replace('@tensorflow/', '')} ${version}, TensorFlow ${tensorflow}` +
      (cuda ? `, CUDA ${cuda}` : ''),
    memoryBytes: gibibytes ? Number(gibibytes) * 2 ** 30 : systemMemory(),
  };
}

/** TensorFlow itself only says so in its log. */
function whyIdle(name: string, tensorflow: string): string {
  if (name !== VARIANTS.gpu) return `this is the CPU package; ${setupCommand(VARIANTS.gpu)}`;
  const [missing] = missingLibraries(tensorflow);
  return missing
    ? `${missing} is not found; ${setupCommand(name)}`
    : `TensorFlow ${tensorflow} does not use it; TF_CPP_MIN_LOG_LEVEL=0 shows why`;
}

async function probe(): Promise<BackendProbe> {
  const loaded = await loadTensorflow();
  if ('reason' in loaded) {
    return { name: 'tensorflow', available: false, precisions: PRECISIONS, ...loaded };
  }
  return {
    name: 'tensorflow',
    available: true,
    precisions: PRECISIONS,
    info: await describe(loaded.candidate, 'fp32'),
  };
}

export const driver: BackendDriver = { name: 'tensorflow', precisions: PRECISIONS, probe, start };
