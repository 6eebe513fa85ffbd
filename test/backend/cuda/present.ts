// The cuda backend on the emulated device: libraries compiled by the tests stand in for the driver, NVRTC and cuBLASLt,
// and run the kernels on the CPU. Blocks of tests that need it are skipped by name where there is no C++ compiler.

import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import type * as tf from '@tensorflow/tfjs-core';
import type { CudaBackend } from '../../../src/backend/cuda/backend.js';
import type { Precision } from '../../../src/backend/types.js';
import { useBackend } from '../../../src/backend/use.js';
import {
  type Controls,
  controlsOf,
  emulatedLibraries,
  whyNoEmulatedDevice,
} from '../../cuda/device/device.js';

/** Device memory of the emulated device, bytes. */
export const EMULATED_BYTES = 2 ** 30;

const reason = whyNoEmulatedDevice();

/** The emulated device, set up for this process. */
export interface Emulation {
  /** Folder of its libraries. */
  folder: string;
  controls: Controls;
}

/** Makes the stand-ins and points the finder of libraries at them. */
export async function emulate(): Promise<Emulation> {
  const folder = emulatedLibraries();
  process.env.TINYGPT_CUDA_LIBRARIES = folder;
  const controls = await controlsOf(folder);
  resetDevice(controls);
  return { folder, controls };
}

/** A device of compute capability 8.0 with 1 GiB and no failures. */
export function resetDevice(controls: Controls): void {
  controls.fake_reset();
  controls.fake_set_memory(EMULATED_BYTES);
  controls.fake_set_device(1, 8, 0, 4, 166_912);
}

/** A `describe` block with the emulated device. */
export function describeEmulated(title: string, body: (device: () => Emulation) => void): void {
  const run = reason === undefined ? describe : describe.skip;
  run(reason === undefined ? title : `${title} (no emulated device: ${reason})`, () => {
    let device: Emulation | undefined;
    const before = process.env.TINYGPT_CUDA_LIBRARIES;
    if (reason === undefined) {
      beforeAll(async () => {
        device = await emulate();
      });
      afterAll(() => {
        if (before === undefined) delete process.env.TINYGPT_CUDA_LIBRARIES;
        else process.env.TINYGPT_CUDA_LIBRARIES = before;
        if (device) resetDevice(device.controls);
      });
    }
    body(() => device!);
  });
}

/** The same with the backend in use; kernels that wrote where they must not fail the block. */
export function describeCuda(
  title: string,
  body: (device: () => Emulation, backend: () => CudaBackend) => void,
  precision: Precision = 'fp32',
): void {
  describeEmulated(title, (device) => {
    let backend: CudaBackend | undefined;
    beforeAll(async () => {
      await useBackend('cuda', { precision });
      backend = await currentBackend();
    });
    afterAll(() => {
      expect(device().controls.fake_errors()).toBe('');
    });
    body(device, () => backend!);
  });
}

async function currentBackend(): Promise<CudaBackend> {
  const tfjs: typeof tf = await import('@tensorflow/tfjs-core');
  return tfjs.backend() as unknown as CudaBackend;
}
