// Tensors of the native backend: arrays as on the cpu backend, those of float32 taken from a pool of exact sizes, as a
// training step wants the same sizes over and over. An array from the pool is owned by one tensor; what the outside
// world sees of it is a copy, and an array that came from outside is never written.

import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import type { Info } from '../flat/store.js';
import type { Library } from './library.js';

/** Idle arrays may take this much, or as much as those in use. */
const MIN_IDLE_BYTES = 64 * 2 ** 20;

type Entry = { values?: unknown; dtype: tf.DataType; refCount: number };
type Values = tf.backend_util.BackendValues;

/** tfjs's backend object. */
export class NativeBackend extends MathBackendCPU {
  /** Buffers of tensors that came from the pool. */
  readonly #owned = new WeakSet<ArrayBufferLike>();
  readonly #idle = new Map<number, Float32Array[]>();
  #idleBytes = 0;
  #usedBytes = 0;

  constructor(readonly library: Library) {
    super();
    // The stock backend's first write would print an advertisement for tfjs-node.
    (this as unknown as { firstUse: boolean }).firstUse = false;
  }

  /** A float32 tensor, its elements undefined. */
  make(shape: number[]): Info {
    const values = this.#take(tf.util.sizeFromShape(shape));
    return { dataId: super.write(values, shape, 'float32'), shape, dtype: 'float32' };
  }

  /** The same elements under another shape, without a copy. */
  alias(x: Info, shape = x.shape): Info {
    this.incRef(x.dataId);
    return { dataId: x.dataId, shape, dtype: x.dtype };
  }

  /** A float32 tensor's elements, to be read, or to be written when `make` has just made it. */
  floats(x: Info): Float32Array {
    return this.#cells(x, Float32Array);
  }

  /** An int32 tensor's elements, to be read. */
  ints(x: Info): Int32Array {
    return this.#cells(x, Int32Array);
  }

  /** A variable's elements, to be written in place. A buffer that others hold too is left to them. */
  writable(x: Info): Float32Array {
    const values = this.floats(x);
    const entry = this.#entry(x.dataId);
    if (entry.refCount > 1) {
      const copy = this.make(x.shape);
      this.floats(copy).set(values);
      const tensor = tf.engine().makeTensorFromTensorInfo(copy, this);
      (x as tf.Variable).assign(tensor);
      tensor.dispose();
      return this.floats(x);
    }
    if (this.#owned.has(values.buffer)) return values;
    const own = this.#take(values.length);
    own.set(values);
    entry.values = own;
    return own;
  }

  override write(values: Values, shape: number[], dtype: tf.DataType): object {
    // A stock kernel's output may be a view of its input; the array then stays out of the pool.
    if (values instanceof Float32Array && this.#owned.delete(values.buffer))
      this.#usedBytes -= values.buffer.byteLength;
    return super.write(values, shape, dtype);
  }

  override readSync(dataId: object): Values {
    const values = super.readSync(dataId);
    return values instanceof Float32Array && this.#owned.has(values.buffer) ? values.slice() : values;
  }

  override disposeData(dataId: object, force = false): boolean {
    const values = this.data.has(dataId) ? this.#entry(dataId).values : undefined;
    const gone = super.disposeData(dataId, force);
    if (gone && values instanceof Float32Array && this.#owned.has(values.buffer)) this.#put(values);
    return gone;
  }

  #entry(dataId: object): Entry {
    return this.data.get(dataId) as unknown as Entry;
  }

  #cells<T extends Float32Array | Int32Array>(
    { dataId, dtype }: Info,
    kind: { new (values: ArrayLike<number>): T },
  ): T {
    const entry = this.#entry(dataId);
    // Some stock kernels leave plain arrays.
    if (!(entry.values instanceof kind)) {
      tf.util.assert(
        Array.isArray(entry.values) || ArrayBuffer.isView(entry.values),
        () => `Expected a numeric tensor, got ${dtype}`,
      );
      entry.values = new kind(entry.values as ArrayLike<number>);
    }
    return entry.values as T;
  }

  #take(size: number): Float32Array {
    const idle = this.#idle.get(size)?.pop();
    this.#usedBytes += 4 * size;
    if (idle) {
      this.#idleBytes -= 4 * size;
      return idle;
    }
    // Sizes that came before and will not come again are given back to the garbage collector.
    if (this.#idleBytes > Math.max(MIN_IDLE_BYTES, this.#usedBytes)) {
      this.#idle.clear();
      this.#idleBytes = 0;
    }
    const made = new Float32Array(size);
    this.#owned.add(made.buffer);
    return made;
  }

  #put(values: Float32Array): void {
    const { length } = values;
    this.#usedBytes -= 4 * length;
    this.#idleBytes += 4 * length;
    const idle = this.#idle.get(length);
    if (idle) idle.push(values);
    else this.#idle.set(length, [values]);
  }
}
