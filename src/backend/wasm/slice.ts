// Slice, SplitV and Unpack by contiguous runs. The stock kernels first copy their whole input out of the heap,
// once per piece.

import * as tf from '@tensorflow/tfjs-core';
import { cellsOf, copyRun, type Info, replaceKernel, sizeOf, type WasmBackend } from './heap.js';
import { alias } from './transpose.js';

export function repairSlice(): void {
  replaceKernel('Slice', (stock) => (args) => {
    const x = args.inputs.x!;
    if (x.dtype === 'string') return stock(args);
    const { begin, size } = args.attrs as { begin: number[]; size: number[] };
    const [from, shape] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin, size);
    return slice(args.backend, x, from!, shape!);
  });
  replaceKernel('SplitV', (stock) => (args) => {
    const x = args.inputs.x!;
    if (x.dtype === 'string') return stock(args);
    const { axis, numOrSizeSplits } = args.attrs as { axis: number; numOrSizeSplits: number | number[] };
    const along = tf.util.parseAxisParam(axis, x.shape)[0]!;
    const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, along);
    return split(args.backend, x, along, sizes);
  });
  replaceKernel('Unpack', (stock) => (args) => {
    const x = args.inputs.value!;
    if (x.dtype === 'string') return stock(args);
    const along = tf.util.parseAxisParam(args.attrs.axis as number, x.shape)[0]!;
    const shape = x.shape.filter((_, axis) => axis !== along);
    const ones = new Array<number>(x.shape[along]!).fill(1);
    return split(args.backend, x, along, ones).map((piece) => ({ ...piece, shape }));
  });
}

/** Pieces of `sizes` elements along an axis; none is left behind when memory runs out between them. */
function split(backend: WasmBackend, x: Info, axis: number, sizes: number[]): Info[] {
  const pieces: Info[] = [];
  const begin = x.shape.map(() => 0);
  try {
    for (const size of sizes) {
      const shape = x.shape.map((n, i) => (i === axis ? size : n));
      pieces.push(slice(backend, x, begin, shape));
      begin[axis]! += size;
    }
  } catch (error) {
    for (const piece of pieces) backend.disposeData(piece.dataId);
    throw error;
  }
  return pieces;
}

function slice(backend: WasmBackend, x: Info, begin: number[], size: number[]): Info {
  const rank = size.length;
  if (size.every((n, axis) => n === x.shape[axis])) return alias(backend, x, size);
  const out = backend.makeOutput(size, x.dtype);
  const total = sizeOf(size);
  if (total === 0) return out;
  // Axes from `inner` on are taken whole, so that `run` elements lie together.
  let inner = rank - 1;
  let run = size[inner]!;
  while (inner > 0 && size[inner] === x.shape[inner]) run *= size[--inner]!;
  const strides = x.shape.map((_, axis) => sizeOf(x.shape.slice(axis + 1)));
  const { heap, start } = cellsOf(backend, x);
  let from = start + begin.reduce((sum, b, axis) => sum + b * strides[axis]!, 0);
  let to = cellsOf(backend, out).start;
  const end = to + total;
  const index = new Array<number>(inner).fill(0);
  while (to < end) {
    copyRun(heap, from, to, run);
    to += run;
    for (let axis = inner - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < size[axis]!) break;
      from -= size[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
