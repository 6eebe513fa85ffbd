// Sum and Mean of float32 over neighboring axes, accumulated in double precision: exact to a rounding where a
// running float32 sum of a million terms loses three digits. Over leading axes several times as fast as on stock
// wasm, which transposes first.
//
// A reduction is seen as [outer, terms, inner] -> [outer, inner].

import * as tf from '@tensorflow/tfjs-core';
import type { StockCall } from '../register.js';
import { type Cells, type FlatKernel, type Info, type KernelArguments, sizeOf } from './store.js';

export const sum: FlatKernel = (args) => reduce(args, () => 1);

/** A mean of nothing is NaN. */
export const mean: FlatKernel = (args) => reduce(args, (terms) => 1 / terms);

/** The sizes of a reduction of float32 over neighboring axes, and the shape of its result; undefined for any other. */
export function planReduction({ inputs, attrs }: StockCall) {
  const { shape, dtype } = inputs.x!;
  const given = (attrs.axis ?? attrs.reductionIndices) as number | number[];
  const axes = tf.util.parseAxisParam(given, shape).sort((p, q) => p - q);
  const first = axes[0] ?? 0;
  if (dtype !== 'float32' || !axes.every((axis, i) => axis === first + i)) return undefined;
  const kept = shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
  return {
    shape: attrs.keepDims ? kept : shape.filter((_, axis) => !axes.includes(axis)),
    outer: sizeOf(shape.slice(0, first)),
    terms: sizeOf(axes.map((axis) => shape[axis]!)),
    inner: sizeOf(shape.slice(first + axes.length)),
  };
}

function reduce(
  { inputs, attrs, store }: KernelArguments,
  scaleFor: (terms: number) => number,
): Info | undefined {
  const x = inputs.x!;
  const plan = planReduction({ inputs, attrs });
  if (!plan) return undefined;
  const { shape, outer, terms, inner } = plan;
  const out = store.make(shape, 'float32');
  const src = store.cells(x);
  const dst = store.cells(out);
  const from = store.start(x);
  const to = store.start(out);
  const scale = scaleFor(terms);
  if (inner === 1) for (let o = 0; o < outer; o++) dst[to + o] = scale * sumRun(src, from + o * terms, terms);
  else
    for (let o = 0; o < outer; o++)
      sumRows(src, from + o * terms * inner, dst, to + o * inner, terms, inner, scale);
  return out;
}

/** Sum of `count` neighbors; four accumulators hide the latency of an addition. */
function sumRun(x: Cells, start: number, count: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const end = start + count;
  let i = start;
  for (; i + 4 <= end; i += 4) {
    a += x[i]!;
    b += x[i + 1]!;
    c += x[i + 2]!;
    d += x[i + 3]!;
  }
  for (; i < end; i++) a += x[i]!;
  return a + b + (c + d);
}

/** dst[to + j] = scale * sum over r < terms of x[from + r inner + j] */
function sumRows(
  x: Cells,
  from: number,
  dst: Cells,
  to: number,
  terms: number,
  inner: number,
  scale: number,
): void {
  const sums = new Float64Array(inner);
  for (let r = 0; r < terms; r++) {
    const row = from + r * inner;
    for (let j = 0; j < inner; j++) sums[j]! += x[row + j]!;
  }
  for (let j = 0; j < inner; j++) dst[to + j] = scale * sums[j]!;
}
