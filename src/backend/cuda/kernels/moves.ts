// Kernels that move elements: reshapes (no copy), slices, transposes, concatenations, gathers, fills
// (kernels/cuda/moves.cu).

import * as tf from '@tensorflow/tfjs-core';
import { simplify } from '../../flat/copy.js';
import { type Box, sliceBox, splitBoxes, unpackBoxes } from '../../flat/slice.js';
import { type Info, sizeOf, stridesOf } from '../../flat/store.js';
import type { CudaBackend } from '../backend.js';
import { isOnDevice } from '../values.js';
import { type CudaStockKernel, type CudaStockTable, fits, padded } from './kernel.js';

const SOURCE = 'cuda/moves.cu';
const AXES = 5;

/** Where a box of elements starts in a tensor, and its strides there. */
type Place = { offset: number; strides: readonly number[] };

const bytesOf = ({ dtype }: Info): number => (dtype === 'bool' ? 1 : 4);

/** Copies a box of elements from x to y; false when it has more axes than the kernel takes. */
function copyBox(
  backend: CudaBackend,
  shape: readonly number[],
  x: Info,
  from: Place,
  y: Info,
  to: Place,
): boolean {
  const count = sizeOf(shape);
  if (count === 0) return true;
  const bytes = bytesOf(x);
  const source = backend.address(x) + bytes * from.offset;
  const target = backend.address(y) + bytes * to.offset;
  const { shape: box, strides } = simplify(shape, from.strides, to.strides);
  if (box.length === 0 || (box.length === 1 && strides.every(([stride]) => stride === 1))) {
    backend.copy(source, target, bytes * count);
    return true;
  }
  if (box.length > AXES) return false;
  const [fromStrides, toStrides] = strides.map((own) => padded(own, AXES, 0)) as [number[], number[]];
  const values = [count, ...padded(box, AXES, 1).slice(1), source, ...fromStrides, target, ...toStrides];
  backend.each({ source: SOURCE, name: bytes === 4 ? 'copy_words' : 'copy_bytes' }, count, values);
  return true;
}

const whole = (shape: readonly number[]): Place => ({ offset: 0, strides: stridesOf(shape) });

const movable = (x: Info): boolean => isOnDevice(x.dtype) && fits(x.shape);

const identity: CudaStockKernel = ({ inputs, backend }) => backend.alias(inputs.x!);

const reshape: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x!;
  const shape = tf.util.inferFromImplicitShape(attrs.shape as number[], sizeOf(x.shape));
  tf.util.assert(
    sizeOf(shape) === sizeOf(x.shape),
    () => `Expected a shape of ${sizeOf(x.shape)} elements to reshape [${x.shape}] to, got [${shape}]`,
  );
  return backend.alias(x, shape);
};

const expandDims: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.input!;
  const dim = attrs.dim as number;
  const shape = x.shape.slice();
  shape.splice(dim < 0 ? dim + x.shape.length + 1 : dim, 0, 1);
  return backend.alias(x, shape);
};

/** The elements of x in a box. */
function cut(backend: CudaBackend, x: Info, { begin, size }: Box): Info | undefined {
  if (size.every((n, axis) => n === x.shape[axis])) return backend.alias(x, size);
  const strides = stridesOf(x.shape);
  const offset = begin.reduce((sum, b, axis) => sum + b * strides[axis]!, 0);
  const y = backend.make(size, x.dtype);
  return copyBox(backend, size, x, { offset, strides }, y, whole(size)) ? y : undefined;
}

const slice: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x!;
  return movable(x) ? cut(backend, x, sliceBox(x, attrs)) : undefined;
};

function cutAll(backend: CudaBackend, x: Info, boxes: Box[]): Info[] | undefined {
  const pieces: Info[] = [];
  for (const box of boxes) {
    const piece = cut(backend, x, box);
    if (!piece) return undefined;
    pieces.push(piece);
  }
  return pieces;
}

