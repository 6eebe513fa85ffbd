// Slice, SplitV and Unpack. The stock wasm kernels first copy their whole input out of the heap, for every piece.

import * as tf from '@tensorflow/tfjs-core';
import { copyStrided } from './copy.js';
import { type FlatKernel, type Info, isFlat, type Store, stridesOf } from './store.js';

export const slice: FlatKernel = ({ inputs, attrs, store }) => {
  const x = inputs.x!;
  if (!isFlat(x)) return undefined;
  const { begin, size } = attrs as { begin: number[]; size: number[] };
  const [from, shape] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin, size);
  return cut(store, x, from!, shape!);
};

export const splitV: FlatKernel = ({ inputs, attrs, store }) => {
  const x = inputs.x!;
  if (!isFlat(x)) return undefined;
  const axis = tf.util.parseAxisParam(attrs.axis as number, x.shape)[0]!;
  const sizes = tf.backend_util.prepareSplitSize(
    x as tf.Tensor,
    attrs.numOrSizeSplits as number | number[],
    axis,
  );
  return cutAll(store, x, axis, sizes);
};

export const unpack: FlatKernel = ({ inputs, attrs, store }) => {
  const x = inputs.value!;
  if (!isFlat(x)) return undefined;
  const axis = tf.util.parseAxisParam(attrs.axis as number, x.shape)[0]!;
  const shape = x.shape.filter((_, i) => i !== axis);
  const ones = new Array<number>(x.shape[axis]!).fill(1);
  return cutAll(store, x, axis, ones).map((piece) => ({ ...piece, shape }));
};

/** Pieces of `sizes` elements along an axis; none is left behind when memory runs out between them. */
function cutAll(store: Store, x: Info, axis: number, sizes: number[]): Info[] {
  const pieces: Info[] = [];
  const begin = x.shape.map(() => 0);
  try {
    for (const size of sizes) {
      const shape = x.shape.map((n, i) => (i === axis ? size : n));
      pieces.push(cut(store, x, begin, shape));
      begin[axis]! += size;
    }
  } catch (error) {
    for (const piece of pieces) store.free(piece);
    throw error;
  }
  return pieces;
}

function cut(store: Store, x: Info, begin: number[], size: number[]): Info {
  if (size.every((n, axis) => n === x.shape[axis])) return store.alias(x, size);
  const out = store.make(size, x.dtype);
  const strides = stridesOf(x.shape);
  const from = begin.reduce((sum, b, axis) => sum + b * strides[axis]!, store.start(x));
  copyStrided(store.cells(x), from, store.cells(out), store.start(out), size, strides);
  return out;
}
