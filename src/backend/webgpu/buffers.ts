// Device buffers by exact size and usage, kept for reuse, since training steps ask for the same sizes again and again. Idle
// buffers may hold 64 MiB, or as much as those in use; beyond that the oldest are destroyed, once no submission is pending
// that may use them.

import { OutOfMemoryError } from '../outOfMemory.js';
import type { BufferSource } from './load.js';

/** Usage of buffers that hold tensors: GPUBufferUsage's bits STORAGE, COPY_SRC and COPY_DST. */
export const STORAGE = 0x80 | 0x4 | 0x8;

const IDLE_BYTES = 64 * 2 ** 20;

type Idle = { key: string; buffer: GPUBuffer };

/** Bytes of a buffer that a kernel can bind, at most. */
export const largestBuffer = ({ maxBufferSize, maxStorageBufferBindingSize }: GPUSupportedLimits): number =>
  Math.min(maxBufferSize, maxStorageBufferBindingSize);

const keyOf = (size: number, usage: number): string => `${size} ${usage}`;

export class BufferPool implements BufferSource {
  /** Bytes of buffers in use, and of all that are held. */
  numBytesUsed = 0;
  numBytesAllocated = 0;
  readonly #idle = new Map<string, GPUBuffer[]>();
  /** Idle buffers, the longest idle first. */
  readonly #order = new Set<Idle>();
  readonly #entries = new Map<GPUBuffer, Idle>();
  #doomed: GPUBuffer[] = [];
  #settled: Promise<unknown> = Promise.resolve();

  /**
   * @param limit bytes that may be held
   * @param onError receives what the device reports about an allocation later on
   */
  constructor(
    readonly device: GPUDevice,
    readonly limit: number,
    readonly onError: (error: Error) => void,
  ) {}

  /** @throws OutOfMemoryError beyond the limit, or where one buffer exceeds what the device allows */
  acquireBuffer(bytes: number, usage: number, mappedAtCreation = false, reuse = true): GPUBuffer {
    const size = Math.max(16, Math.ceil(bytes / 4) * 4);
    const idle = reuse ? this.#idle.get(keyOf(size, usage))?.pop() : undefined;
    if (idle) {
      this.#order.delete(this.#entries.get(idle)!);
      this.#entries.delete(idle);
    }
    const buffer = idle ?? this.#create(size, usage, mappedAtCreation);
    this.numBytesUsed += size;
    return buffer;
  }

  #create(size: number, usage: number, mappedAtCreation: boolean): GPUBuffer {
    const most = largestBuffer(this.device.limits);
    if (size > most)
      throw this.#exhausted(
        size,
        `one buffer may hold ${most} bytes on this device; set a smaller deviceBatchSize, or a smaller vocabSize or width`,
      );
    if (this.numBytesAllocated + size > this.limit) this.#trim(this.limit - size);
    if (this.numBytesAllocated + size > this.limit)
      throw this.#exhausted(size, `the limit is ${this.limit} bytes`);
    this.device.pushErrorScope('out-of-memory');
    const buffer = this.device.createBuffer({ size, usage, mappedAtCreation });
    const answered = this.device.popErrorScope().then(
      (error) => error && this.onError(this.#exhausted(size, error.message)),
      () => {}, // the device was lost, which is reported elsewhere
    );
    const before = this.#settled;
    this.#settled = answered.then(() => before);
    this.numBytesAllocated += size;
    return buffer;
  }

  /** Resolves when the device has answered all allocations so far. */
  get settled(): Promise<unknown> {
    return this.#settled;
  }

  #exhausted(bytes: number, why: string): OutOfMemoryError {
    const shortage = {
      bytes,
      inUse: this.numBytesUsed,
      free: Math.max(0, this.limit - this.numBytesAllocated),
      total: this.limit,
    };
    return new OutOfMemoryError(
      `out of memory: ${bytes} bytes more than the ${this.numBytesUsed} in use (${why})`,
      { shortage },
    );
  }

  /** @param reuse false destroys it with the next submission */
  releaseBuffer(buffer: GPUBuffer, reuse = true): void {
    this.numBytesUsed -= buffer.size;
    if (!reuse) {
      this.#doom(buffer);
      return;
    }
    const key = keyOf(buffer.size, buffer.usage);
    const entry = { key, buffer };
    this.#order.add(entry);
    this.#entries.set(buffer, entry);
    const list = this.#idle.get(key);
    if (list) list.push(buffer);
    else this.#idle.set(key, [buffer]);
    this.#trim(this.numBytesUsed + Math.max(IDLE_BYTES, this.numBytesUsed));
  }

  /** Destroys the longest idle buffers until no more than `bytes` are held, or none are idle. */
  #trim(bytes: number): void {
    for (const entry of this.#order) {
      if (this.numBytesAllocated <= bytes) return;
      this.#order.delete(entry);
      this.#entries.delete(entry.buffer);
      const list = this.#idle.get(entry.key)!;
      list.splice(list.indexOf(entry.buffer), 1);
      if (list.length === 0) this.#idle.delete(entry.key);
      this.#doom(entry.buffer);
    }
  }

  #doom(buffer: GPUBuffer): void {
    this.numBytesAllocated -= buffer.size;
    this.#doomed.push(buffer);
  }

  /** Destroys what is not needed any more: to be called when everything recorded has been submitted. */
  flush(): void {
    for (const buffer of this.#doomed) buffer.destroy();
    this.#doomed = [];
  }

  dispose(): void {
    this.#trim(0);
    this.flush();
  }
}