const splitV: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x!;
  return movable(x) ? cutAll(backend, x, splitBoxes(x, attrs)) : undefined;
};

const unpack: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.value!;
  if (!movable(x)) return undefined;
  const { boxes, shape } = unpackBoxes(x, attrs);
  return cutAll(backend, x, boxes)?.map((piece) => ({ ...piece, shape }));
};

const transpose: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x!;
  if (!movable(x)) return undefined;
  const perm = attrs.perm as number[];
  const shape = perm.map((axis) => x.shape[axis]!);
  const strides = stridesOf(x.shape);
  const moved = perm.filter((axis) => x.shape[axis] !== 1);
  if (moved.every((axis, i) => i === 0 || axis > moved[i - 1]!)) return backend.alias(x, shape);
  const y = backend.make(shape, x.dtype);
  const from = { offset: 0, strides: perm.map((axis) => strides[axis]!) };
  return copyBox(backend, shape, x, from, y, whole(shape)) ? y : undefined;
};

/** Joins tensors along an axis, each with its own length there. */
function join(backend: CudaBackend, parts: Info[], axis: number, shape: number[]): Info | undefined {
  const y = backend.make(shape, parts[0]!.dtype);
  const { strides } = whole(shape);
  let at = 0;
  for (const x of parts) {
    const to = { offset: at * strides[axis]!, strides };
    if (!copyBox(backend, x.shape, x, whole(x.shape), y, to)) return undefined;
    at += x.shape[axis]!;
  }
  return y;
}

const concat: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const all = Object.values(inputs);
  const axis = tf.util.parseAxisParam(attrs.axis as number, all[0]!.shape)[0]!;
  const shapes = all.map((x) => x.shape);
  tf.backend_util.assertParamsConsistent(shapes, axis);
  const shape = tf.backend_util.computeOutShape(shapes, axis);
  if (!all.every((x) => movable(x) && x.dtype === all[0]!.dtype) || !fits(shape)) return undefined;
  const parts = all.filter((x) => sizeOf(x.shape) > 0);
  return parts.length === 1 ? backend.alias(parts[0]!, shape) : join(backend, all, axis, shape);
};

const pack: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const all = Object.values(inputs);
  const first = all[0]!;
  if (!all.every((x) => movable(x) && x.dtype === first.dtype)) return undefined;
  const rank = first.shape.length + 1;
  const axis = ((attrs.axis as number) + rank) % rank;
  const shape = first.shape.slice();
  shape.splice(axis, 0, all.length);
  if (!fits(shape)) return undefined;
  const single = shape.map((n, i) => (i === axis ? 1 : n));
  return join(
    backend,
    all.map((x) => ({ ...x, shape: single })),
    axis,
    shape,
  );
};

const pad: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x!;
  const { paddings, constantValue } = attrs as { paddings: [number, number][]; constantValue: number };
  const shape = x.shape.map((n, i) => n + paddings[i]![0] + paddings[i]![1]);
  if (x.dtype !== 'float32' || constantValue !== 0 || !fits(shape)) return undefined;
  const y = backend.make(shape);
  backend.clear(backend.address(y), 4 * sizeOf(shape));
  const { strides } = whole(shape);
  const offset = paddings.reduce((sum, [before], axis) => sum + before * strides[axis]!, 0);
  return copyBox(backend, x.shape, x, whole(x.shape), y, { offset, strides }) ? y : undefined;
};

const tile: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x!;
  const reps = attrs.reps as number[];
  const shape = x.shape.map((n, i) => n * reps[i]!);
  if (!movable(x) || !fits(shape)) return undefined;
  // Every axis in two: which repetition, and where in it.
  const strides = stridesOf(x.shape);
  const split = x.shape.flatMap((n, i) => [reps[i]!, n]);
  const from = { offset: 0, strides: strides.flatMap((stride) => [0, stride]) };
  const y = backend.make(shape, x.dtype);
  return copyBox(backend, split, x, from, y, whole(split)) ? y : undefined;
};

