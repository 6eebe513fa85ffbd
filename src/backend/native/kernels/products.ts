// Matrix products (kernels/native/product.c).

import { planProduct } from '../../flat/product.js';
import { sizeOf } from '../../flat/store.js';
import { assertMemory } from '../library.js';
import type { NativeKernel, NativeStockKernel } from './kernel.js';

export const linear: NativeKernel<'Linear'> = ({ inputs: { x, w }, backend, c }) => {
  const [rows, width] = x.shape as [number, number];
  const y = backend.makeActivation([rows, w.shape[0]!]);
  const weights = backend.parameter(w);
  const { arrays, bf16 } = backend.cells(x, y);
  const done = c.tg_linear(bf16, rows, width, w.shape[0]!, arrays[0], weights, arrays[1]);
  assertMemory(done, 'Linear');
  return [y];
};

export const linearGrad: NativeKernel<'LinearGrad'> = ({ inputs: { x, w, dy }, backend, c }) => {
  const [rows, width] = x.shape as [number, number];
  const dx = backend.makeActivation(x.shape);
  const dw = backend.make(w.shape);
  const [weights, dWeights] = [backend.floats(w), backend.floats(dw)];
  const { arrays, bf16 } = backend.cells(x, dy, dx);
  const [xs, dys, dxs] = arrays;
  const done = c.tg_linear_grad(bf16, rows, width, w.shape[0]!, xs, weights, dys, dxs, dWeights);
  assertMemory(done, 'LinearGrad');
  return [dx, dw];
};

export const batchMatMul: NativeStockKernel = ({ inputs, attrs, backend, c }) => {
  const product = planProduct({ inputs, attrs });
  if (!product) return undefined;
  const { a, b, transposeA, transposeB, shape, m, k, n, count, aIndex, bIndex } = product;
  const out = backend.make(shape);
  if (sizeOf(shape) === 0) return out;
  const [x, y, z] = [backend.floats(a), backend.floats(b), backend.floats(out)];
  const multiply = (
    count: number,
    x: Float32Array,
    xStep: number,
    y: Float32Array,
    yStep: number,
    z: Float32Array,
  ) =>
    assertMemory(
      c.tg_batch_matmul(Number(transposeA), Number(transposeB), count, m, n, k, x, xStep, y, yStep, z),
      'BatchMatMul',
    );
  // One matrix for all, one for each, or something between.
  const [aLast, bLast] = [aIndex(count - 1), bIndex(count - 1)];
  if ((aLast === 0 || aLast === count - 1) && (bLast === 0 || bLast === count - 1))
    multiply(count, x, aLast === 0 ? 0 : m * k, y, bLast === 0 ? 0 : k * n, z);
  else
    for (let i = 0; i < count; i++)
      multiply(1, x.subarray(m * k * aIndex(i)), 0, y.subarray(k * n * bIndex(i)), 0, z.subarray(m * n * i));
  return out;
};
