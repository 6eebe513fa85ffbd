// Matrix products (kernels/webgpu/matmul.wgsl).

import type { TensorInfo } from '@tensorflow/tfjs-core';
import { grid, type WebGpuBackend } from '../backend.js';
import type { WebGpuKernel } from './kernel.js';

const TILE = 64;
/** Fewer workgroups than this leave a GPU idle: long inner dimensions are divided among more. */
const ENOUGH_GROUPS = 128;
/** The shortest inner dimension worth a separate workgroup. */
const SHORTEST_SPLIT = 256;

type Operand = TensorInfo | GPUBuffer;

/** C = alpha op(A) op(B) + beta E, for `count` matrices or one at an offset. Offsets and strides in floats. */
export interface Product {
  m: number;
  n: number;
  k: number;
  a: Operand;
  b: Operand;
  c: Operand;
  transposeA?: boolean;
  transposeB?: boolean;
  count?: number;
  aOffset?: number;
  bOffset?: number;
  cOffset?: number;
  alpha?: number;
  /** E; `'c'` adds to what C holds. */
  e?: Operand | 'c';
  beta?: number;
}

/** Records a product. Its order of summation depends only on the sizes. */
export function multiply(backend: WebGpuBackend, product: Product): void {
  const { m, n, k, a, b, c, transposeA = false, transposeB = false, count = 1 } = product;
  const { alpha = 1, e, beta = 1, aOffset = 0, bOffset = 0, cOffset = 0 } = product;
  const tiles = Math.ceil(m / TILE) * Math.ceil(n / TILE);
  const splittable = count === 1 && alpha === 1 && (e === undefined || e === 'c');
  const wanted = splittable ? Math.min(Math.ceil(ENOUGH_GROUPS / tiles), Math.floor(k / SHORTEST_SPLIT)) : 1;
  const splitK = Math.ceil(k / Math.max(1, wanted) / 16) * 16;
  const splits = Math.max(1, Math.ceil(k / splitK));
  const addToC = e === 'c';
  const record = (target: Operand, entry: string, offset: number, add: boolean, more: Operand[] = []) =>
    backend.run({
      source: 'matmul',
      entry,
      constants: { TRANSPOSE_A: transposeA, TRANSPOSE_B: transposeB, ADD_TO_C: add },
      bind: [a, b, target, ...more],
      ints: [m, n, k, splits, splitK, aOffset, bOffset, offset, m * k, k * n, m * n],
      floats: [alpha, beta],
      groups: [Math.ceil(n / TILE), Math.ceil(m / TILE), count * splits],
    });
  if (splits === 1) {
    if (e === undefined || e === 'c') record(c, 'matmul', cOffset, addToC);
    else record(c, 'matmul_add', cOffset, false, [e]);
    return;
  }
  backend.scratch([splits * m * n], (partial) => {
    record(partial, 'matmul', 0, false);
    sumSplits(backend, { partial, out: c, size: m * n, splits, offset: cOffset, ...(addToC && { beta }) });
  });
}

/** out[offset + i] = beta * out[offset + i] + the sum over the splits of partial[split, i], in order. */
export function sumSplits(
  backend: WebGpuBackend,
  sum: { partial: GPUBuffer; out: Operand; size: number; splits: number; offset?: number; beta?: number },
): void {
  const { partial, out, size, splits, offset = 0, beta } = sum;
  backend.run({
    source: 'matmul',
    entry: 'sum_splits',
    constants: { TRANSPOSE_A: false, TRANSPOSE_B: false, ADD_TO_C: beta !== undefined },
    bind: [partial, out],
    ints: [1, size, 0, splits, 0, 0, 0, offset, 0, 0, 0],
    floats: [1, beta ?? 0],
    groups: grid(Math.ceil(size / 256)),
  });
}

export const linear: WebGpuKernel<'Linear'> = ({ inputs: { x, w }, backend }) => {
  const [rows, inner] = x.shape as [number, number];
  const outer = w.shape[0]!;
  const y = backend.make([rows, outer]);
  multiply(backend, { m: rows, n: outer, k: inner, a: x, b: w, c: y, transposeB: true });
  return [y];
};

export const linearGrad: WebGpuKernel<'LinearGrad'> = ({ inputs: { x, w, dy }, backend }) => {
  const [rows, inner] = x.shape as [number, number];
  const outer = w.shape[0]!;
  const [dx, dw] = [backend.make(x.shape), backend.make(w.shape)];
  multiply(backend, { m: rows, n: inner, k: outer, a: dy, b: w, c: dx });
  multiply(backend, { m: outer, n: inner, k: rows, a: dy, b: x, c: dw, transposeA: true });
  return [dx, dw];
};
