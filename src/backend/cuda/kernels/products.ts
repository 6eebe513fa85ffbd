// Matrix products by cuBLASLt. In bf16 operands and activations are bfloat16; sums, and gradients of weights, are float32.

import { planProduct } from '../../flat/product.js';
import { type Info, sizeOf } from '../../flat/store.js';
import type { CudaBackend } from '../backend.js';
import type { OperandType } from '../products.js';
import type { CudaKernel, CudaStockKernel } from './kernel.js';

/** The type of operands at the precision in use. */
export const operandType = (backend: CudaBackend): OperandType => backend.precision;

/** y [N,O] = x [N,I] w^T [I,O], or sum + x w^T. */
export const linear: CudaKernel<'Linear'> = ({ inputs: { x, w, sum }, backend }) => {
  const [m, k] = x.shape as [number, number];
  const n = w.shape[0]!;
  const [a, b] = [backend.activation(x), backend.activation(w)];
  const operands = operandType(backend);
  const product = { m, n, k, transposeB: true, a, b, operands };
  if (sum) {
    const y = backend.make([m, n]);
    backend.multiply({ ...product, c: backend.address(y), added: backend.address(sum), beta: 1 });
    return [y];
  }
  const y = backend.makeActivation([m, n]);
  backend.multiply({ ...product, c: backend.activation(y), result: operands });
  return [y];
};

/** dx [N,I] = dy [N,O] w (+ sum), dw [O,I] = dy^T x. */
export const linearGrad: CudaKernel<'LinearGrad'> = ({ inputs: { x, w, dy, sum }, backend }) => {
  const a = backend.activation(dy);
  return [inputGrad(backend, x, w, a, sum), weightGrad(backend, x, w, a)];
};

/** dx of `linearGrad`. @param dy its address */
export function inputGrad(backend: CudaBackend, x: Info, w: Info, dy: number, sum?: Info): Info {
  const [m, n] = x.shape as [number, number];
  const dx = backend.makeActivation(x.shape);
  const operands = operandType(backend);
  const [b, c] = [backend.activation(w), backend.activation(dx)];
  const added = sum && { added: backend.activation(sum), beta: 1 };
  backend.multiply({ m, n, k: w.shape[0]!, a: dy, b, c, operands, result: operands, ...added });
  return dx;
}

/** dw of `linearGrad`. @param dy its address */
export function weightGrad(backend: CudaBackend, x: Info, w: Info, dy: number): Info {
  const [k, n] = x.shape as [number, number];
  const dw = backend.make(w.shape);
  const [b, c] = [backend.activation(x), backend.address(dw)];
  backend.multiply({ m: w.shape[0]!, n, k, transposeA: true, a: dy, b, c, operands: operandType(backend) });
  return dw;
}

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
  const [x, y, z] = [backend.activation(a), backend.activation(b), backend.address(out)];
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
