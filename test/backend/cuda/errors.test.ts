// What goes wrong is told by name, and leaves the process usable: each kind of call into CUDA is made to fail in turn.

import { afterEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { CudaError } from '../../../src/backend/cuda/status.js';
import { OutOfMemoryError } from '../../../src/backend/outOfMemory.js';
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
      expect(error).toBeInstanceOf(CudaError);
      expect(error).toMatchObject({ codeName: name, code });
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

  test('no memory for a segment is told as such, and made room for where that helps', () => {
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

  test('page-locked memory that cannot be had is an error of that call', async () => {
    const x = tf.neg(tf.ones([3_000_000]));
    device().controls.fake_fail('cuMemAllocHost_v2', 1, 2);
    await expect(x.data()).rejects.toThrow(/cuMemAllocHost_v2 failed with CUDA_ERROR_OUT_OF_MEMORY/);
    expect((await x.data())[2_999_999]).toBe(-1);
    x.dispose();
  });

  test('a kernel that reads beyond its memory is told at the next wait', () => {
    const launch = () =>
      backend().launch(
        { source: 'cuda/moves.cu', name: 'gather', types: 'iiiippp' },
        1,
        32,
        [10, 1, 1, 1, 0, 0, 0],
      );
    launch();
    expect(() => tf.neg(tf.ones([20])).dataSync()).toThrow(
      /CUDA_ERROR_ILLEGAL_ADDRESS \(700\): a kernel left its memory; the state of the GPU is lost/,
    );
    expect(device().controls.fake_errors()).not.toBe('');
    device().controls.fake_reset();
  });
});
