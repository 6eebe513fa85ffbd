// Add, Sub, Multiply and RealDiv of float32 tensors of different shapes, row by row; the stock kernels compute
// three addresses for every element, a hundred times the cost of the operation.

import * as tf from '@tensorflow/tfjs-core';
import { broadcastStrides, type FlatKernel, sizeOf } from '../flat/store.js';

/** A kernel for `f`; equal shapes and scalars stay with the stock kernel, which is quick at them. */
export function broadcast(f: (a: number, b: number) => number): FlatKernel {
  return ({ inputs, store }) => {
    const { a, b } = inputs;
    const shape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
    const size = sizeOf(shape);
    if (a.dtype !== 'float32' || b.dtype !== 'float32' || size === 0) return undefined;
    if (sizeOf(a.shape) === sizeOf(b.shape) || sizeOf(a.shape) === 1 || sizeOf(b.shape) === 1)
      return undefined;
    const out = store.make(shape, 'float32');
    const [x, y, z] = [store.cells(a), store.cells(b), store.cells(out)];
    const xStrides = broadcastStrides(a.shape, shape);
    const yStrides = broadcastStrides(b.shape, shape);
    const last = shape.length - 1;
    const n = shape[last]!;
    const [xStep, yStep] = [xStrides[last]!, yStrides[last]!];
    for (let row = 0; row < size / n; row++) {
      let [p, q, rest] = [0, 0, row];
      for (let axis = last - 1; axis >= 0; axis--) {
        const index = rest % shape[axis]!;
        rest = (rest - index) / shape[axis]!;
        p += index * xStrides[axis]!;
        q += index * yStrides[axis]!;
      }
      for (let i = 0; i < n; i++, p += xStep, q += yStep) z[row * n + i] = f(x[p]!, y[q]!);
    }
    return out;
  };
}
