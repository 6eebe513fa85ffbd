// What a batched, possibly transposed and broadcast matrix product comes down to: a list of plain 2-d ones.
//
// Letters: a [.., M, K] or [.., K, M] if transposeA; b [.., K, N] or [.., N, K] if transposeB; out [.., M, N].

import * as tf from '@tensorflow/tfjs-core';
import type { StockCall } from '../register.js';
import { type Info, sizeOf } from './store.js';

export interface Product {
  a: Info;
  b: Info;
  transposeA: boolean;
  transposeB: boolean;
  shape: number[];
  m: number;
  k: number;
  n: number;
  /** How many 2-d products there are, and which matrices of a and b the i-th one takes. */
  count: number;
  aIndex(i: number): number;
  bIndex(i: number): number;
}

/**
 * Reads the arguments of BatchMatMul; undefined for dtypes other than float32.
 * Products that share one b become a single taller one.
 */
export function planProduct({ inputs, attrs }: StockCall): Product | undefined {
  const { a, b } = inputs;
  if (a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
  const transposeA = Boolean(attrs.transposeA);
  const transposeB = Boolean(attrs.transposeB);
  const [aRows, aCols] = a.shape.slice(-2) as [number, number];
  const [bRows, bCols] = b.shape.slice(-2) as [number, number];
  let m = transposeA ? aCols : aRows;
  const k = transposeA ? aRows : aCols;
  const n = transposeB ? bRows : bCols;
  tf.util.assert(k === (transposeB ? bCols : bRows), () => {
    const orientation = `transposeA=${transposeA} and transposeB=${transposeB}`;
    return `Expected equal inner sizes in matMul, got shapes ${a.shape} and ${b.shape} with ${orientation}`;
  });
  const aBatch = a.shape.slice(0, -2);
  const bBatch = b.shape.slice(0, -2);
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(aBatch, bBatch);
  const shape = [...batch, m, n];
  let count = sizeOf(batch);
  if (sizeOf(bBatch) === 1 && !transposeA) {
    m *= count;
    count = 1;
  }
  const aIndex = indexInto(aBatch, batch, count);
  const bIndex = indexInto(bBatch, batch, count);
  return { a, b, transposeA, transposeB, shape, m, k, n, count, aIndex, bIndex };
}

/** Maps an index over `batch` to one over `own`, a shape that broadcasts to it. */
function indexInto(own: number[], batch: number[], count: number): (i: number) => number {
  const size = sizeOf(own);
  if (count === 1 || size === 1) return () => 0;
  if (size === count) return (i) => i;
  const padded = [...new Array<number>(batch.length - own.length).fill(1), ...own];
  return (i) => {
    let index = 0;
    let stride = 1;
    for (let axis = batch.length - 1; axis >= 0; axis--) {
      if (padded[axis] !== 1) index += (i % batch[axis]!) * stride;
      stride *= padded[axis]!;
      i = Math.floor(i / batch[axis]!);
    }
    return index;
  };
}
