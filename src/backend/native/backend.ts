// Tensors of the native backend: arrays as on the cpu backend, those of float32 taken from a pool (arrays.ts). An array
// from the pool is owned by one tensor; what the outside world sees of it is a copy, and an array that came from outside
// is never written. Work can be recorded and replayed (recording.ts).

import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import type { Cells, Info } from '../flat/store.js';
import { noteScratch } from '../memory.js';
import { ArrayPool } from './arrays.js';
import type { Library } from './library.js';

type Entry = { values?: unknown; dtype: tf.DataType; refCount: number };
type Values = tf.backend_util.BackendValues;

/** Longest row that is kept as bfloat16: kernels widen rows on their stack. */
const MAX_BF16_WIDTH = 2 ** 16;

/** Work that is being recorded, or was. */
export interface Recording {
  /** The functions of C, noting each call. */
  library: Library;
  calls: { run: () => number; outcome: number }[];
  /** Arrays from the pool. */
  made: Set<Float32Array>;
  /** Arrays of others that C was given: parameters, tables, inputs. */
  given: Set<Cells>;
  /** False once something was done that a replay would not do. */
  repeatable: boolean;
  /** No longer to be replayed; its arrays are the pool's again. */
  released: boolean;
  release: () => void;
}

/**
 * What tfjs keeps of a float32 tensor whose elements are in an array of bfloat16. Code that asks for the elements, as stock
 * kernels do, gets them widened, once and for all.
 */
class Bf16Entry implements Entry {
  readonly dtype = 'float32';
  refCount = 1;
  #values: unknown;

  /** @param bf16 the elements, two to a float; undefined once they are widened */
  constructor(
    public bf16: Float32Array | undefined,
    private readonly widened: (bf16: Float32Array) => Float32Array,
    /** Bytes that tfjs counts and that are not there. */
    readonly saved: number,
  ) {}

  get values(): unknown {
    if (this.bf16) {
      const { bf16 } = this;
      this.bf16 = undefined;
      this.#values = this.widened(bf16);
    }
    return this.#values;
  }

  set values(values: unknown) {
    this.#values = values;
  }
}

/** tfjs's backend object. */
export class NativeBackend extends MathBackendCPU {
  readonly pool = new ArrayPool();
  /** Activations that products round anyway are kept as bfloat16. */
  bf16 = false;
  /** What is being recorded. */
  recording: Recording | undefined;
  /** Arrays that C knows as parameters. */
  readonly #parameters = new Set<Float32Array>();
  /** Recordings that can be replayed. */
  readonly recordings = new Set<Recording>();

  constructor(readonly library: Library) {
    super();
    // The stock backend's first write would print an advertisement for tfjs-node.
    (this as unknown as { firstUse: boolean }).firstUse = false;
  }

  /** The functions of C, as kernels are to call them. */
  get c(): Library {
    return this.recording?.library ?? this.library;
  }

  /** A float32 tensor, its elements undefined. */
  make(shape: number[]): Info {
    const values = this.pool.take(tf.util.sizeFromShape(shape));
    this.recording?.made.add(values);
    return this.wrap(values, shape);
  }

  /** A tensor of an array from the pool. */
  wrap(values: Float32Array, shape: number[]): Info {
    return { dataId: super.write(values, shape, 'float32'), shape, dtype: 'float32' };
  }

  /** A float32 tensor, its elements undefined, for what products will read: as bfloat16 in bf16 precision. */
  makeActivation(shape: number[]): Info {
    if (!this.bf16 || shape.at(-1)! > MAX_BF16_WIDTH) return this.make(shape);
    const size = tf.util.sizeFromShape(shape);
    const bf16 = this.pool.take(Math.ceil(size / 2));
    this.recording?.made.add(bf16);
    const dataId = super.write(new Float32Array(0), shape, 'float32');
    const saved = 4 * size - bf16.byteLength;
    noteScratch(-saved);
    const widened = (bf16: Float32Array) => {
      noteScratch(saved);
      const values = this.pool.take(size);
      this.recording?.made.add(values);
      this.c.tg_widen(size, bf16, values);
      this.pool.put(bf16);
      return values;
    };
    this.data.set(dataId, new Bf16Entry(bf16, widened, saved) as never);
    return { dataId, shape, dtype: 'float32' };
  }

  /** Tensors of these shapes, their elements undefined. */
  makeLike<T extends Info[]>(...tensors: T): { [I in keyof T]: Info } {
    return tensors.map(({ shape }) => this.make(shape)) as { [I in keyof T]: Info };
  }

