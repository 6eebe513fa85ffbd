// The tfjs backend object: tfjs's own WebGPU backend with our buffer pool, one uniform buffer per submission, typed errors,
// reads that copy, and `run` for our kernels. Everything is recorded in order into one command encoder and submitted in
// batches, so a buffer may be reused as soon as it is released.

import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { DeviceLostError, EnvironmentError } from '../../base/errors.js';
import { noteScratch } from '../memory.js';
import { BufferPool, STORAGE } from './buffers.js';
import type { Loaded, StockBackend } from './load.js';
import { type Constants, Pipelines } from './pipelines.js';
import { COPY_DST, MAP_READ, UniformArena } from './uniforms.js';

/** Kernels recorded before they are submitted: few enough that a driver's watchdog does not end them. */
const SUBMIT_AFTER = 256;

/** A kernel of ours, ready to run. */
export interface Dispatch {
  /** File of kernels/webgpu without its ending, the function in it, and constants put in front. */
  source: string;
  entry: string;
  constants?: Constants;
  /** Bindings 1, 2, ... */
  bind: readonly (TensorInfo | GPUBuffer)[];
  /** Binding 0: its 32-bit unsigned integers, then its floats. */
  ints: readonly number[];
  floats?: readonly number[];
  /** Workgroups in x, y and z. */
  groups: readonly [number, number?, number?];
}

/** What kernels use of the backend. */
export interface WebGpuBackend extends StockBackend {
  /** The first failure that the device reported; every later use throws it. */
  failure: Error | undefined;
  readonly pool: BufferPool;
  readonly pipelines: Pipelines;
  /** Storage buffers that one kernel can bind. */
  readonly bindings: number;
  run(dispatch: Dispatch): void;
  /** Calls `record` before the next command is recorded, so that kernels of one sort can share a dispatch. */
  postpone(record: () => void): void;
  make(shape: number[], dtype?: tf.DataType): TensorInfo;
  alias(x: TensorInfo, shape?: number[]): TensorInfo;
  /** A variable's buffer to be written in place; others that share it keep its old elements. */
  writable(x: TensorInfo): TensorInfo;
  /** Where a tensor's elements are, uploaded if need be. */
  resident(x: TensorInfo): GPUBuffer;
  /** Whether only the caller holds a tensor's elements, which may then be overwritten. */
  reusable(x: TensorInfo): boolean;
  /** Scratch buffers of so many floats each, for as long as `use` records kernels. */
  scratch(floats: readonly number[], use: (...buffers: [GPUBuffer, ...GPUBuffer[]]) => void): void;
  clear(buffer: GPUBuffer): void;
  copy(from: TensorInfo, to: TensorInfo): void;
  reservedBytes(): number;
}

/** Workgroups for `count` of them, as a grid that stays within 65,535 per dimension. */
export function grid(count: number): [number, number] {
  const x = Math.min(count, 65_535);
  return [x, Math.ceil(count / x)];
}

