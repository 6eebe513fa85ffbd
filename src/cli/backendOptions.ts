// The options that choose a backend, shared by all commands that compute.

import { BACKEND_NAMES, type BackendInfo, type BackendName } from '../backend/index.js';
import { expect } from '../base/errors.js';
import { choice, group, integer } from './options.js';

export const BACKEND_OPTIONS = group('Backend:', {
  backend: choice(['auto', ...BACKEND_NAMES], `auto, ${BACKEND_NAMES.join(', ')}; see tinygpt doctor`, {
    default: 'auto',
  }),
  precision: choice(['fp32', 'bf16'], 'fp32 or bf16, where the backend has it'),
  device: integer(
    'number of the GPU, of those that CUDA_VISIBLE_DEVICES leaves (default 0); chooses the cuda backend',
    { min: 0 },
  ),
});

/**
 * The backend to use: --backend, or `cuda` where --device is given, which then opens that GPU, here and in processes
 * started from here.
 * @throws UsageError on a device for another backend
 */
export function backendChoice(name: BackendName | 'auto', device?: number): BackendName | 'auto' {
  if (device === undefined) return name;
  expect(
    name === 'auto' || name === 'cuda',
    () =>
      `Expected --device ${device} with the cuda backend, got the backend ${name}; leave --device out or set --backend cuda`,
  );
  process.env.TINYGPT_CUDA_DEVICE = `${device}`;
  return 'cuda';
}

/** Sets the number of threads that the native backend computes with, before it starts. */
export function setThreadCount(threads: number | undefined): void {
  if (threads !== undefined) process.env.TINYGPT_THREADS = `${threads}`;
}

/** The preset that suits a backend. */
export const defaultPreset = (backend: BackendInfo): string => (backend.gpu ? 'tinystories' : 'cpu');
