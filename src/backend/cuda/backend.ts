// tfjs's backend object: what tfjs itself asks of it, and what recordings do (recording.ts).

import * as tf from '@tensorflow/tfjs-core';
import type { Info } from '../flat/store.js';
import { noteScratch } from '../memory.js';
import type { Block } from './allocator.js';
import type { RecordedUploads } from './enqueue.js';
import { JoiningBackend } from './joined.js';
import { asNumbers, copyOf, FEW, isOnDevice, numbersOf, type Values, WIDTH } from './values.js';
import { type Entry, NotRepeatable, Watch } from './watch.js';

/** See above. */
export class CudaBackend extends JoiningBackend {
  override write(values: Values, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    const entry = this.#entryOf(values, shape, dtype, 1);
    this.watch?.made(entry);
    if (isOnDevice(dtype) && entry.size > FEW) this.resident(entry);
    this.data.set(dataId, entry);
    return dataId;
  }

  // The other backend has let go of the numbers already: that memory runs out must show when they are used.
  override move(dataId: object, values: Values, shape: number[], dtype: tf.DataType, refCount: number): void {
    const entry = this.#entryOf(values, shape, dtype, refCount);
    this.watch?.made(entry);
    this.data.set(dataId, entry);
  }

  override read(dataId: object): Promise<Values> {
    const entry = this.data.get(dataId);
    const { values, dtype, size } = entry;
    if (values) return Promise.resolve(copyOf(values));
    this.#assertNotRecording();
    // The copy is enqueued before the first await: later work on the tensor does not show.
    this.settle();
    return this.session.transfer
      .read(this.resident(entry).address, size * WIDTH[dtype]!)
      .then((bytes) => numbersOf(bytes, dtype));
  }

  override readSync(dataId: object): Values {
    const entry = this.data.get(dataId);
    const { values, dtype, size } = entry;
    if (values) return copyOf(values);
    this.#assertNotRecording();
    this.settle();
    return numbersOf(
      this.session.transfer.readSync(this.resident(entry).address, size * WIDTH[dtype]!),
      dtype,
    );
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.data.has(dataId)) return true;
    const entry = this.data.get(dataId);
    entry.refCount--;
    if (!force && entry.refCount > 0) return false;
    if (this.hasNoFloats(entry)) noteScratch(4 * entry.size, true);
    if (entry.block && !entry.lent) this.session.allocator.free(entry.block);
    entry.block = undefined;
    this.dropCopy(entry);
    this.dropRows(entry);
    this.detach(entry);
    this.data.delete(dataId);
    for (const done of entry.dependents ?? []) done();
    return true;
  }

  override refCount(dataId: object): number {
    return this.data.has(dataId) ? this.data.get(dataId).refCount : 0;
  }

  override incRef(dataId: object): void {
    this.data.get(dataId).refCount++;
  }

  override numDataIds(): number {
    return this.data.numDataIds();
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
    for (const entry of [...this.copied]) this.dropCopy(entry);
    this.session.allocator.trim();
  }

  // --- What recordings use ---

  /**
   * Runs work that is being recorded.
   * @param variables what it may change in place
   * @param uploads takes the place of uploads
   * @returns whether everything that it found is still as it was
   * @throws NotRepeatable
   */
  watched(variables: readonly Info[], uploads: RecordedUploads, work: () => void): { holds: () => boolean } {
    const watch = new Watch(variables.map(({ dataId }) => this.data.get(dataId)));
    this.watch = watch;
    this.recorded = uploads;
    try {
      work();
      return { holds: () => watch.holds() };
    } finally {
      this.watch = undefined;
      this.recorded = undefined;
    }
  }

  /** A tensor whose elements lie in memory that is lent to it. */
  lend(block: Block, shape: number[], dtype: tf.DataType): Info {
    const size = tf.util.sizeFromShape(shape);
    return this.wrap({ dtype, refCount: 1, size, block, lent: true, values: undefined }, shape);
  }

  /** The memory that a tensor's numbers are in: its elements, and their copy in bfloat16. */
  placesOf({ dataId }: Info): { address: number; bytes: number }[] {
    const { block, bf16, size, dtype } = this.data.get(dataId);
    return [
      ...(block ? [{ address: block.address, bytes: size * WIDTH[dtype]! }] : []),
      ...(bf16 ? [{ address: bf16.address, bytes: 2 * size }] : []),
    ];
  }

  /** Calls `done` when a tensor's data goes, once. */
  whenGone({ dataId }: Info, done: () => void): void {
    const entry = this.data.get(dataId);
    entry.dependents ??= new Set();
    entry.dependents.add(done);
  }

  #assertNotRecording(): void {
    if (this.watch) throw new NotRepeatable('Work that is recorded reads a result');
  }

  #entryOf(values: Values, shape: number[], dtype: tf.DataType, refCount: number): Entry {
    const size = tf.util.sizeFromShape(shape);
    const own = isOnDevice(dtype) ? asNumbers(values, dtype, size) : values;
    return { dtype, refCount, size, block: undefined, values: own };
  }
}