  /** Tensors' elements as floats or bfloat16, and as C takes it which of them are the latter: bit i for tensor i. */
  cells<T extends Info[]>(...tensors: T): { arrays: { [I in keyof T]: Float32Array }; bf16: number } {
    let bf16 = 0;
    const arrays = tensors.map((tensor, i) => {
      const entry = this.#entry(tensor.dataId);
      if (!this.bf16 || !(entry instanceof Bf16Entry) || !entry.bf16) return this.floats(tensor);
      bf16 |= 1 << i;
      return entry.bf16;
    });
    return { arrays: arrays as { [I in keyof T]: Float32Array }, bf16 };
  }

  /** The same elements under another shape, without a copy. */
  alias(x: Info, shape = x.shape): Info {
    this.incRef(x.dataId);
    return { dataId: x.dataId, shape, dtype: x.dtype };
  }

  /** A float32 tensor's elements, to be read, or to be written when `make` has just made it. */
  floats(x: Info): Float32Array {
    return this.#elements(x, Float32Array);
  }

  /**
   * A tensor's elements, to be read: those of a variable may be kept packed by C until they are written by an optimizer,
   * move, or go.
   */
  parameter(x: Info): Float32Array {
    const values = this.floats(x);
    if (x instanceof tf.Variable && !this.#parameters.has(values)) {
      this.#parameters.add(values);
      this.library.tg_parameter(values);
    }
    return values;
  }

  /** Something is done that a replay would not do: what is being recorded is not to be replayed. */
  cannotRepeat(): void {
    if (this.recording) this.recording.repeatable = false;
  }

  /** An array is about to go, or to be written by others than the optimizers. */
  #leave(values: unknown): void {
    if (!this.#parameters.has(values as Float32Array)) return;
    this.#parameters.clear();
    this.library.tg_forget_parameters();
  }

  /** A number that TypeScript is to work with: one that C has computed cannot be part of a recording. */
  number(x: Info): number {
    const values = this.floats(x);
    if (this.recording?.made.has(values)) this.recording.repeatable = false;
    return values[0]!;
  }

  /** An int32 tensor's elements, to be read. */
  ints(x: Info): Int32Array {
    return this.#elements(x, Int32Array);
  }

  /** A variable's elements, to be written in place. A buffer that others hold too is left to them. */
  writable(x: Info): Float32Array {
    this.cannotRepeat();
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
    if (this.pool.owns(values)) return values;
    return this.moveOut(x.dataId);
  }

  /** Whether no other tensor, nor anybody else, holds a float32 tensor's elements: they may be overwritten with it. */
  own(x: Info): boolean {
    this.cannotRepeat();
    this.#leave(this.floats(x));
    return this.#entry(x.dataId).refCount === 1 && this.pool.owns(this.floats(x));
  }

  /** Moves a tensor's elements to its own array. */
  moveOut(dataId: object): Float32Array {
    const entry = this.#entry(dataId);
    const values = entry.values as Float32Array;
    this.#leave(values);
    const own = this.pool.take(values.length);
    own.set(values);
    entry.values = own;
    if (this.pool.owns(values)) this.pool.put(values);
    return own;
  }

  override write(values: Values, shape: number[], dtype: tf.DataType): object {
    // A stock kernel's output may be a view of its input; the array then stays out of the pool.
    if (values instanceof Float32Array) this.pool.disown(values);
    return super.write(values, shape, dtype);
  }

  override readSync(dataId: object): Values {
    this.cannotRepeat();
    const values = super.readSync(dataId);
    return this.pool.owns(values) ? values.slice() : values;
  }

  override disposeData(dataId: object, force = false): boolean {
    const entry = this.data.has(dataId) ? this.#entry(dataId) : undefined;
    const values = (entry instanceof Bf16Entry && entry.bf16) || entry?.values;
    const saved = entry instanceof Bf16Entry && entry.bf16 ? entry.saved : 0;
    const gone = super.disposeData(dataId, force);
    if (gone) noteScratch(saved);
    if (gone && values instanceof Float32Array) {
      this.#leave(values);
      for (const recording of this.recordings) if (recording.given.has(values)) recording.release();
      if (this.pool.owns(values)) this.pool.put(values);
    }
    return gone;
  }

  #entry(dataId: object): Entry {
    return this.data.get(dataId) as unknown as Entry;
  }

  #elements<T extends Float32Array | Int32Array>(
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
}
