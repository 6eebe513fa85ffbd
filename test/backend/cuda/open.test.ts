// Opening a GPU: errors say what is missing or too old, and what fixes it.

import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { chosenDevice, peakFlops } from '../../../src/backend/cuda/device.js';
import { diagnose, driver } from '../../../src/backend/cuda/driver.js';
import { MissingLibrary, received } from '../../../src/backend/cuda/library.js';
import { memoryLimit, openSession } from '../../../src/backend/cuda/session.js';
import { failure } from '../../../src/backend/cuda/status.js';
import type { Precision } from '../../../src/backend/types.js';
import { EnvironmentError, UsageError } from '../../../src/base/errors.js';
import { describeEmulated, resetDevice } from './present.js';

describe('why the backend cannot be used', () => {
  test('no driver most likely means no GPU, which is not a fault', () => {
    const found = diagnose(new MissingLibrary('libcuda', [], 'libcuda was not found'));
    expect(found.broken).toBeUndefined();
    expect(found.reason).toBe('no NVIDIA driver (libcuda was not found)');
    expect(found.remedy).toMatch(/install its driver .*--gpus all.*TINYGPT_CUDA_LIBRARIES/);
  });

  test('a driver without NVRTC or cuBLASLt gives the command that downloads them', () => {
    const found = diagnose(new MissingLibrary('libnvrtc', [], 'libnvrtc was not found'));
    expect(found).toMatchObject({
      broken: true,
      reason: 'an NVIDIA driver was found, but libnvrtc was not found',
    });
    expect(found.remedy).toMatch(/^npx tinygpt setup cuda \(/);
  });

  test('libraries of a later CUDA than the driver supports', () => {
    const newer = { path: '/cuda/libnvrtc.so.13', major: 13, where: 'CUDA_HOME' };
    const found = diagnose(new MissingLibrary('libnvrtc', [newer], 'only /cuda/libnvrtc.so.13 was found'));
    expect(found.remedy).toMatch(/^npx tinygpt setup cuda, or install a newer driver/);
  });

  test('a driver without a GPU is not a fault, a GPU held by another process is', () => {
    expect(diagnose(failure('driver', 'cuInit', 100))).toMatchObject({ broken: false });
    expect(diagnose(failure('driver', 'cuDevicePrimaryCtxRetain', 46))).toMatchObject({
      broken: true,
      reason: expect.stringMatching(
        /^cuDevicePrimaryCtxRetain failed with CUDA_ERROR_DEVICE_UNAVAILABLE \(46\)/,
      ),
      remedy: expect.stringMatching(/another process holds this GPU/),
    });
  });

  test('an unknown error code is reported by its number', () => {
    expect(failure('driver', 'cuInit', 12_345).message).toMatch(/^cuInit failed with error 12345 \(12345\)/);
  });
});

describe('settings', () => {
  test('the device must be a whole number', () => {
    expect(chosenDevice({})).toBe(0);
    expect(chosenDevice({ TINYGPT_CUDA_DEVICE: '3' })).toBe(3);
    for (const bad of ['-1', '1.5', 'first'])
      expect(() => chosenDevice({ TINYGPT_CUDA_DEVICE: bad })).toThrow(UsageError);
  });

  test('the limit of memory is in GiB', () => {
    expect(memoryLimit({})).toBe(Infinity);
    expect(memoryLimit({ TINYGPT_CUDA_MEMORY: '1.5' })).toBe(1.5 * 2 ** 30);
    for (const bad of ['0', '-2', 'all'])
      expect(() => memoryLimit({ TINYGPT_CUDA_MEMORY: bad })).toThrow(/Expected TINYGPT_CUDA_MEMORY/);
  });

  test('peak rates are those of known GPUs', () => {
    const peak = (name: string, precision: Precision, multiprocessors = 100) =>
      peakFlops({ name, multiprocessors }, precision);
    expect(peak('NVIDIA H100 80GB HBM3', 'bf16')).toBe(989.5e12);
    expect(peak('NVIDIA H100 PCIe', 'bf16')).toBe(756e12);
    expect(peak('NVIDIA A100-SXM4-80GB', 'fp32')).toBe(19.5e12);
    expect(peak('NVIDIA L4', 'bf16')).toBe(121e12);
    expect(peak('NVIDIA L40S', 'bf16')).toBe(362e12);
    expect(peak('NVIDIA H200 NVL', 'bf16')).toBe(835e12);
    expect(peak('NVIDIA GeForce RTX 4090', 'bf16')).toBe(165.2e12);
    // Other chips, or slower clocks, than the cards of the same number.
    for (const other of ['RTX 4090 Laptop GPU', 'RTX 4090 D', 'RTX 3090 Ti', 'RTX 3060 Laptop GPU'])
      expect(peak(`NVIDIA GeForce ${other}`, 'bf16')).toBeUndefined();
    expect(peak('Tesla T4', 'bf16')).toBeUndefined();
    expect(peak('Emulated device 0', 'fp32')).toBeUndefined();
  });

  test('a MIG slice has the share of the peak that its multiprocessors are of the whole GPU', () => {
    const peak = (name: string, multiprocessors: number) => peakFlops({ name, multiprocessors }, 'bf16');
    expect(peak('NVIDIA A100-SXM4-40GB MIG 1g.5gb', 14)).toBe((14 / 108) * 312e12);
    expect(peak('NVIDIA H100 80GB HBM3 MIG 3g.40gb', 60)).toBe((60 / 132) * 989.5e12);
    expect(peak('NVIDIA H200 MIG 7g.141gb', 132)).toBe(989.5e12);
  });
});

describeEmulated('opening the emulated device', (device) => {
  afterEach(() => {
    resetDevice(device().controls);
    delete process.env.TINYGPT_CUDA_DEVICE;
  });

  test.each([
    ['cuInit', 803, 'CUDA_ERROR_SYSTEM_DRIVER_MISMATCH', /restart the machine/],
    ['cuDevicePrimaryCtxRetain', 46, 'CUDA_ERROR_DEVICE_UNAVAILABLE', /choose another with --device/],
    ['cuCtxSetCurrent', 201, 'CUDA_ERROR_INVALID_CONTEXT', /restart the process/],
    ['cuStreamCreate', 2, 'CUDA_ERROR_OUT_OF_MEMORY', /end other programs on this GPU/],
    ['cublasLtCreate', 1, 'CUBLAS_STATUS_NOT_INITIALIZED', /newer driver/],
  ])('%s that fails is named by the probe, which works at the next try', async (call, code, name, remedy) => {
    device().controls.fake_fail(call, 1, code);
    const probe = await driver.probe();
    expect(probe).toMatchObject({
      available: false,
      reason: expect.stringContaining(`${call} failed with ${name}`),
    });
    expect(probe.remedy).toMatch(remedy);
    await expect(openSession()).resolves.toBeDefined();
  });

  test('no visible GPU', async () => {
    device().controls.fake_set_device(0, 8, 0, 4, 166_912);
    const probe = await driver.probe();
    expect(probe).toMatchObject({ available: false, broken: false });
    expect(probe.remedy).toMatch(/CUDA_VISIBLE_DEVICES/);
  });

  test('a missing GPU', async () => {
    process.env.TINYGPT_CUDA_DEVICE = '2';
    await expect(openSession()).rejects.toThrow(UsageError);
    await expect(openSession()).rejects.toThrow(/Expected --device below 1, .*got 2/);
  });

  test('a GPU that is too old', async () => {
    device().controls.fake_set_device(1, 7, 0, 4, 98_304);
    await expect(openSession()).rejects.toThrow(EnvironmentError);
    await expect(openSession()).rejects.toThrow(
      /Emulated device 0 has compute capability 7; the kernels need 7\.5/,
    );
  });

  test('its libraries stay in memory when nothing refers to them any more', () => {
    const session = new URL('../../../src/backend/cuda/session.js', import.meta.url);
    const program = `import { readFileSync } from 'node:fs';
      import { setImmediate } from 'node:timers/promises';
      const { openSession } = await import('${session}');
      const open = async () => Object.values((await openSession()).files);
      const files = await open();
      for (let turn = 0; turn < 20; turn++) {
        gc();
        await setImmediate();
      }
      const mapped = readFileSync('/proc/self/maps', 'utf8');
      console.log(files.length, files.filter((file) => !mapped.includes(file)).join());`;
    const words = ['--expose-gc', '--input-type=module', '--eval', program];
    const env = { ...process.env, TINYGPT_CUDA_LIBRARIES: device().folder };
    expect(execFileSync(process.execPath, words, { env, encoding: 'utf8' })).toBe('4 \n');
  });

  test('a driver function that exists only under its older name is found', async () => {
    const { driver: api, stream } = await openSession();
    const [from, to] = [0, 0].map(() => received((place) => api.cuEventCreate(place, 0))) as [number, number];
    for (const event of [from, to]) api.cuEventRecord(event, stream);
    api.cuStreamSynchronize(stream);
    const elapsed = Float32Array.of(-1);
    api.cuEventElapsedTime!(elapsed, from, to);
    expect(elapsed[0]).toBeGreaterThanOrEqual(0);
  });

  test('another GPU of several', async () => {
    device().controls.fake_set_device(3, 9, 0, 132, 232_448);
    process.env.TINYGPT_CUDA_DEVICE = '1';
    const { device: properties, compiler } = await openSession();
    expect(properties).toMatchObject({
      ordinal: 1,
      name: 'Emulated device 1',
      chip: 90,
      multiprocessors: 132,
    });
    expect(compiler.target).toBe('sm_90');
  });

  test('Turing computes in fp32, and refuses bf16', async () => {
    device().controls.fake_set_device(1, 7, 5, 4, 65_536);
    expect(await driver.probe()).toMatchObject({ available: true, precisions: ['fp32'] });
    await expect(driver.start('bf16')).rejects.toThrow(
      /Expected fp32 on Emulated device 0 .*7\.5\), got bf16/,
    );
    const info = await driver.start('fp32');
    expect(info.device).toMatch(/^Emulated device 0 \(device 0, sm_75, 4 multiprocessors, 1\.0 GiB\)$/);
    expect(info.version).toMatch(
      /driver for CUDA 12\.9, NVRTC 12\.9, cuBLASLt 12\.9\.0, kernels [0-9a-f]{8}$/,
    );
    expect(info.memoryBytes).toBe(2 ** 30);
    expect(tf.tidy(() => tf.add(tf.ones([30]), 1).dataSync()[29])).toBe(2);
  });
});
