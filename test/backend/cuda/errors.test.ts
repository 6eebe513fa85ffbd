// Failing calls: each kind of call into CUDA is made to fail in turn. The error names it, has the right type, and leaks nothing.

import { afterEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { received } from '../../../src/backend/cuda/library.js';
import { cudaErrorOf, failure } from '../../../src/backend/cuda/status.js';
import { isOutOfMemory, OutOfMemoryError } from '../../../src/backend/outOfMemory.js';
import { DeviceLostError } from '../../../src/base/errors.js';
import { linear, rmsNorm } from '../../../src/ops/index.js';
import { describeCuda } from './present.js';

/** Work that takes the call in question, and what its failure is called. */
const CALLS: [call: string, code: number, name: string, work: () => tf.Tensor | Promise<unknown>][] = [
  ['cuMemAlloc_v2', 999, 'CUDA_ERROR_UNKNOWN', () => tf.tile(tf.ones([1, 1000]), [3000, 1])],
  ['cuMemcpyHtoDAsync_v2', 1, 'CUDA_ERROR_INVALID_VALUE', () => tf.tensor1d(new Float32Array(100))],
  ['cuMemcpyDtoDAsync_v2', 1, 'CUDA_ERROR_INVALID_VALUE', () => tf.concat([tf.ones([50]), tf.ones([50])])],
  ['cuMemsetD32Async', 1, 'CUDA_ERROR_INVALID_VALUE', () => tf.pad(tf.ones([50]), [[1, 1]])],
  ['cuModuleLoadData', 999, 'CUDA_ERROR_UNKNOWN', () => tf.sin(tf.ones([50]))],
  ['cuModuleGetFunction', 500, 'CUDA_ERROR_NOT_FOUND', () => tf.cos(tf.ones([50]))],
  ['cuLaunchKernel', 701, 'CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES', () => rmsNorm(tf.ones([4, 8]))],
  ['cublasLtMatmul', 13, 'CUBLAS_STATUS_EXECUTION_FAILED', () => linear(tf.ones([4, 8]), tf.ones([8, 8]))],
  [
    'cublasLtMatmulAlgoGetHeuristic',
    14,
    'CUBLAS_STATUS_INTERNAL_ERROR',
    () => linear(tf.ones([4, 9]), tf.ones([9, 9])),
  ],
  ['cuStreamSynchronize', 719, 'CUDA_ERROR_LAUNCH_FAILED', async () => tf.neg(tf.ones([50])).dataSync()],
  ['cuMemcpyDtoHAsync_v2', 1, 'CUDA_ERROR_INVALID_VALUE', () => tf.neg(tf.ones([50])).data()],
  ['cuEventRecord', 400, 'CUDA_ERROR_INVALID_HANDLE', () => tf.neg(tf.ones([50])).data()],
  ['cuEventQuery', 700, 'CUDA_ERROR_ILLEGAL_ADDRESS', () => tf.neg(tf.ones([50])).data()],
];

describeCuda('a failing call', (device, backend) => {
  afterEach(() => {
    device().controls.fake_reset();
  });

  test.each(CALLS)(
    '%s is named with its code (%i, %s), and the next work is done',
    async (call, code, name, work) => {
      const before = {
        ids: backend().numDataIds(),
        tensors: tf.memory().numTensors,
        bytes: backend().session.allocator.statistics().current,
      };
      backend().session.allocator.trim();
      device().controls.fake_fail(call, 1, code);
      let error: unknown;
      tf.engine().startScope();
      try {
        await work();
      } catch (e) {
        error = e;
      } finally {
        tf.engine().endScope();
      }
      expect(cudaErrorOf(error)).toMatchObject({ codeName: name, code });
      expect(error instanceof DeviceLostError).toBe(code >= 700 && code !== 701 && code < 999);
      expect((error as Error).message).toMatch(
        new RegExp(`^${call}.* failed with ${name} \\(${code}\\): .{20}`),
      );
      device().controls.fake_reset();
      expect(Array.from(tf.tidy(() => tf.add(tf.ones([20]), tf.ones([20])).dataSync()))).toEqual(
        new Array(20).fill(2),
      );
      expect({
        ids: backend().numDataIds(),
        tensors: tf.memory().numTensors,
        bytes: backend().session.allocator.statistics().current,
      }).toEqual(before);
    },
  );

  test('a failed segment allocation is retried with a smaller segment, then reported as out of memory', () => {
    backend().session.allocator.trim();
    tf.tidy(() => {
      const row = tf.ones([1, 1000]);
      device().controls.fake_fail('cuMemAlloc_v2', 1, 2);
      // A smaller segment is tried before it is an error.
      expect(tf.tile(row, [1000, 1]).shape).toEqual([1000, 1000]);
    });
    device().controls.fake_set_memory(2 ** 20);
    expect(() => tf.tidy(() => tf.tile(tf.ones([1, 1000]), [9000, 1]))).toThrow(OutOfMemoryError);
    device().controls.fake_set_memory(2 ** 30);
  });

  test('a kernel that reads beyond its memory is reported at the next wait, and by every call from then on', () => {
    const launch = () =>
      backend().launch({ source: 'cuda/moves.cu', name: 'gather' }, 1, 32, [10, 1, 1, 1, 0, 0, 0]);
    launch();
    const read = () => tf.tidy(() => tf.neg(tf.ones([20])).dataSync());
    expect(read).toThrow(DeviceLostError);
    expect(read).toThrow(/CUDA_ERROR_ILLEGAL_ADDRESS \(700\): .*this process can no longer use the GPU/);
    expect(device().controls.fake_errors()).not.toBe('');
    device().controls.fake_reset();
  });
});

/** Work that takes the call in question, which fails for want of memory; `n` keeps shapes and kernels new. */
const MEMORY_CALLS: [call: string, code: number, work: (n: number) => tf.Tensor | Promise<unknown>][] = [
  ['cuModuleLoadData', 2, (n) => [tf.abs, tf.sigmoid][n]!(tf.ones([50]))],
  ['cuMemAllocHost_v2', 2, (n) => tf.neg(tf.ones([(n + 1) * 3_000_000])).data()],
  ['cuMemcpyHtoDAsync_v2', 2, () => tf.tensor1d(new Float32Array(100))],
  ['cuMemcpyDtoHAsync_v2', 2, () => tf.neg(tf.ones([50])).data()],
  ['cuMemcpyDtoDAsync_v2', 2, () => tf.concat([tf.ones([50]), tf.ones([50])])],
  ['cuMemsetD32Async', 2, () => tf.pad(tf.ones([50]), [[1, 1]])],
  ['cuLaunchKernel', 2, () => rmsNorm(tf.ones([4, 8]))],
  ['cublasLtMatmul', 3, () => linear(tf.ones([4, 8]), tf.ones([8, 8]))],
];

describeCuda('a call that fails for want of memory', (device, backend) => {
  afterEach(() => {
    device().controls.fake_reset();
  });

  test.each(MEMORY_CALLS)(
    '%s is made again once idle memory has been given back, and else an OutOfMemoryError',
    async (call, code, work) => {
      const { allocator, transfer } = backend().session;
      const before = allocator.statistics().current;
      allocator.trim();
      transfer.trim();
      const attempt = async (n: number) => {
        device().controls.fake_fail(call, 1, code);
        tf.engine().startScope();
        try {
          return await work(n);
        } finally {
          tf.engine().endScope();
        }
      };
      await expect(
        attempt(0).finally(() => {
          allocator.trim();
          transfer.trim();
        }),
      ).rejects.toThrow(OutOfMemoryError);
      allocator.free(allocator.allocate(4 * 2 ** 20));
      await attempt(1);
      expect(allocator.statistics().current).toBe(before);
    },
  );

  test('is recognized by its type, regardless of the message', () => {
    for (const [space, code] of [
      ['driver', 2],
      ['nvrtc', 1],
      ['cublas', 3],
    ] as const) {
      const error = failure(space, 'aCall', code, 'no words');
      expect(error).toBeInstanceOf(OutOfMemoryError);
      expect(isOutOfMemory(error)).toBe(true);
    }
    expect(isOutOfMemory(failure('driver', 'aCall', 999))).toBe(false);
  });

  test('is the loss of the device where the driver says so behind cuBLASLt', () => {
    const product = () => tf.tidy(() => linear(tf.ones([4, 8]), tf.ones([8, 8])).dataSync());
    product();
    device().controls.fake_fail('cublasLtMatmul', 1, 13);
    device().controls.fake_fail('cuStreamSynchronize', 1, 719);
    expect(product).toThrow(DeviceLostError);
  });
});

describeCuda('an error code that does not say whether the device is lost', (device, backend) => {
  const CODES: [call: string, code: number, work: () => tf.Tensor | Promise<unknown>][] = [
    ['cuMemcpyHtoDAsync_v2', 999, () => tf.tensor1d(new Float32Array(100))],
    ['cuLaunchKernel', 999, () => rmsNorm(tf.ones([4, 8]))],
    ['cuEventQuery', 999, () => tf.neg(tf.ones([50])).data()],
    ['cublasLtMatmul', 13, () => linear(tf.ones([4, 8]), tf.ones([8, 8]))],
  ];
  afterEach(() => {
    device().controls.fake_reset();
  });

  test.each(CODES)(
    '%s that fails with %i ends its use where it does not answer either',
    async (call, code, work) => {
      const attempt = async () => {
        device().controls.fake_fail(call, 1, code);
        tf.engine().startScope();
        try {
          await work();
          return undefined;
        } catch (error) {
          return error;
        } finally {
          tf.engine().endScope();
        }
      };
      expect(await attempt()).not.toBeInstanceOf(DeviceLostError);
      device().controls.fake_fail('cuStreamSynchronize', 1, 999);
      expect(await attempt()).toBeInstanceOf(DeviceLostError);
    },
  );

  test('is none of a loss while the stream is recorded, which cannot be waited for', () => {
    const { driver, stream } = backend().session;
    driver.cuStreamBeginCapture!(stream, 2);
    device().controls.fake_fail('cuMemsetD32Async', 1, 1);
    let error: unknown;
    try {
      backend().fill(0, 0, 1);
    } catch (e) {
      error = e;
    }
    device().controls.fake_reset();
    driver.cuGraphDestroy!(received((place) => driver.cuStreamEndCapture!(stream, place)));
    expect(error).toMatchObject({ name: 'CudaError', code: 1 });
  });
});

test.each([214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911])(
  'CUDA error %i ends the use of the device in this process, and has a name',
  (code) => {
    const error = failure('driver', 'cuStreamSynchronize', code);
    expect(error).toBeInstanceOf(DeviceLostError);
    expect(error.message).toMatch(/^cuStreamSynchronize failed with CUDA_ERROR_\w+ \(\d+\): /);
  },
);

test('CUDA errors that do not persist are not treated as a lost device', () => {
  for (const code of [1, 2, 200, 209, 400, 600, 701, 720, 801, 999])
    expect(failure('driver', 'cuLaunchKernel', code)).not.toBeInstanceOf(DeviceLostError);
  // cuda.h has no error 35, the runtime library does.
  expect(failure('driver', 'cuInit', 35).message).toMatch(/^cuInit failed with error 35 /);
});
