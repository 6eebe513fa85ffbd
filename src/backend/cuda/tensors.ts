// Tensors of the cuda backend as kernels see them: each has a block of device memory, or, for a few numbers that came from the
// host, just those numbers until a kernel wants them in memory. In bf16 precision activations have only bfloat16 numbers, and
// others may have a copy in bfloat16, for products to read. A kernel runs within `call`: what it makes is taken back when it
// throws, and its scratch space is released as soon as its work is enqueued, which is safe on one stream. A tensor of rows of a
// table gets memory only where something else wants it than kernels that read rows by id: a table of tens of MB stays in the GPU's
// L2 cache, where the rows of a pass take many times that in memory.

import * as tf from '@tensorflow/tfjs-core';
import type { Info } from '../flat/store.js';
import { noteScratch } from '../memory.js';
import type { Precision } from '../types.js';
import type { Block } from './allocator.js';
import { EnqueuingBackend } from './enqueue.js';
import type { Session } from './session.js';
import { FEW, isOnDevice, type Numbers, WIDTH } from './values.js';
import type { Entry, TableRows, Watch } from './watch.js';

/** Copies in bfloat16 that are kept of tensors which are no variables, as several products in a row share an operand. */
const KEPT_COPIES = 4;

/** The part of tfjs's backend object that kernels use. */
export abstract class TensorBackend extends EnqueuingBackend {
  protected readonly data: tf.DataStorage<Entry>;
  /** What the kernel at work has made, and its scratch space. */
  #made: Info[] = [];
  #scratch: Block[] = [];
  #depth = 0;
  /** Tensors whose copy in bfloat16 may be dropped for another's, the latest used last. */
  protected readonly copied = new Set<Entry>();
  /** On while work is recorded. */
  protected watch: Watch | undefined;
  precision: Precision = 'fp32';

