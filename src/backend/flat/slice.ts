// Slice, SplitV and Unpack. The stock wasm kernels first copy their whole input out of the heap, for every piece.

import * as tf from '@tensorflow/tfjs-core';
import type { StockCall } from '../register.js';
import { copyStrided } from './copy.js';
import { type FlatKernel, type Info, isFlat, type Store, stridesOf } from './store.js';

/** A box of a tensor's elements. */
export interface Box {
  begin: number[];
  size: number[];
}

/** What Slice takes out of x. */
export function sliceBox(x: Info, { begin, size }: StockCall['attrs']): Box {
  const [from, shape] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin as number[], size as number[]);
  return { begin: from!, size: shape! };
}

/** What SplitV cuts x into. */
export function splitBoxes(x: Info, { axis: given, numOrSizeSplits }: StockCall['attrs']): Box[] {
  const axis = tf.util.parseAxisParam(given as number, x.shape)[0]!;
  const parts = numOrSizeSplits as number | number[];
  return boxesAlong(x, axis, tf.backend_util.prepareSplitSize(x as tf.Tensor, parts, axis));
}

/** What Unpack cuts x into, and the shape of each result. */
export function unpackBoxes(x: Info, attrs: StockCall['attrs']): { boxes: Box[]; shape: number[] } {
  const axis = tf.util.parseAxisParam(attrs.axis as number, x.shape)[0]!;
  const ones = new Array<number>(x.shape[axis]!).fill(1);
  return { boxes: boxesAlong(x, axis, ones), shape: x.shape.filter((_, i) => i !== axis) };
}

function boxesAlong(x: Info, axis: number, sizes: number[]): Box[] {
  const along = (value: number, others: readonly number[]) => others.map((n, i) => (i === axis ? value : n));
  const zeros = x.shape.map(() => 0);
  let at = 0;
  return sizes.map((size) => {
    const begin = along(at, zeros);
    at += size;
    return { begin, size: along(size, x.shape) };
  });
}

export const slice: FlatKernel = ({ inputs, attrs, store }) => {
  const x = inputs.x!;
  return isFlat(x) ? cut(store, x, sliceBox(x, attrs)) : undefined;
};

export const splitV: FlatKernel = ({ inputs, attrs, store }) => {
  const x = inputs.x!;
  return isFlat(x) ? cutAll(store, x, splitBoxes(x, attrs)) : undefined;
};

export const unpack: FlatKernel = ({ inputs, attrs, store }) => {
  const x = inputs.value!;
  if (!isFlat(x)) return undefined;
  const { boxes, shape } = unpackBoxes(x, attrs);
  return cutAll(store, x, boxes).map((piece) => ({ ...piece, shape }));
};

/** None of the pieces is left behind when memory runs out between them. */
function cutAll(store: Store, x: Info, boxes: Box[]): Info[] {
  const pieces: Info[] = [];
  try {
    for (const box of boxes) pieces.push(cut(store, x, box));
  } catch (error) {
    for (const piece of pieces) store.free(piece);
    throw error;
  }
  return pieces;
}

function cut(store: Store, x: Info, { begin, size }: Box): Info {
  if (size.every((n, axis) => n === x.shape[axis])) return store.alias(x, size);
  const out = store.make(size, x.dtype);
  const strides = stridesOf(x.shape);
  const from = begin.reduce((sum, b, axis) => sum + b * strides[axis]!, store.start(x));
  copyStrided(store.cells(x), from, store.cells(out), store.start(out), size, strides);
  return out;
}
