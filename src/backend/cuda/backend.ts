// Tensors of the cuda backend: each has a block of device memory, or, for a few numbers that came from the host, just
// those numbers until a kernel wants them in memory. In bf16 precision activations have only bfloat16 numbers, and others may
// have a copy in bfloat16, for products to read. A kernel runs within `call`: what it makes is taken back when it
// throws, and its scratch space is released as soon as its work is enqueued, which is safe on one stream.

import * as tf from '@tensorflow/tfjs-core';
import type { Info } from '../flat/store.js';
import { noteScratch } from '../memory.js';
import type { Precision } from '../types.js';
import type { Block } from './allocator.js';
import { EnqueuingBackend } from './enqueue.js';
import type { Session } from './session.js';
import { asNumbers, copyOf, FEW, isOnDevice, type Numbers, numbersOf, type Values, WIDTH } from './values.js';

/** Copies in bfloat16 that are kept of tensors which are no variables, as several products in a row share an operand. */
const KEPT_COPIES = 4;

interface Entry {
  dtype: tf.DataType;
  refCount: number;
  /** Number of elements. */
  size: number;
  block: Block | undefined;
  /** bfloat16 elements: a copy of those in `block`, or without it the only ones. */
  bf16?: Block;
  /** The numbers, where they are known here and `block` may be absent; strings and complex numbers in any case. */
  values: Values | undefined;
  /** What kernels worked out about the tensor and keep with it, by name. */
  attached?: Map<string, Block[]>;
  /** `block` belongs to a recording (recording.ts), which lends it. */
  lent?: boolean;
}

/** What recorded work uses. */
interface Watch {
  /** Made by the work itself, and its inputs. */
  own: Set<Entry>;
  /** What it found: work that is replayed must find the same. */
  found: Map<Entry, Pick<Entry, 'values'> & { block: number | undefined; bf16: number | undefined }>;
}

/** Work that cannot be recorded: it reads results, or changes tensors that are not its own. */
export class NotRepeatable extends Error {
  override readonly name = 'NotRepeatable';
}

/** tfjs's backend object. */
export class CudaBackend extends EnqueuingBackend {
  readonly #data: tf.DataStorage<Entry>;
  /** What the kernel at work has made, and its scratch space. */
  #made: Info[] = [];
  #scratch: Block[] = [];
  #depth = 0;
  /** Tensors whose copy in bfloat16 may be dropped for another's, the latest used last. */
  readonly #copied = new Set<Entry>();
  #watch: Watch | undefined;
  precision: Precision = 'fp32';

  constructor(session: Session) {
    super(session);
    this.#data = new tf.DataStorage(this as unknown as tf.KernelBackend, tf.engine());
  }

  // --- What kernels use ---

