// The options that choose a backend, shared by all commands that compute.

import type { BackendInfo, BackendName, Precision } from '../backend/index.js';
import { BACKEND_NAMES } from '../backend/index.js';
import { expect } from '../base/errors.js';

export const BACKEND_OPTIONS = {
  backend: {
    type: 'string',
    default: 'auto',
    describe: `auto, ${BACKEND_NAMES.join(', ')}; see tinygpt doctor`,
    group: 'Backend:',
  },
  precision: { type: 'string', describe: 'fp32 or bf16, where the backend has it', group: 'Backend:' },
  device: {
    type: 'number',
    describe:
      'number of the GPU, of those that CUDA_VISIBLE_DEVICES leaves (default 0); chooses the cuda backend',
    group: 'Backend:',
  },
} as const;

/**
 * The backend to use: what --backend says; where --device is given, the one that it is for, which then opens that GPU,
 * here and in processes that are started from here.
 * @throws UsageError on an unknown backend, a device that is no integer >= 0, or one beside a backend without such
 */
export function backendChoice(name: unknown, device?: number): BackendName | 'auto' {
  const known = ['auto', ...BACKEND_NAMES] as const;
  expect(
    known.includes(name as BackendName),
    () => `Expected --backend to be one of ${known.join(', ')}; got ${name}`,
  );
  if (device === undefined) return name as BackendName;
  expect(
    Number.isInteger(device) && device >= 0,
    () => `Expected --device to be an integer >= 0, got ${device}; nvidia-smi lists the GPUs`,
  );
  expect(
    name === 'auto' || name === 'cuda',
    () =>
      `Expected --device ${device} with the cuda backend, got the backend ${name}; leave --device out or set --backend cuda`,
  );
  process.env.TINYGPT_CUDA_DEVICE = `${device}`;
  return 'cuda';
}

/** @throws UsageError on an unknown precision */
export function precisionChoice(name: unknown): { precision?: Precision } {
  if (name === undefined) return {};
  expect(name === 'fp32' || name === 'bf16', () => `Expected --precision to be fp32 or bf16, got ${name}`);
  return { precision: name };
}

/**
 * Sets the number of threads that the native backend computes with, before it starts.
 * @throws UsageError unless it is an integer >= 1
 */
export function setThreadCount(threads: number | undefined): void {
  if (threads === undefined) return;
  expect(
    Number.isInteger(threads) && threads >= 1,
    () => `Expected --threads to be an integer >= 1, got ${threads}`,
  );
  process.env.TINYGPT_THREADS = `${threads}`;
}

/** Whether the backend in use computes on a GPU. */
export const onGpu = (backend: BackendInfo): boolean =>
  backend.name === 'cuda' || (backend.name === 'tensorflow' && /gpu|nvidia|cuda/i.test(backend.device));

/** The preset that suits a backend. */
export const defaultPreset = (backend: BackendInfo): string => (onGpu(backend) ? 'tinystories' : 'cpu');
