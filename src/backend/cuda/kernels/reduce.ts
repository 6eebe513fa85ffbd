// Sums, means, maxima and minima over neighboring axes, and softmax (kernels/cuda/reduce.cu).

import * as tf from '@tensorflow/tfjs-core';
import { type Info, sizeOf } from '../../flat/store.js';
import { type CudaStockKernel, type CudaStockTable, fits } from './kernel.js';

const SOURCE = 'cuda/reduce.cu';

/** Threads for a row of `width`: a power of two, a warp at least. */
const threadsFor = (width: number): number => 2 ** Math.min(8, Math.max(5, Math.ceil(Math.log2(width / 4))));

/** x [outer, terms, inner] -> [outer, inner]. */
function reduction(
  operation: 'sum' | 'max' | 'min',
  scaleFor: (terms: number) => number = () => 1,
): CudaStockKernel {
  return ({ inputs, attrs, backend }) => {
    const x = inputs.x!;
    const given = (attrs.axis ?? attrs.reductionIndices) as number | number[];
    const axes = tf.util.parseAxisParam(given, x.shape).sort((p, q) => p - q);
    const first = axes[0] ?? 0;
    const neighbors = axes.every((axis, i) => axis === first + i);
    if (x.dtype !== 'float32' || !neighbors || !fits(x.shape)) return undefined;
    const outer = sizeOf(x.shape.slice(0, first));
    const terms = sizeOf(axes.map((axis) => x.shape[axis]!));
    const inner = sizeOf(x.shape.slice(first + axes.length));
    const kept = x.shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
    const shape = attrs.keepDims ? kept : x.shape.filter((_, axis) => !axes.includes(axis));
    const y = backend.make(shape);
    const [scale, from, to] = [scaleFor(terms), backend.address(x), backend.address(y)];
    if (inner === 1)
      backend.launch(
        { source: SOURCE, name: `${operation}_rows` },
        Math.min(outer, 65_535),
        threadsFor(terms),
        [outer, terms, scale, from, to],
      );
    else
      backend.each({ source: SOURCE, name: `${operation}_columns` }, outer * inner, [
        outer,
        terms,
        inner,
        scale,
        from,
        to,
      ]);
    return y;
  };
}

const softmax: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.logits!;
  const rank = x.shape.length;
  const dim = attrs.dim as number;
  if (x.dtype !== 'float32' || (dim !== -1 && dim !== rank - 1) || !fits(x.shape)) return undefined;
  const width = x.shape[rank - 1]!;
  const rows = sizeOf(x.shape) / Math.max(1, width);
  const y: Info = backend.make(x.shape);
  backend.launch({ source: SOURCE, name: 'softmax' }, Math.min(rows, 65_535), threadsFor(width), [
    rows,
    width,
    backend.address(x),
    backend.address(y),
  ]);
  return y;
};

export const REDUCE: CudaStockTable = {
  Max: reduction('max'),
  Mean: reduction('sum', (terms) => 1 / terms),
  Min: reduction('min'),
  Softmax: softmax,
  Sum: reduction('sum'),
};
