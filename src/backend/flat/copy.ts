// One strided copy behind Slice, Transpose, Tile and the like: whatever is contiguous moves as a run,
// whatever repeats is filled, and swapped axes go through the tiles of transposeMatrix.

import type { Cells } from './store.js';
import { transposeMatrix } from './transposeMatrix.js';

/** Below this length a loop beats a call of copyWithin or set. */
const SHORT_RUN = 16;

/** Copies `count` elements; `src` and `dst` may be one array if the runs do not overlap. */
export function copyRun(src: Cells, from: number, dst: Cells, to: number, count: number): void {
  if (count < SHORT_RUN) for (let i = 0; i < count; i++) dst[to + i] = src[from + i]!;
  else if (src === dst) dst.copyWithin(to, from, from + count);
  else dst.set(src.subarray(from, from + count), to);
}

/**
 * dst[to...] = src[from + sum over axes of index * stride], row-major over `shape`.
 * A stride of 0 repeats.
 */
export function copyStrided(
  src: Cells,
  from: number,
  dst: Cells,
  to: number,
  shape: readonly number[],
  strides: readonly number[],
): void {
  const simple = simplify(shape, strides);
  const box = { shape: simple.shape, strides: simple.strides[0] };
  let rank = box.shape.length;
  if (box.shape.includes(0)) return;
  let inner: (from: number, to: number) => void;
  let step = 1;
  if (rank === 0) inner = (f, t) => copyRun(src, f, dst, t, 1);
  else {
    const n = box.shape[--rank]!;
    const stride = box.strides[rank]!;
    step = n;
    if (stride === 1) inner = (f, t) => copyRun(src, f, dst, t, n);
    else if (stride === 0) inner = (f, t) => dst.fill(src[f]!, t, t + n);
    else if (rank > 0 && box.strides[rank - 1] === 1) {
      const cols = box.shape[--rank]!;
      step *= cols;
      inner = (f, t) => transposeMatrix(src, f, stride, dst, t, n, cols);
    } else
      inner = (f, t) => {
        for (let i = 0; i < n; i++) dst[t + i] = src[f + i * stride]!;
      };
  }
  // The other axes count like an odometer.
  const index = new Array<number>(rank).fill(0);
  for (;;) {
    inner(from, to);
    to += step;
    let axis = rank - 1;
    for (; axis >= 0; axis--) {
      from += box.strides[axis]!;
      if (++index[axis]! < box.shape[axis]!) break;
      from -= box.shape[axis]! * box.strides[axis]!;
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

/** Drops axes of length one and merges neighbors that one stride spans, in all of the tensors that have these strides. */
export function simplify<T extends (readonly number[])[]>(
  shape: readonly number[],
  ...strides: T
): { shape: number[]; strides: { [I in keyof T]: number[] } } {
  const merged: number[] = [];
  const kept: number[][] = strides.map(() => []);
  for (const [axis, n] of shape.entries()) {
    if (n === 1) continue;
    const last = merged.length - 1;
    const joins = last >= 0 && strides.every((own, i) => kept[i]![last] === n * own[axis]!);
    const at = joins ? last : last + 1;
    merged[at] = joins ? merged[at]! * n : n;
    for (const [i, own] of strides.entries()) kept[i]![at] = own[axis]!;
  }
  return { shape: merged, strides: kept as { [I in keyof T]: number[] } };
}