  constructor(session: Session) {
    super(session);
    this.data = new tf.DataStorage(this as unknown as tf.KernelBackend, tf.engine());
  }

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
    return this.wrapBlock(this.session.allocator.allocate(size * WIDTH[dtype]!), shape, dtype);
  }

  protected wrapBlock(block: Block, shape: number[], dtype: tf.DataType = 'float32'): Info {
    const size = tf.util.sizeFromShape(shape);
    return this.wrap({ dtype, refCount: 1, size, block, values: undefined }, shape);
  }

  /** A float32 tensor that products will read, its elements undefined: bfloat16 in bf16 precision. @throws OutOfMemoryError */
  makeActivation(shape: number[]): Info {
    if (this.precision === 'fp32') return this.make(shape);
    const size = tf.util.sizeFromShape(shape);
    const bf16 = this.session.allocator.allocate(2 * size);
    noteScratch(bf16.bytes - 4 * size);
    return this.wrap(
      { dtype: 'float32', refCount: 1, size, block: undefined, bf16, values: undefined },
      shape,
    );
  }

  /**
   * A float32 tensor [N, W] of rows of a table. Nobody changes table and ids as long as it needs them: in-place work on a tensor
   * that is held makes a copy.
   * @param given the table is this tensor's from now on, and was not made for anybody else
   */
  makeRows(rows: TableRows, given = false): Info {
    const { table, ids } = rows;
    const shape = [ids.shape[0]!, table.shape[1]!];
    const size = tf.util.sizeFromShape(shape);
    this.incRef(ids.dataId);
    if (given) noteScratch(4 * tf.util.sizeFromShape(table.shape));
    else this.incRef(table.dataId);
    noteScratch(-4 * size);
    return this.wrap(
      { dtype: 'float32', refCount: 1, size, block: undefined, values: undefined, rows },
      shape,
    );
  }

  /** Table and ids of a tensor whose rows have no memory of their own. @param narrow as an activation */
  rowsOf(x: Info, narrow: boolean): TableRows | undefined {
    const { rows } = this.data.get(x.dataId);
    return rows && (narrow || !rows.narrow) && x.shape[1] === rows.table.shape[1] ? rows : undefined;
  }

  /** Lets go of a table whose rows are no longer needed, or have memory of their own. */
  protected dropRows(entry: Entry): void {
    const { rows } = entry;
    delete entry.rows;
    if (!rows) return;
    for (const { dataId, shape } of [rows.table, rows.ids]) {
      const { tensorInfo } = tf.engine().state;
      const known = tensorInfo.get(dataId);
      // tfjs does not know a table that was made for these rows.
      if (!known) noteScratch(-4 * tf.util.sizeFromShape(shape));
      const holder = known?.backend ?? this;
      if (holder.disposeData(dataId)) tf.engine().removeDataId(dataId, holder);
    }
  }

  /** Activations of these shapes. @throws OutOfMemoryError */
  makeActivations<T extends Info[]>(...tensors: T): { [I in keyof T]: Info } {
    return tensors.map(({ shape }) => this.makeActivation(shape)) as { [I in keyof T]: Info };
  }

  protected wrap(entry: Entry, shape: number[]): Info {
    const dataId = {};
    this.watch?.made(entry);
    this.data.set(dataId, entry);
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
    const entry = this.data.get(x.dataId);
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
    return this.resident(this.data.get(x.dataId)).address;
  }

  /** Address of a float32 tensor's elements in the type that products read: bfloat16 in bf16 precision. @throws OutOfMemoryError */
  activation(x: Info): number {
    return this.precision === 'fp32' ? this.address(x) : this.#bf16(x);
  }

  /** Whether a tensor has only bfloat16 elements. */
  isActivation(x: Info): boolean {
    const entry = this.data.get(x.dataId);
    return this.hasNoFloats(entry) && (entry.rows?.narrow ?? true);
  }

  /** Whether a tensor's elements are in bfloat16, or a table's, only. */
  protected hasNoFloats({ block, values }: Entry): boolean {
    return block === undefined && values === undefined;
  }

  /** The one number of a tensor, where the host knows it. */
  constant(x: Info): number | undefined {
    const entry = this.data.get(x.dataId);
    const { size, values } = entry;
    this.watch?.note(entry);
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
    this.detach(entry);
    this.copied.delete(entry);
    return { address: entry.block!.address, copy: entry.bf16?.address ?? 0 };
  }

  /** A variable's elements, which nobody else holds and which are in memory. */
  #own(x: Info): Entry {
    let entry = this.data.get(x.dataId);
    this.watch?.write(entry);
    if (entry.refCount > 1) {
      const copy = this.make(x.shape, x.dtype);
      this.copy(this.address(x), this.address(copy), entry.size * WIDTH[x.dtype]!);
      this.#made = this.#made.filter(({ dataId }) => dataId !== copy.dataId);
      const tensor = tf.engine().makeTensorFromTensorInfo(copy, this as unknown as tf.KernelBackend);
      (x as tf.Variable).assign(tensor);
      tensor.dispose();
      entry = this.data.get(x.dataId);
    }
    this.resident(entry);
    return entry;
  }

  /** Whether nobody but the caller holds a tensor's elements, who then may write over them. */
  reusable(x: Info): boolean {
    const entry = this.data.get(x.dataId);
    if (entry.refCount > 1) return false;
    this.watch?.assertOwn(entry);
    this.resident(entry);
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

  /**
   * Memory for the kernel at work with a table of addresses, and settings of an optimizer's update that are others at each
   * step, as floats. @returns their addresses @throws OutOfMemoryError
   */
  tables(table: DataView, settings: readonly number[]): [table: number, settings: number] {
    this.settle();
    if (this.recorded) return this.recorded.tables(table, settings);
    const bytes = new Uint8Array(table.byteLength + 4 * settings.length);
    bytes.set(new Uint8Array(table.buffer, table.byteOffset, table.byteLength));
    bytes.set(new Uint8Array(Float32Array.from(settings).buffer), table.byteLength);
    const address = this.scratch(bytes.length);
    this.upload(bytes, address);
    return [address, address + table.byteLength];
  }

  /** Address of a float32 tensor's elements in bfloat16. A copy is kept: a variable's until it is written, others' for a while. */
  #bf16(x: Info): number {
    const entry = this.data.get(x.dataId);
    const isVariable = x instanceof tf.Variable;
    if (!entry.bf16) this.watch?.assertOwn(entry);
    this.watch?.note(entry);
    if (entry.bf16) {
      if (isVariable) this.copied.delete(entry);
      else if (this.copied.delete(entry)) this.copied.add(entry);
      return entry.bf16.address;
    }
    if (entry.rows?.narrow) return this.#gather(entry, entry.rows).address;
    const source = this.resident(entry).address;
    if (!isVariable) {
      for (const oldest of this.copied) {
        if (this.copied.size < KEPT_COPIES) break;
        this.dropCopy(oldest);
      }
    }
    const { address } = this.#addCopy(entry);
    try {
      this.toBf16(entry.size, source, address);
    } catch (error) {
      this.dropCopy(entry);
      throw error;
    }
    if (!isVariable) this.copied.add(entry);
    return address;
  }

  /**
   * Memory kept with a tensor, made at the first call: addresses of blocks of `sizes` bytes, which `fill` enqueues the
   * contents of. Gone when the tensor is.
   */
  attached(x: Info, name: string, sizes: readonly number[], fill: (blocks: number[]) => void): number[] {
    const entry = this.data.get(x.dataId);
    const known = entry.attached?.get(name);
    this.watch?.assertOwn(entry);
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
    this.dropCopy(entry);
    this.detach(entry);
  }

  protected detach(entry: Entry): void {
    for (const blocks of entry.attached?.values() ?? []) for (const block of blocks) this.#freeScratch(block);
    delete entry.attached;
  }

  /** The block of an entry, filled from the host's numbers where it has none yet. */
  protected resident(entry: Entry): Block {
    if (!entry.block) this.watch?.assertOwn(entry);
    this.watch?.note(entry);
    if (entry.block) return entry.block;
    const { dtype, size, values, rows } = entry;
    if (!isOnDevice(dtype)) throw new Error(`Expected a tensor of numbers, got ${dtype}`);
    const bf16 = rows?.narrow ? this.#gather(entry, rows) : entry.bf16;
    const block = this.session.allocator.allocate(size * WIDTH[dtype]!);
    try {
      if (values) this.upload(values as Numbers, block.address);
      else if (bf16) this.fromBf16(size, bf16.address, block.address);
      else rows!.gather(block.address);
    } catch (error) {
      this.session.allocator.free(block);
      throw error;
    }
    entry.block = block;
    this.dropRows(entry);
    // tfjs has counted these bytes; so far there were fewer.
    if (!values) noteScratch(4 * size);
    if (size > FEW) entry.values = undefined;
    return block;
  }

  /** Gives the rows of an activation memory of their own. */
  #gather(entry: Entry, rows: TableRows): Block {
    const block = this.#addCopy(entry);
    try {
      rows.gather(block.address);
    } catch (error) {
      this.dropCopy(entry);
      throw error;
    }
    this.dropRows(entry);
    return block;
  }

  protected dropCopy(entry: Entry): void {
    this.copied.delete(entry);
    if (entry.bf16) this.#freeScratch(entry.bf16);
    delete entry.bf16;
  }

  #freeScratch(block: Block): void {
    noteScratch(-block.bytes);
    this.session.allocator.free(block);
  }
}
