// Matrix products by cuBLASLt. In bf16 the operands are rounded to bfloat16 beforehand; sums and results are float32.

import { planProduct } from '../../flat/product.js';
import { type Info, sizeOf } from '../../flat/store.js';
import type { CudaBackend } from '../backend.js';
import type { OperandType } from '../products.js';
import type { CudaKernel, CudaStockKernel } from './kernel.js';

/** An operand of products: a tensor, rounded where the precision asks for it. */
const operand = (backend: CudaBackend, x: Info): number =>
  backend.precision === 'bf16' ? backend.half(x) : backend.address(x);

/** The type of operands at the precision in use. */
export const operandType = (backend: CudaBackend): OperandType => backend.precision;

/** y [N,O] = x [N,I] w^T [I,O]. */
export const linear: CudaKernel<'Linear'> = ({ inputs: { x, w }, backend }) => {
  const [rows, width] = x.shape as [number, number];
  const n = w.shape[0]!;
  const y = backend.make([rows, n]);
  backend.multiply({
    m: rows,
    n,
    k: width,
    transposeB: true,
    a: operand(backend, x),
    b: operand(backend, w),
    c: backend.address(y),
    operands: operandType(backend),
  });
  return [y];
};

/** dx [N,I] = dy [N,O] w, dw [O,I] = dy^T x. */
export const linearGrad: CudaKernel<'LinearGrad'> = ({ inputs: { x, w, dy }, backend }) => {
  const [rows, width] = x.shape as [number, number];
  const n = w.shape[0]!;
  const operands = operandType(backend);
  const dx = backend.make(x.shape);
  const dw = backend.make(w.shape);
  const g = operand(backend, dy);
  const [a, b] = [operand(backend, w), operand(backend, x)];
  backend.multiply({ m: rows, n: width, k: n, a: g, b: a, c: backend.address(dx), operands });
  backend.multiply({
    m: n,
    n: width,
    k: rows,
    transposeA: true,
    a: g,
    b,
    c: backend.address(dw),
    operands,
  });
  return [dx, dw];
};

export const batchMatMul: CudaStockKernel = ({ inputs, attrs, backend }) => {
  const product = planProduct({ inputs, attrs });
  if (!product) return undefined;
  const { a, b, transposeA, transposeB, shape, m, k, n, count, aIndex, bIndex } = product;
  const out = backend.make(shape);
  if (sizeOf(shape) === 0) return out;
  if (k === 0) {
    backend.clear(backend.address(out), 4 * sizeOf(shape));
    return out;
  }
  const operands = operandType(backend);
  const bytes = operands === 'bf16' ? 2 : 4;
  const [x, y, z] = [operand(backend, a), operand(backend, b), backend.address(out)];
  const sizes = { m, n, k, transposeA, transposeB, operands };
  // One matrix for all, one for each, or something between.
  const [aLast, bLast] = [aIndex(count - 1), bIndex(count - 1)];
  if ((aLast === 0 || aLast === count - 1) && (bLast === 0 || bLast === count - 1)) {
    const strides = {
      aStride: aLast === 0 ? 0 : m * k,
      bStride: bLast === 0 ? 0 : k * n,
      cStride: m * n,
    };
    backend.multiply({ ...sizes, a: x, b: y, c: z, batch: count, ...strides });
  } else
    for (let i = 0; i < count; i++)
      backend.multiply({
        ...sizes,
        a: x + bytes * m * k * aIndex(i),
        b: y + bytes * k * n * bIndex(i),
        c: z + 4 * m * n * i,
      });
  return out;
};