/** Makes the backend's class, since what it extends is loaded at run time. */
export function webGpuBackendClass({
  Backend,
}: Pick<Loaded, 'Backend'>): new (
  device: GPUDevice,
  info: GPUAdapterInfo,
  limit: number,
) => WebGpuBackend {
  return class extends Backend implements WebGpuBackend {
    failure: Error | undefined;
    readonly pool: BufferPool;
    readonly #uniforms: UniformArena;
    readonly pipelines: Pipelines;
    readonly bindings: number;
    #postponed: (() => void)[] = [];

    constructor(device: GPUDevice, info: GPUAdapterInfo, limit: number) {
      super(device, info);
      const fail = (error: Error) => {
        this.failure ??= error;
      };
      this.bufferManager.dispose();
      this.pool = new BufferPool(device, limit, fail);
      this.bufferManager = this.pool;
      this.#uniforms = new UniformArena(device);
      this.pipelines = new Pipelines(device);
      this.bindings = device.limits.maxStorageBuffersPerShaderStage;
      device.addEventListener('uncapturederror', (event) => {
        event.preventDefault();
        const error = new EnvironmentError(`WebGPU: ${event.error.message.trim().split('\n').join(' ')}`);
        // A kernel that gets a refused buffer fails too, which is reported before the refusal.
        void this.pool.settled.then(() => fail(error));
      });
      device.lost.then(({ message, reason }) => {
        if (!this.disposed) fail(new DeviceLostError(`The GPU was lost (${message.trim() || reason})`));
      });
    }

    // --- What kernels use ---

    postpone(record: () => void): void {
      this.#postponed.push(record);
    }

    override ensureCommandEncoderReady(): void {
      for (const record of this.#postponed.splice(0)) record();
      super.ensureCommandEncoderReady();
    }

    run({ source, entry, constants = {}, bind, ints, floats = [], groups }: Dispatch): void {
      this.#check();
      this.ensureCommandEncoderReady();
      const buffers = bind.map((x) => ('dataId' in x ? this.resident(x) : x));
      const { pipeline, layout } = this.pipelines.find(source, entry, constants);
      const bytes = new ArrayBuffer(4 * (ints.length + floats.length));
      new Uint32Array(bytes, 0, ints.length).set(ints);
      new Float32Array(bytes, 4 * ints.length).set(floats);
      const uniform = this.#uniforms.write(new Uint8Array(bytes));
      const bindGroup = this.device.createBindGroup({
        label: `${source}.${entry}`,
        layout,
        entries: [
          { binding: 0, resource: uniform },
          ...buffers.map((buffer, i) => ({ binding: i + 1, resource: { buffer } })),
        ],
      });
      this.computePassEncoder ??= this.commandEncoder!.beginComputePass();
      this.computePassEncoder.setPipeline(pipeline);
      this.computePassEncoder.setBindGroup(0, bindGroup);
      this.computePassEncoder.dispatchWorkgroups(groups[0], groups[1] ?? 1, groups[2] ?? 1);
      this.dispatchCountInPass++;
      if (this.dispatchCountInPass >= SUBMIT_AFTER) this.submitQueue();
    }

    make(shape: number[], dtype: tf.DataType = 'float32'): TensorInfo {
      return this.makeTensorInfo(shape, dtype);
    }

    alias(x: TensorInfo, shape = x.shape): TensorInfo {
      this.incRef(x.dataId);
      return { dataId: x.dataId, shape, dtype: x.dtype };
    }

    writable(x: TensorInfo): TensorInfo {
      if (this.refCount(x.dataId) > 1) {
        const info = this.make(x.shape, x.dtype);
        this.copy(x, info);
        const tensor = tf.engine().makeTensorFromTensorInfo(info, this as unknown as tf.KernelBackend);
        (x as tf.Variable).assign(tensor);
        tensor.dispose();
      }
      return x;
    }

    reusable(x: TensorInfo): boolean {
      return this.refCount(x.dataId) === 1;
    }

    scratch(floats: readonly number[], use: (...buffers: [GPUBuffer, ...GPUBuffer[]]) => void): void {
      const buffers: GPUBuffer[] = [];
      let bytes = 0;
      try {
        for (const count of floats) {
          buffers.push(this.pool.acquireBuffer(4 * count, STORAGE));
          bytes += 4 * count;
        }
        noteScratch(bytes);
        try {
          use(...(buffers as [GPUBuffer, ...GPUBuffer[]]));
        } finally {
          noteScratch(-bytes);
        }
      } finally {
        for (const buffer of buffers) this.pool.releaseBuffer(buffer);
      }
    }

    clear(buffer: GPUBuffer): void {
      this.#encoder().clearBuffer(buffer);
    }

    copy(from: TensorInfo, to: TensorInfo): void {
      const [source, target] = [this.resident(from), this.resident(to)];
      this.#encoder().copyBufferToBuffer(source, 0, target, 0, Math.min(source.size, target.size));
    }

    reservedBytes(): number {
      return this.pool.numBytesAllocated;
    }

    #encoder(): GPUCommandEncoder {
      this.ensureCommandEncoderReady();
      this.endComputePassEncoder();
      return this.commandEncoder!;
    }

    resident({ dataId }: TensorInfo): GPUBuffer {
      this.uploadToGPU(dataId);
      return this.tensorMap.get(dataId).resource!;
    }

    #check(): void {
      if (this.failure) throw this.failure;
    }

    // --- What tfjs's kernels use, overridden ---

    override recordAndSubmit(...args: Parameters<StockBackend['recordAndSubmit']>): void {
      this.#check();
      this.ensureCommandEncoderReady();
      super.recordAndSubmit(...args);
    }

    /** tfjs's kernels: their parameters, laid out as its shaders expect. */
    makeUniforms(fields: { type: string; data: number[] }[]) {
      const bytes = new ArrayBuffer(256);
      let [offset, alignment, previous] = [0, 4, 0];
      for (const { type, data } of fields) {
        const values = data.length === 0 ? [1] : data;
        const own = values.length === 1 ? 4 : values.length === 2 ? 8 : 16;
        const at = previous > 4 ? 16 : own;
        alignment = Math.max(alignment, at);
        offset = Math.ceil(offset / at) * at;
        const View = type === 'int32' ? Int32Array : type === 'uint32' ? Uint32Array : Float32Array;
        new View(bytes, offset, values.length).set(values);
        previous = values.length;
        offset += 4 * values.length;
      }
      const size = Math.ceil(offset / alignment) * alignment;
      return this.#uniforms.write(new Uint8Array(bytes, 0, size));
    }

    submitQueue(): void {
      if (this.#postponed.length > 0) this.ensureCommandEncoderReady();
      if (!this.commandEncoder) return;
      this.endComputePassEncoder();
      this.#uniforms.upload();
      this.queue.submit([this.commandEncoder.finish()]);
      this.commandEncoder = null;
      this.dispatchCountInPass = 0;
      for (const buffer of this.stagingPendingDisposal) this.pool.releaseBuffer(buffer, false);
      this.stagingPendingDisposal = [];
      this.pool.flush();
    }

    override disposeData(dataId: tf.DataId, force = false): boolean {
      if (!this.tensorMap.has(dataId)) return true;
      const entry = this.tensorMap.get(dataId);
      entry.refCount = force ? 0 : entry.refCount - 1;
      if (entry.refCount > 0) return false;
      if (entry.resource) this.pool.releaseBuffer(entry.resource);
      this.tensorMap.delete(dataId);
      return true;
    }

    override numDataIds(): number {
      return this.tensorMap.numDataIds();
    }

    /** @throws EnvironmentError when the values are on the device, which can only be read asynchronously */
    override readSync(dataId: object): tf.BackendValues {
      const { values } = this.tensorMap.get(dataId);
      if (values) return values;
      throw new EnvironmentError(
        'The webgpu backend cannot read a tensor synchronously; use await tensor.data() instead of dataSync()',
      );
    }

    override async read(dataId: object): Promise<tf.BackendValues> {
      this.#check();
      const { values, dtype, shape, resource } = this.tensorMap.get(dataId);
      if (values || !resource) return values ?? new Float32Array(0);
      const size = tf.util.sizeFromShape(shape);
      const bytes = Math.max(4, 4 * size);
      const staging = this.pool.acquireBuffer(bytes, COPY_DST | MAP_READ);
      this.#encoder().copyBufferToBuffer(resource, 0, staging, 0, bytes);
      this.submitQueue();
      try {
        await staging.mapAsync(MAP_READ, 0, bytes);
      } catch (error) {
        await this.pool.settled; // the staging buffer itself may have been refused
        if (!this.failure) await this.device.lost;
        throw this.failure ?? error;
      }
      // Errors of the work that was just waited for.
      await this.pool.settled;
      await null;
      const data = staging.getMappedRange(0, bytes).slice(0, 4 * size);
      staging.unmap();
      this.pool.releaseBuffer(staging);
      this.#check();
      if (dtype === 'bool') return Uint8Array.from(new Int32Array(data));
      return dtype === 'int32' ? new Int32Array(data) : new Float32Array(data);
    }

    override dispose(): void {
      if (this.disposed) return;
      this.disposed = true;
      this.pool.dispose();
      this.#uniforms.dispose();
      this.device.destroy();
    }
  };
}
