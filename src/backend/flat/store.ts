// Kernels on flat arrays, for the backends whose tensors JavaScript can see: `cpu`, where each tensor has its
// array, and `wasm`, where all share one heap. A Store hides that difference; the rest of this folder is the
// kernels, most of them moves of elements, which the stock backends do one element and one address at a time.

import type * as tf from '@tensorflow/tfjs-core';
import { registerKernels, type StockKernel, type StockTable } from '../register.js';

/** A kernel's view of a tensor: {dataId, shape, dtype}. */
export type Info = tf.TensorInfo;

/** Elements of one dtype: float32, int32 or bool. */
export type Cells = Float32Array | Int32Array | Uint8Array;

/** Where a backend keeps tensors. */
export interface Store {
  /** A new tensor, its elements undefined. May move the heap: take `cells` afterwards. */
  make(shape: number[], dtype: tf.DataType): Info;
  /** The same elements under another shape, without a copy. */
  alias(x: Info, shape: number[]): Info;
  /** The array that holds a tensor's elements, from index `start(x)` on. */
  cells(x: Info): Cells;
  start(x: Info): number;
  free(x: Info): void;
}

/** What a kernel of this folder gets besides the call. */
export interface FlatContext {
  store: Store;
  /** tfjs's backend object. */
  backend: object;
}

export type FlatKernel = StockKernel<FlatContext>;
export type KernelArguments = Parameters<FlatKernel>[0];

/** Puts kernels in front of a backend's own of their names. */
export function replaceKernels<B extends object>(
  backendName: 'cpu' | 'wasm',
  openStore: (backend: B) => Store,
  kernels: StockTable<FlatContext>,
): void {
  const stores = new WeakMap<B, Store>();
  registerKernels({
    backendName,
    kernels,
    call(kernel, { inputs, attrs, backend }) {
      let store = stores.get(backend as B);
      if (!store) stores.set(backend as B, (store = openStore(backend as B)));
      return kernel({ inputs, attrs, backend, store });
    },
  });
}

/** Number of elements. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

/** Elements between neighbors along each axis, row-major. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** Strides of a tensor seen under a shape that it broadcasts to: 0 along repeated axes. */
export function broadcastStrides(own: readonly number[], shape: readonly number[]): number[] {
  const missing = shape.length - own.length;
  const strides = stridesOf(own);
  return shape.map((_, axis) => (axis < missing || own[axis - missing] === 1 ? 0 : strides[axis - missing]!));
}

/** True for the dtypes that Cells can hold. */
export function isFlat({ dtype }: Info): boolean {
  return dtype === 'float32' || dtype === 'int32' || dtype === 'bool';
}