const gather: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const { x, indices } = inputs;
  if (x.dtype !== 'float32' || indices.dtype !== 'int32' || (attrs.batchDims as number) !== 0)
    return undefined;
  const axis = tf.util.parseAxisParam(attrs.axis as number, x.shape)[0]!;
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  if (!fits(shape) || !fits(x.shape)) return undefined;
  const y = backend.make(shape);
  const size = sizeOf(shape);
  const sizes = [size, x.shape[axis]!, sizeOf(indices.shape), sizeOf(x.shape.slice(axis + 1))];
  const values = [...sizes, backend.address(indices), backend.address(x), backend.address(y)];
  backend.each({ source: SOURCE, name: 'gather' }, size, values);
  return y;
};

const oneHot: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const { indices } = inputs;
  const { depth, onValue, offValue, dtype } = attrs as Record<string, number> & { dtype: tf.DataType };
  const shape = [...indices.shape, depth!];
  if (indices.dtype !== 'int32' || dtype !== 'float32' || !fits(shape)) return undefined;
  const y = backend.make(shape);
  const size = sizeOf(shape);
  const values = [size, depth!, onValue!, offValue!, backend.address(indices), backend.address(y)];
  backend.each({ source: SOURCE, name: 'one_hot' }, size, values);
  return y;
};

const segmentSum: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const { x, segmentIds } = inputs;
  const segments = attrs.numSegments as number;
  const [rows] = segmentIds.shape;
  if (x.dtype !== 'float32' || segmentIds.dtype !== 'int32' || x.shape[0] !== rows) return undefined;
  const shape = [segments, ...x.shape.slice(1)];
  if (!fits(shape) || !fits(x.shape)) return undefined;
  const y = backend.make(shape);
  const size = sizeOf(shape);
  const values = [
    size,
    rows!,
    sizeOf(x.shape.slice(1)),
    ...[segmentIds, x, y].map((t) => backend.address(t)),
  ];
  backend.each({ source: SOURCE, name: 'segment_sum' }, size, values);
  return y;
};

function filled(backend: CudaBackend, shape: number[], dtype: tf.DataType, value: number): Info | undefined {
  if (dtype !== 'float32' && dtype !== 'int32') return undefined;
  const y = backend.make(shape, dtype);
  const cell = dtype === 'float32' ? Float32Array.of(value) : Int32Array.of(value);
  backend.fill(backend.address(y), new Uint32Array(cell.buffer)[0]!, sizeOf(shape));
  return y;
}

const fill: CudaStockKernel = ({ attrs, backend }) => {
  const { shape, value } = attrs as { shape: number[]; value: number };
  return filled(backend, shape, (attrs.dtype as tf.DataType | undefined) ?? 'float32', value);
};

const like =
  (value: number): CudaStockKernel =>
  ({ inputs, backend }) =>
    filled(backend, inputs.x!.shape, inputs.x!.dtype, value);

/** Made on the host, which takes no wait for the device. */
const range: CudaStockKernel = ({ attrs, backend }) => {
  const { start, stop, step, dtype } = attrs as Record<string, number> & { dtype: 'float32' | 'int32' };
  const count = Math.max(0, Math.ceil((stop! - start!) / step!));
  const values = dtype === 'int32' ? new Int32Array(count) : new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = start! + i * step!;
  return backend.makeFrom(values, [count], dtype);
};

export const MOVES: CudaStockTable = {
  Concat: concat,
  ExpandDims: expandDims,
  Fill: fill,
  GatherV2: gather,
  Identity: identity,
  OneHot: oneHot,
  OnesLike: like(1),
  Pack: pack,
  PadV2: pad,
  Range: range,
  Reshape: reshape,
  Slice: slice,
  SplitV: splitV,
  Tile: tile,
  Transpose: transpose,
  Unpack: unpack,
  UnsortedSegmentSum: segmentSum,
  ZerosLike: like(0),
};
