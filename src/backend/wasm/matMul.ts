// Matrix products through XNNPACK. The stock kernel takes that path only for one untransposed pair and
// falls into a scalar loop for anything batched or transposed, 10 to 50 times slower. Here every product
// becomes untransposed pairs: the smaller of what could be transposed is, by tiles, into a scratch matrix.
//
// Letters: a [.., M, K] or [.., K, M] if transposeA; b [.., K, N] or [.., N, K] if transposeB; out [.., M, N].
//
// XNNPACK packs b and the stock kernel keeps the packed copy for as long as b's tensor id lives, which
// doubles memory and goes stale when b is written in place. Here ids live for one product only.

import * as tf from '@tensorflow/tfjs-core';
import {
  floatsOf,
  type Info,
  pointerOf,
  replaceKernel,
  sizeOf,
  type WasmBackend,
  type WasmModule,
} from './heap.js';
import { transposeMatrix } from './transpose.js';

/** Ids that tfjs, counting up from 1, does not reach. */
const A_ID = 2 ** 31 - 1;
const B_ID = 2 ** 31 - 2;
const OUT_ID = 2 ** 31 - 3;

export function repairMatMul(): void {
  replaceKernel('BatchMatMul', (stock) => (args) => {
    const { a, b } = args.inputs as { a: Info; b: Info };
    const transposeA = Boolean(args.attrs.transposeA);
    const transposeB = Boolean(args.attrs.transposeB);
    if (a.dtype !== 'float32' || b.dtype !== 'float32') return stock(args);
    return matMul(args.backend, a, b, transposeA, transposeB);
  });
}

function matMul(backend: WasmBackend, a: Info, b: Info, transposeA: boolean, transposeB: boolean): Info {
  const [aRows, aCols] = a.shape.slice(-2) as [number, number];
  const [bRows, bCols] = b.shape.slice(-2) as [number, number];
  let m = transposeA ? aCols : aRows;
  const k = transposeA ? aRows : aCols;
  const n = transposeB ? bRows : bCols;
  tf.util.assert(k === (transposeB ? bCols : bRows), () => {
    const by = `transposeA=${transposeA} and transposeB=${transposeB}`;
    return `Expected equal inner sizes, got shapes ${a.shape} and ${b.shape} with ${by}`;
  });
  const aBatch = a.shape.slice(0, -2);
  const bBatch = b.shape.slice(0, -2);
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(aBatch, bBatch);
  const out = backend.makeOutput([...batch, m, n], 'float32');
  if (sizeOf(out.shape) === 0) return out;
  if (k === 0) {
    floatsOf(backend, out).fill(0);
    return out;
  }
  let batches = sizeOf(batch);
  if (sizeOf(bBatch) === 1 && !transposeA) {
    m *= batches;
    batches = 1;
  }
  const aIndex = batchIndex(batches, batch, aBatch);
  const bIndex = batchIndex(batches, batch, bBatch);
  const product = startProduct(backend, m, k, n, transposeA, transposeB);
  try {
    const pa = pointerOf(backend, a);
    const pb = pointerOf(backend, b);
    const po = pointerOf(backend, out);
    for (let i = 0; i < batches; i++)
      product.run(pa + 4 * m * k * aIndex(i), pb + 4 * k * n * bIndex(i), po + 4 * m * n * i);
  } catch (error) {
    backend.disposeData(out.dataId);
    throw error;
  } finally {
    product.end();
  }
  return out;
}

/** Maps a flat index over `batch` to one over `own`, a shape that broadcasts to it. */
function batchIndex(batches: number, batch: number[], own: number[]): (i: number) => number {
  const size = sizeOf(own);
  if (size === batches) return (i) => i;
  if (size === 1) return () => 0;
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

/**
 * A product of one shape and orientation, for many addresses. `end` frees its scratch memory.
 * Orientations that need a transposition choose what to transpose by the elements to be moved.
 */
function startProduct(
  backend: WasmBackend,
  m: number,
  k: number,
  n: number,
  transposeA: boolean,
  transposeB: boolean,
): { run(a: number, b: number, out: number): void; end(): void } {
  const { wasm } = backend;
  // out = a b, or out' = b' a' with the roles of a and b swapped and out transposed at the end.
  const straight = (transposeA ? m * k : 0) + (transposeB ? k * n : 0);
  const swapped = (transposeA ? 0 : m * k) + (transposeB ? 0 : k * n) + m * n;
  const swap = swapped < straight;
  const leftSize = swap ? n * k : m * k;
  const moveLeft = swap ? !transposeB : transposeA;
  const moveRight = swap ? !transposeA : transposeB;
  const [rows, cols] = swap ? [n, m] : [m, n];
  const scratch = (moveLeft ? leftSize : 0) + (moveRight ? m * k + k * n - leftSize : 0) + (swap ? m * n : 0);
  // Shapes lie in front of the scratch matrices; what XNNPACK will allocate for packing is tried first,
  // because it carries on with garbage when it cannot.
  const base = wasm._malloc(32 + 4 * scratch) >>> 0;
  try {
    wasm._free(wasm._malloc(4 * (k + 1) * (cols + 16) + 4096));
  } catch (error) {
    wasm._free(base);
    throw error;
  }
  const shapes = base >>> 2;
  wasm.HEAP32.set([1, rows, k, 1, k, cols], shapes);
  const leftCopy = base + 32;
  const rightCopy = leftCopy + (moveLeft ? 4 * leftSize : 0);
  const outCopy = rightCopy + (moveRight ? 4 * (m * k + k * n - leftSize) : 0);

  return {
    run(a, b, out) {
      let left = swap ? b : a;
      let right = swap ? a : b;
      if (moveLeft) {
        transposeOnHeap(wasm, left, leftCopy, k, rows);
        left = leftCopy;
      }
      if (moveRight) {
        transposeOnHeap(wasm, right, rightCopy, cols, k);
        right = rightCopy;
      }
      const { tfjs } = wasm;
      tfjs.registerTensor(A_ID, rows * k, left);
      tfjs.registerTensor(B_ID, k * cols, right);
      tfjs.registerTensor(OUT_ID, rows * cols, swap ? outCopy : out);
      wasm._BatchMatMul(A_ID, base, 3, B_ID, base + 12, 3, 0, 0, OUT_ID);
      tfjs.disposeData(A_ID);
      tfjs.disposeData(B_ID);
      tfjs.disposeData(OUT_ID);
      if (swap) transposeOnHeap(wasm, outCopy, out, rows, cols);
    },
    end: () => wasm._free(base),
  };
}

/** `transposeMatrix` between byte addresses; looks the view up anew, as XNNPACK may have grown the heap. */
function transposeOnHeap(wasm: WasmModule, from: number, to: number, rows: number, cols: number): void {
  transposeMatrix(wasm.HEAPF32, from / 4, wasm.HEAPF32, to / 4, rows, cols);
}