  /** Runs a kernel. What it made is taken back when it throws, or returns undefined. */
  call<T>(kernel: () => T): T {
    const [made, scratch] = [this.#made.length, this.#scratch.length];
    const undo = () => {
      for (const { dataId } of this.#made.slice(made)) this.disposeData(dataId, true);
    };
    this.#depth++;
    try {
      const out = kernel();
      if (out === undefined) undo();
      return out;
    } catch (error) {
      undo();
      throw error;
    } finally {
      for (const block of this.#scratch.splice(scratch)) this.#freeScratch(block);
      this.#made.length = made;
      this.#depth--;
    }
  }

  /** A tensor, its elements undefined. @throws OutOfMemoryError */
  make(shape: number[], dtype: tf.DataType = 'float32'): Info {
    const size = tf.util.sizeFromShape(shape);
    const block = this.session.allocator.allocate(size * WIDTH[dtype]!);
    return this.#wrap({ dtype, refCount: 1, size, block, values: undefined }, shape);
  }

  /** A float32 tensor that products will read, its elements undefined: bfloat16 in bf16 precision. @throws OutOfMemoryError */
  makeActivation(shape: number[]): Info {
    if (this.precision === 'fp32') return this.make(shape);
    const size = tf.util.sizeFromShape(shape);
    const bf16 = this.session.allocator.allocate(2 * size);
    noteScratch(bf16.bytes - 4 * size);
    return this.#wrap(
      { dtype: 'float32', refCount: 1, size, block: undefined, bf16, values: undefined },
      shape,
    );
  }

  /** Activations of these shapes. @throws OutOfMemoryError */
  makeActivations<T extends Info[]>(...tensors: T): { [I in keyof T]: Info } {
    return tensors.map(({ shape }) => this.makeActivation(shape)) as { [I in keyof T]: Info };
  }

  #wrap(entry: Entry, shape: number[]): Info {
    const dataId = {};
    this.#watch?.own.add(entry);
    this.#data.set(dataId, entry);
    const info = { dataId, shape, dtype: entry.dtype };
    if (this.#depth > 0) this.#made.push(info);
    return info;
  }

  /** Tensors of these shapes, their elements undefined. @throws OutOfMemoryError */
  makeLike<T extends Info[]>(...tensors: T): { [I in keyof T]: Info } {
    return tensors.map(({ shape }) => this.make(shape)) as { [I in keyof T]: Info };
  }

  /**
   * Address for a copy in bfloat16 of a tensor that `make` has just made, to be written together with it; 0 in fp32.
   * @throws OutOfMemoryError
   */
  makeCopy(x: Info): number {
    if (this.precision === 'fp32') return 0;
    const entry = this.#data.get(x.dataId);
    return this.#addCopy(entry).address;
  }

  #addCopy(entry: Entry): Block {
    const block = this.session.allocator.allocate(2 * entry.size);
    noteScratch(block.bytes);
    entry.bf16 = block;
    return block;
  }

  /** The same elements under another shape, without a copy. */
  alias(x: Info, shape = x.shape): Info {
    this.incRef(x.dataId);
    return { dataId: x.dataId, shape, dtype: x.dtype };
  }

  /** A tensor of numbers that the host has. */
  makeFrom(values: Numbers, shape: number[], dtype: tf.DataType): Info {
    return { dataId: this.write(values, shape, dtype), shape, dtype };
  }

  /** Address of a tensor's elements, floats for float32. @throws OutOfMemoryError */
  address(x: Info): number {
    return this.#resident(this.#data.get(x.dataId)).address;
  }

  /** Address of a float32 tensor's elements in the type that products read: bfloat16 in bf16 precision. @throws OutOfMemoryError */
  activation(x: Info): number {
    return this.precision === 'fp32' ? this.address(x) : this.#bf16(x);
  }

  /** Whether a tensor has only bfloat16 elements. */
  isActivation(x: Info): boolean {
    return this.#holdsOnlyBf16(this.#data.get(x.dataId));
  }

  #holdsOnlyBf16({ block, bf16, values }: Entry): boolean {
    return bf16 !== undefined && block === undefined && values === undefined;
  }

  /** The one number of a tensor, where the host knows it. */
  constant(x: Info): number | undefined {
    const entry = this.#data.get(x.dataId);
    const { size, values } = entry;
    this.#note(entry);
    return size === 1 && values ? (values as Numbers)[0] : undefined;
  }

  /** Address of a variable's elements, to be written in place. A buffer that others hold too is left to them. */
  writable(x: Info): number {
    const entry = this.#own(x);
    this.#forget(entry);
    return entry.block!.address;
  }

  /** The same for a kernel that also writes the variable's copy in bfloat16, at `copy`; 0 where there is none. */
  updatable(x: Info): { address: number; copy: number } {
    const entry = this.#own(x);
    entry.values = undefined;
    this.#detach(entry);
    this.#copied.delete(entry);
    return { address: entry.block!.address, copy: entry.bf16?.address ?? 0 };
  }

