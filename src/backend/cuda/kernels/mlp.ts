// The MLP as one operation: squared ReLU and its gradient in place of what the matmuls before them have written, or in the
// epilogues of cuDNN's. Contract: src/ops/mlp.ts.

import { sizeOf } from '../../flat/store.js';
import { mlpWork } from '../cudnn/mlp.js';
import type { CudaKernel } from './kernel.js';
import { inputGrad, linear, operandType, weightGrad } from './products.js';
import { squareRelu, squareReluGrad } from './rows.js';

export const reluSquaredMlp: CudaKernel<'ReluSquaredMlp'> = ({ inputs, backend }) => {
  const { x, wFc, wProj, sum } = inputs;
  const [m, k] = x.shape as [number, number];
  const n = wFc.shape[0]!;
  const operands = operandType(backend);
  const hidden = backend.makeActivation([m, n]);
  const [from, weight, result] = [backend.activation(x), backend.activation(wFc), backend.activation(hidden)];
  const own = () => {
    const sizes = { m, n, k, transposeB: true, a: from, b: weight, c: result };
    backend.multiply({ ...sizes, operands, result: operands });
    squareRelu(backend, m * n, result, result);
  };
  if (operands === 'bf16')
    backend.fuse(mlpWork('forward', { N: m, C: k, M: n }, { from, weight, result }), own);
  else own();
  const [y] = linear({ inputs: { x: hidden, w: wProj, sum }, attrs: {}, backend });
  return [y, hidden];
};

export const reluSquaredMlpGrad: CudaKernel<'ReluSquaredMlpGrad'> = ({ inputs, backend }) => {
  const { x, wFc, wProj, hidden, dy, sum } = inputs;
  const [m, n] = hidden.shape as [number, number];
  const k = wProj.shape[0]!;
  const operands = operandType(backend);
  const a = backend.activation(dy);
  const dwProj = weightGrad(backend, hidden, wProj, a);
  const result = backend.scratch((operands === 'bf16' ? 2 : 4) * sizeOf(hidden.shape));
  const at = { from: a, weight: backend.activation(wProj), hidden: backend.activation(hidden), result };
  const own = ({ from, weight }: Partial<typeof at>) => {
    backend.multiply({ m, n, k, a: from!, b: weight!, c: result, operands, result: operands });
    squareReluGrad(backend, m * n, at.hidden, result, result);
  };
  // The projection is zero at first, and then are the gradients: another matrix and rows of the same sizes have more to compare.
  const probe = k === x.shape[1] ? { from: backend.activation(x), weight: backend.activation(wFc) } : {};
  if (operands === 'bf16') backend.fuse(mlpWork('backward', { N: m, C: k, M: n }, at, probe), own);
  else own(at);
  return [inputGrad(backend, x, wFc, result, sum), weightGrad(backend, x, wFc, result), dwProj];
};
