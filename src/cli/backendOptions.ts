// The options that choose a backend, shared by all commands that compute.

import { BACKEND_NAMES, type BackendInfo, type BackendName } from '../backend/index.js';
import { expect } from '../base/errors.js';
import { usableThreads } from '../base/threads.js';
import { choice, group, text } from './options.js';

export const BACKEND_OPTIONS = group('Backend:', {
  backend: choice(['auto', ...BACKEND_NAMES], `auto, ${BACKEND_NAMES.join(', ')}; see tinygpt doctor`, {
    default: 'auto',
  }),
  precision: choice(['fp32', 'bf16'], 'fp32 or bf16, if the backend supports it'),
  device: text(
    'GPU to use: on cuda its index among the visible GPUs (default 0), on webgpu a part of its name',
  ),
});

/**
 * The backend to use, which then opens the GPU that --device names, here and in processes started from here; without
 * --backend, `cuda` where --device is given.
 * @throws UsageError on a device for another backend, or one that is no number on cuda
 */
export function backendChoice(name: BackendName | 'auto', device?: string): BackendName | 'auto' {
  if (device === undefined) return name;
  if (name === 'webgpu') {
    process.env.TINYGPT_WEBGPU_ADAPTER = device;
    return name;
  }
  expect(
    name === 'auto' || name === 'cuda',
    () =>
      `Expected --device ${device} with the cuda or webgpu backend, got the backend ${name}; leave --device out or set --backend cuda`,
  );
  expect(
    /^\d+$/.test(device),
    () => `Expected --device to be an integer >= 0 on cuda, got ${device}; see nvidia-smi`,
  );
  process.env.TINYGPT_CUDA_DEVICE = device;
  // As nvidia-smi numbers them, unless the caller has numbered them already; CUDA itself would put the fastest first.
  if (!process.env.CUDA_VISIBLE_DEVICES) process.env.CUDA_DEVICE_ORDER ??= 'PCI_BUS_ID';
  return 'cuda';
}

/** Prints notes about the choice of a backend, for commands without a progress line. */
export const onNote = (line: string): void => void process.stderr.write(`${line}\n`);

/** Sets the number of threads that the native backend computes with, before it starts. */
export function setThreadCount(threads: number | undefined): void {
  if (threads !== undefined) process.env.TINYGPT_THREADS = `${usableThreads(threads)}`;
}

/** The preset that suits a backend. */
export const defaultPreset = (backend: BackendInfo): string => (backend.gpu ? 'tinystories' : 'cpu');