  /** A variable's elements, which nobody else holds and which are in memory. */
  #own(x: Info): Entry {
    let entry = this.#data.get(x.dataId);
    this.#assertOwn(entry);
    if (entry.refCount > 1) {
      const copy = this.make(x.shape, x.dtype);
      this.copy(this.address(x), this.address(copy), entry.size * WIDTH[x.dtype]!);
      this.#made = this.#made.filter(({ dataId }) => dataId !== copy.dataId);
      const tensor = tf.engine().makeTensorFromTensorInfo(copy, this as unknown as tf.KernelBackend);
      (x as tf.Variable).assign(tensor);
      tensor.dispose();
      entry = this.#data.get(x.dataId);
    }
    this.#resident(entry);
    return entry;
  }

  /** Whether nobody but the caller holds a tensor's elements, who then may write over them. */
  reusable(x: Info): boolean {
    const entry = this.#data.get(x.dataId);
    if (entry.refCount > 1) return false;
    this.#assertOwn(entry);
    this.#resident(entry);
    this.#forget(entry);
    return true;
  }

  /** Memory for the kernel at work. @throws OutOfMemoryError */
  scratch(bytes: number): number {
    const block = this.session.allocator.allocate(bytes);
    noteScratch(block.bytes);
    this.#scratch.push(block);
    return block.address;
  }

  /** Address of a float32 tensor's elements in bfloat16. A copy is kept: a variable's until it is written, others' for a while. */
  #bf16(x: Info): number {
    const entry = this.#data.get(x.dataId);
    const isVariable = x instanceof tf.Variable;
    if (!entry.bf16) this.#assertOwn(entry);
    this.#note(entry);
    if (entry.bf16) {
      if (isVariable) this.#copied.delete(entry);
      else if (this.#copied.delete(entry)) this.#copied.add(entry);
      return entry.bf16.address;
    }
    const source = this.#resident(entry).address;
    if (!isVariable) {
      for (const oldest of this.#copied) {
        if (this.#copied.size < KEPT_COPIES) break;
        this.#dropCopy(oldest);
      }
    }
    const { address } = this.#addCopy(entry);
    if (!isVariable) this.#copied.add(entry);
    this.toBf16(entry.size, source, address);
    return address;
  }

  /**
   * Memory kept with a tensor, made at the first call: addresses of blocks of `sizes` bytes, which `fill` enqueues the
   * contents of. Gone when the tensor is.
   */
  attached(x: Info, name: string, sizes: readonly number[], fill: (blocks: number[]) => void): number[] {
    const entry = this.#data.get(x.dataId);
    const known = entry.attached?.get(name);
    this.#assertOwn(entry);
    if (known) return known.map(({ address }) => address);
    const blocks: Block[] = [];
    try {
      for (const bytes of sizes) {
        const block = this.session.allocator.allocate(bytes);
        noteScratch(block.bytes);
        blocks.push(block);
      }
      fill(blocks.map(({ address }) => address));
    } catch (error) {
      for (const block of blocks) this.#freeScratch(block);
      throw error;
    }
    entry.attached ??= new Map();
    entry.attached.set(name, blocks);
    return blocks.map(({ address }) => address);
  }

  /** What is known of a tensor's elements, before they are written over. */
  #forget(entry: Entry): void {
    entry.values = undefined;
    this.#dropCopy(entry);
    this.#detach(entry);
  }

  #detach(entry: Entry): void {
    for (const blocks of entry.attached?.values() ?? []) for (const block of blocks) this.#freeScratch(block);
    delete entry.attached;
  }

  // --- What tfjs uses ---

  override write(values: Values, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    const entry = this.#entryOf(values, shape, dtype, 1);
    this.#watch?.own.add(entry);
    if (isOnDevice(dtype) && entry.size > FEW) this.#resident(entry);
    this.#data.set(dataId, entry);
    return dataId;
  }

  // The other backend has let go of the numbers already: that memory runs out must show when they are used.
  override move(dataId: object, values: Values, shape: number[], dtype: tf.DataType, refCount: number): void {
    const entry = this.#entryOf(values, shape, dtype, refCount);
    this.#watch?.own.add(entry);
    this.#data.set(dataId, entry);
  }

  override read(dataId: object): Promise<Values> {
    const entry = this.#data.get(dataId);
    const { values, dtype, size } = entry;
    if (values) return Promise.resolve(copyOf(values));
    this.#assertNotRecording();
    // The copy is enqueued before the first await: later work on the tensor does not show.
    this.settle();
    return this.session.transfer
      .read(this.#resident(entry).address, size * WIDTH[dtype]!)
      .then((bytes) => numbersOf(bytes, dtype));
  }

  override readSync(dataId: object): Values {
    const entry = this.#data.get(dataId);
    const { values, dtype, size } = entry;
    if (values) return copyOf(values);
    this.#assertNotRecording();
    this.settle();
    return numbersOf(
      this.session.transfer.readSync(this.#resident(entry).address, size * WIDTH[dtype]!),
      dtype,
    );
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.#data.has(dataId)) return true;
    const entry = this.#data.get(dataId);
    entry.refCount--;
    if (!force && entry.refCount > 0) return false;
    if (this.#holdsOnlyBf16(entry)) noteScratch(4 * entry.size, true);
    if (entry.block && !entry.lent) this.session.allocator.free(entry.block);
    entry.block = undefined;
    this.#dropCopy(entry);
    this.#detach(entry);
    this.#data.delete(dataId);
    return true;
  }

  override refCount(dataId: object): number {
    return this.#data.has(dataId) ? this.#data.get(dataId).refCount : 0;
  }

  override incRef(dataId: object): void {
    this.#data.get(dataId).refCount++;
  }

  override numDataIds(): number {
    return this.#data.numDataIds();
  }

  override memory(): { unreliable: boolean; reserved: number } {
    return { unreliable: false, reserved: this.reservedBytes() };
  }

  /** Bytes of device memory held, free ones included. */
  reservedBytes(): number {
    return this.session.allocator.statistics().reserved;
  }

  override timerAvailable(): boolean {
    return true;
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override dispose(): void {
    for (const entry of [...this.#copied]) this.#dropCopy(entry);
    this.session.allocator.trim();
  }

  // --- What recordings use (recording.ts) ---

  /**
   * Runs work that is being recorded.
   * @param inputs tensors whose elements are others at each replay; they move into memory of the recording
   * @param upload takes the place of uploads
   * @returns what it returned, and whether everything that it found is still as it was
   * @throws NotRepeatable
   */
  watch<T>(
    inputs: readonly Info[],
    upload: (bytes: Uint8Array, address: number) => void,
    work: () => T,
  ): { result: T; holds: () => boolean } {
    const watch: Watch = {
      own: new Set(inputs.map(({ dataId }) => this.#data.get(dataId))),
      found: new Map(),
    };
    this.#watch = watch;
    this.uploadRecorded = upload;
    try {
      const result = work();
      const holds = () =>
        [...watch.found].every(
          ([entry, { block, bf16, values }]) =>
            entry.refCount > 0 &&
            entry.block?.address === block &&
            entry.bf16?.address === bf16 &&
            entry.values === values,
        );
      return { result, holds };
    } finally {
      this.#watch = undefined;
      this.uploadRecorded = undefined;
    }
  }

  /** Moves a tensor's elements into memory that is allocated now; returns its address. What was known of them is forgotten. */
  rehouse({ dataId }: Info): number {
    const entry = this.#data.get(dataId);
    const old = this.#resident(entry);
    const block = this.session.allocator.allocate(old.bytes);
    this.copy(old.address, block.address, entry.size * WIDTH[entry.dtype]!);
    if (!entry.lent) this.session.allocator.free(old);
    delete entry.lent;
    entry.block = block;
    entry.values = undefined;
    this.#detach(entry);
    return block.address;
  }

  /** What was attached to a tensor by work that did not take place is forgotten. */
  unattach({ dataId }: Info): void {
    if (this.#data.has(dataId)) this.#detach(this.#data.get(dataId));
  }

  /** Takes over a tensor's memory, which is only lent to it from now on; undefined where it is not the tensor's alone. */
  borrow({ dataId }: Info): Block | undefined {
    const entry = this.#data.get(dataId);
    if (!entry.block || entry.lent || entry.values || entry.refCount > 1) return undefined;
    entry.lent = true;
    return entry.block;
  }

  /** A float32 tensor whose elements lie in memory that is lent to it. */
  lend(block: Block, shape: number[]): Info {
    const size = tf.util.sizeFromShape(shape);
    return this.#wrap({ dtype: 'float32', refCount: 1, size, block, lent: true, values: undefined }, shape);
  }

  /** Whether a tensor still has the memory that was lent to it. */
  isLent(dataId: object, block: Block): boolean {
    return this.#data.has(dataId) && this.#data.get(dataId).block === block;
  }

  /** Leaves memory that was lent to a tensor to the tensor. */
  give(dataId: object): void {
    delete this.#data.get(dataId).lent;
  }

  #note(entry: Entry): void {
    const watch = this.#watch;
    if (!watch || watch.own.has(entry)) return;
    const { block, bf16, values } = entry;
    watch.found.set(entry, { block: block?.address, bf16: bf16?.address, values });
  }

  #assertOwn(entry: Entry): void {
    if (this.#watch && !this.#watch.own.has(entry))
      throw new NotRepeatable('Work that is recorded changes a tensor that it did not make');
  }

  #assertNotRecording(): void {
    if (this.#watch) throw new NotRepeatable('Work that is recorded reads a result');
  }

  #entryOf(values: Values, shape: number[], dtype: tf.DataType, refCount: number): Entry {
    const size = tf.util.sizeFromShape(shape);
    const own = isOnDevice(dtype) ? asNumbers(values, dtype, size) : values;
    return { dtype, refCount, size, block: undefined, values: own };
  }

  /** The block of an entry, filled from the host's numbers where it has none yet. */
  #resident(entry: Entry): Block {
    if (!entry.block) this.#assertOwn(entry);
    this.#note(entry);
    if (entry.block) return entry.block;
    const { dtype, size, values, bf16 } = entry;
    if (!isOnDevice(dtype)) throw new Error(`Expected a tensor of numbers, got ${dtype}`);
    const block = this.session.allocator.allocate(size * WIDTH[dtype]!);
    try {
      if (values) this.upload(values as Numbers, block.address);
      else this.fromBf16(size, bf16!.address, block.address);
    } catch (error) {
      this.session.allocator.free(block);
      throw error;
    }
    entry.block = block;
    // tfjs has counted these bytes; so far there were fewer.
    if (!values) noteScratch(4 * size);
    if (size > FEW) entry.values = undefined;
    return block;
  }

  #dropCopy(entry: Entry): void {
    this.#copied.delete(entry);
    if (entry.bf16) this.#freeScratch(entry.bf16);
    delete entry.bf16;
  }

  #freeScratch(block: Block): void {
    noteScratch(-block.bytes);
    this.session.allocator.free(block);
  }
}
