// Matrix products through XNNPACK. The stock kernel takes that path only for one untransposed pair and
// falls into a scalar loop for anything batched or transposed, ten to thirty times slower. Here every product
// becomes untransposed pairs, transposed into scratch memory in whichever way costs least.
//
// XNNPACK packs b, and the stock kernel keeps the packed copy for as long as b's tensor lives, which doubles
// memory and goes stale when b is written in place. Here it lives for one product.

import { type Product, planProduct } from '../flat/product.js';
import { type FlatKernel, sizeOf } from '../flat/store.js';
import { transposeMatrix } from '../flat/transposeMatrix.js';
import { pointerOf, type WasmBackend, type WasmModule } from './heap.js';

/** Ids of tensors in C++ that tfjs, counting up from 1, does not reach. */
const LEFT_ID = 2 ** 31 - 1;
const RIGHT_ID = 2 ** 31 - 2;
const OUT_ID = 2 ** 31 - 3;

/** What XNNPACK's packing of an element of the right matrix costs, in elements transposed (3 ns against 1 ns). */
const PACKING = 3;

export const matMul: FlatKernel = (args) => {
  const product = planProduct(args);
  if (!product) return undefined;
  const { store } = args;
  const backend = args.backend as WasmBackend;
  const out = store.make(product.shape, 'float32');
  const size = sizeOf(product.shape);
  if (size === 0) return out;
  if (product.k === 0) {
    store.cells(out).fill(0, store.start(out), store.start(out) + size);
    return out;
  }
  try {
    multiply(backend, product, pointerOf(backend, out));
  } catch (error) {
    store.free(out);
    throw error;
  }
  return out;
};

function multiply(backend: WasmBackend, product: Product, out: number): void {
  const { a, b, transposeA, transposeB, m, k, n, count, aIndex, bIndex } = product;
  const { wasm } = backend;
  // Either out = a b, or out' = b' a': left and right change places and the result is transposed back.
  const straight = (transposeA ? m * k : 0) + (transposeB ? k * n : 0) + PACKING * k * n;
  const swapped = (transposeA ? 0 : m * k) + (transposeB ? 0 : k * n) + m * n + PACKING * m * k;
  const swap = swapped < straight;
  const [rows, cols] = swap ? [n, m] : [m, n];
  const moveLeft = swap ? !transposeB : transposeA;
  const moveRight = swap ? !transposeA : transposeB;
  const leftBytes = moveLeft ? 4 * rows * k : 0;
  const rightBytes = moveRight ? 4 * k * cols : 0;
  const base = reserve(wasm, 32 + leftBytes + rightBytes + (swap ? 4 * m * n : 0), k, cols);
  const leftCopy = base + 32;
  const rightCopy = leftCopy + leftBytes;
  const outCopy = rightCopy + rightBytes;
  wasm.HEAP32.set([1, rows, k, 1, k, cols], base / 4);
  const { tfjs } = wasm;
  for (let i = 0; i < count; i++) {
    const pa = pointerOf(backend, a) + 4 * m * k * aIndex(i);
    const pb = pointerOf(backend, b) + 4 * k * n * bIndex(i);
    const to = out + 4 * m * n * i;
    const left = swap ? pb : pa;
    const right = swap ? pa : pb;
    if (moveLeft) transpose(wasm, left, leftCopy, k, rows);
    if (moveRight) transpose(wasm, right, rightCopy, cols, k);
    tfjs.registerTensor(LEFT_ID, rows * k, moveLeft ? leftCopy : left);
    tfjs.registerTensor(RIGHT_ID, k * cols, moveRight ? rightCopy : right);
    tfjs.registerTensor(OUT_ID, m * n, swap ? outCopy : to);
    wasm._BatchMatMul(LEFT_ID, base, 3, RIGHT_ID, base + 12, 3, 0, 0, OUT_ID);
    tfjs.disposeData(LEFT_ID);
    tfjs.disposeData(RIGHT_ID);
    tfjs.disposeData(OUT_ID);
    if (swap) transpose(wasm, outCopy, to, rows, cols);
  }
  wasm._free(base);
}

/**
 * Allocates scratch memory, having made sure that XNNPACK's packed copy of a k x cols matrix fits beside it:
 * XNNPACK itself carries on with garbage when it does not.
 */
function reserve(wasm: WasmModule, bytes: number, k: number, cols: number): number {
  const base = wasm._malloc(bytes);
  try {
    wasm._free(wasm._malloc(4 * (k + 1) * (cols + 16) + 4096));
  } catch (error) {
    wasm._free(base);
    throw error;
  }
  return base;
}

/** Transposes a rows x cols matrix between byte addresses; looks the view up, as the heap may have grown. */
function transpose(wasm: WasmModule, from: number, to: number, rows: number, cols: number): void {
  transposeMatrix(wasm.HEAPF32, from / 4, cols, wasm.HEAPF32, to / 4, rows, cols);
}
