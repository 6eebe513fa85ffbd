/// <reference types="@webgpu/types" />
// Loads Dawn's bindings (npm `webgpu`) and tfjs's WebGPU backend. That backend expects a browser's globals
// (navigator.gpu, GPUBuffer, ...); its bundle is compiled here with these names as parameters instead, so that no
// globals are left behind and other libraries do not mistake the process for a browser.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { compileFunction } from 'node:vm';
import type { DataStorage, DataType, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { withoutStderr } from '../stderr.js';

/** What tfjs keeps of a tensor: numbers on the host until a kernel wants them on the device. */
export interface TensorEntry {
  dtype: DataType;
  shape: number[];
  refCount: number;
  values: tf.BackendValues | null;
  resource?: GPUBuffer | null;
}

/** The buffer pool that tfjs's kernels ask; buffers.ts has ours. */
export interface BufferSource {
  acquireBuffer(size: number, usage: number, mappedAtCreation?: boolean, reuse?: boolean): GPUBuffer;
  releaseBuffer(buffer: GPUBuffer, reuse?: boolean): void;
  dispose(): void;
}

/** The parts of tfjs's backend that ours builds on. */
export interface StockBackend extends tf.KernelBackend {
  device: GPUDevice;
  queue: GPUQueue;
  bufferManager: BufferSource;
  tensorMap: DataStorage<TensorEntry>;
  commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  dispatchCountInPass: number;
  stagingPendingDisposal: GPUBuffer[];
  disposed: boolean;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  uploadToGPU(dataId: tf.DataId): void;
  makeTensorInfo(shape: number[], dtype: DataType, values?: tf.BackendValues): TensorInfo;
  recordAndSubmit(program: object, output: TensorInfo, inputs: TensorInfo[], uniforms?: object[]): void;
}

export type StockBackendClass = new (device: GPUDevice, info: GPUAdapterInfo) => StockBackend;

/** Dawn, and tfjs's backend class; importing it registers tfjs's kernels for `webgpu`. */
export interface Loaded {
  gpu: GPU;
  globals: Record<string, unknown>;
  Backend: StockBackendClass;
  dawnVersion: string;
}

const require = createRequire(import.meta.url);

type Dawn = { create(options: string[]): GPU; globals: Record<string, unknown> };

/**
 * @param adapter the name of an adapter, in part; without one Dawn offers its own order
 * @throws Error of Node's loader where a package is absent, or Dawn's where there is no adapter of that name
 */
export async function loadWebGpu(adapter?: string): Promise<Loaded> {
  const { create, globals } = (await import('webgpu' as string)) as Dawn;
  const gpu = withoutStderr(() => create(adapter === undefined ? [] : [`adapter=${adapter}`]));
  const scope: Record<string, unknown> = {
    ...globals,
    navigator: { gpu },
    globalThis: { navigator: { gpu } },
  };
  const path = require.resolve('@tensorflow/tfjs-backend-webgpu');
  const module = { exports: {} as { WebGPUBackend: StockBackendClass } };
  // The backend itself is registered by driver.ts.
  const core = { ...tf, registerBackend: () => true };
  const load = (name: string) => (name === '@tensorflow/tfjs-core' ? core : require(name));
  const names = ['require', 'module', 'exports', ...Object.keys(scope)];
  compileFunction(readFileSync(path, 'utf8'), names, { filename: path })(
    load,
    module,
    module.exports,
    ...Object.values(scope),
  );
  const { version } = require('webgpu/package.json') as { version: string };
  return { gpu, globals, Backend: module.exports.WebGPUBackend, dawnVersion: version };
}
