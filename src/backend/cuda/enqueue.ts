// What the backend enqueues on its one stream: kernels, matmuls, copies. Deferred work goes first, so that the order
// stays that of tfjs's calls.

import * as tf from '@tensorflow/tfjs-core';
import type { Compute, Work } from './cudnn/cudnn.js';
import { piecesOf, pieceTeam } from './kernels/team.js';
import type { Grid } from './launch.js';
import type { KernelSpec } from './modules.js';
import type { ProductCall } from './products.js';
import type { Session } from './session.js';

/** What becomes of uploads in work that is recorded (capture.ts). */
export interface RecordedUploads {
  upload(bytes: Uint8Array, address: number): void;
  /** See `TensorBackend.tables`. */
  tables(table: DataView, settings: readonly number[]): [table: number, settings: number];
}

/** The part of tfjs's backend object that knows of the stream and not of tensors. */
export class EnqueuingBackend extends tf.KernelBackend {
  /** Deferred work: its parts, and what enqueues them together. */
  #pending: { parts: unknown[]; enqueue: () => void } | undefined;
  /** Where kernels are written down instead of being launched. */
  #collected: KernelSpec[] | undefined;

  constructor(readonly session: Session) {
    super();
    session.onTrim(() => this.settle());
  }

  /** The kernels that `work` launches; nothing is enqueued, so that what it computes is undefined. */
  collect(work: () => void): KernelSpec[] {
    this.settle();
    const collected: KernelSpec[] = [];
    this.#collected = collected;
    try {
      work();
      this.settle();
    } finally {
      this.discard();
      this.#collected = undefined;
    }
    return collected;
  }

  /** Enqueues a kernel. */
  launch(spec: KernelSpec, grid: Grid, threads: number, values: readonly number[]): void {
    this.settle();
    if (this.#collected) {
      this.#collected.push(spec);
      return;
    }
    const { kernel, launcher } = this.session;
    launcher.launch(kernel(spec), grid, threads, spec.shared ?? 0, values);
  }

  /** Enqueues a kernel that strides over `count` elements. */
  each(spec: KernelSpec, count: number, values: readonly number[]): void {
    const threads = 256;
    const most = 32 * this.session.device.multiprocessors;
    this.launch(spec, Math.min(most, Math.ceil(count / threads)), threads, values);
  }

  /** Enqueues a product. */
  multiply(call: ProductCall): void {
    this.settle();
    if (!this.#collected) this.session.products.multiply(call);
  }

  /** Enqueues work by cuDNN, with `after` behind it, where that is chosen, else by `own`. */
  fuse(work: Work, own: Compute, after: () => void = () => {}): void {
    this.settle();
    const { cudnn } = this.session;
    if (cudnn && !this.#collected) cudnn.run(work, own, after, this.recorded !== undefined);
    else own(work.at);
  }

  /** Enqueues a copy within the device. */
  copy(from: number, to: number, bytes: number): void {
    this.settle();
    if (this.#collected) return;
    if (bytes > 0) this.session.driver.cuMemcpyDtoDAsync_v2(to, from, bytes, this.session.stream);
  }

  /** Enqueues zeros over whole floats or ints. */
  clear(address: number, bytes: number): void {
    this.fill(address, 0, bytes / 4);
  }

  /** Enqueues `count` times the same 32 bits. */
  fill(address: number, bits: number, count: number): void {
    this.settle();
    if (this.#collected) return;
    if (count > 0) this.session.driver.cuMemsetD32Async(address, bits, count, this.session.stream);
  }

  /** Enqueues a copy from the host. */
  upload(values: ArrayBufferView, address: number): void {
    this.settle();
    if (this.#collected) return;
    const { buffer, byteOffset, byteLength } = values;
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    if (this.recorded) this.recorded.upload(bytes, address);
    else this.session.transfer.upload(bytes, address);
  }

  /** Takes the place of uploads while work is recorded. */
  protected recorded: RecordedUploads | undefined;

  /**
   * Puts a part of some work off until other work is enqueued, or anything is read; `enqueue` then gets all parts. There is one
   * kind of such work: AdamW's.
   */
  postpone<T>(part: T, enqueue: (parts: T[]) => void): void {
    const parts = (this.#pending?.parts ?? []) as T[];
    parts.push(part);
    this.#pending = { parts, enqueue: () => enqueue(parts) };
  }

  /** Enqueues deferred work. */
  settle(): void {
    const work = this.#pending;
    this.discard();
    work?.enqueue();
  }

  /** Drops deferred work. */
  discard(): void {
    this.#pending = undefined;
  }

  /** Rounds `size` floats to bfloat16. */
  toBf16(size: number, from: number, to: number): void {
    this.#convert('to_bf16', size, from, to);
  }

  /** Widens `size` bfloat16 numbers to float. */
  fromBf16(size: number, from: number, to: number): void {
    this.#convert('from_bf16', size, from, to);
  }

  #convert(name: string, size: number, from: number, to: number): void {
    const { defines, threads } = pieceTeam(size, 'bf16');
    const spec = { source: 'cuda/elementwise.cu', name, defines };
    this.launch(spec, piecesOf(size), threads, [size, from, to]);
  }

  override async time(work: () => void): Promise<{ kernelMs: number }> {
    // tfjs wants the work done when this returns its promise.
    this.settle();
    this.session.transfer.synchronize();
    const begin = performance.now();
    work();
    this.settle();
    await this.session.transfer.finished();
    return { kernelMs: performance.now() - begin };
  }
}
