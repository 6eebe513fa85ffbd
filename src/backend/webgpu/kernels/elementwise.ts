// Elementwise kernels and embeddings (kernels/webgpu/{elementwise,residual_grad,embedding_grad}.wgsl).

import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../flat/store.js';
import { grid, type WebGpuBackend } from '../backend.js';
import { type WebGpuKernel, type WebGpuStockKernel, WORKGROUP } from './kernel.js';

const constants = { WORKGROUP };

function each(
  backend: WebGpuBackend,
  entry: string,
  bind: TensorInfo[],
  size: number,
  { width = 0, factor = 0 } = {},
): void {
  backend.run({
    source: 'elementwise',
    entry,
    constants,
    bind,
    ints: [size, width],
    floats: [factor],
    groups: grid(Math.ceil(size / WORKGROUP)),
  });
}

export const reluSquared: WebGpuKernel<'ReluSquared'> = ({ inputs: { x }, backend }) => {
  const y = backend.make(x.shape);
  each(backend, 'relu_squared', [x, y], sizeOf(y.shape));
  return [y];
};

export const reluSquaredGrad: WebGpuKernel<'ReluSquaredGrad'> = ({ inputs: { y, dy }, backend }) => {
  const dx = backend.make(y.shape);
  each(backend, 'relu_squared_grad', [y, dy, dx], sizeOf(dx.shape));
  return [dx];
};

export const residualMix: WebGpuKernel<'ResidualMix'> = ({
  inputs: { x, x0, residLambdas, x0Lambdas },
  attrs,
  backend,
}) => {
  const y = backend.make(x.shape);
  each(backend, 'residual_mix', [x, x0, y, residLambdas, x0Lambdas], sizeOf(y.shape), {
    width: attrs.layer,
  });
  return [y];
};

/** Elements whose share of the lambdas' gradients one workgroup adds up. */
const CHUNK = 4096;

export const residualMixGrad: WebGpuKernel<'ResidualMixGrad'> = ({ inputs, attrs, backend }) => {
  const { x, x0, residLambdas, x0Lambdas, dy } = inputs;
  const [dx, dx0] = [backend.make(x.shape), backend.make(x0.shape)];
  const [dResid, dX0] = [backend.make(residLambdas.shape), backend.make(x0Lambdas.shape)];
  const size = sizeOf(x.shape);
  const parts = Math.ceil(size / CHUNK);
  const ints = [size, CHUNK, attrs.layer, sizeOf(residLambdas.shape), parts];
  backend.scratch([2 * parts], (partial) => {
    const source = 'residual_grad';
    backend.run({
      source,
      entry: 'residual_mix_grad',
      constants,
      bind: [x, x0, dy, residLambdas, x0Lambdas, dx, dx0, partial],
      ints,
      groups: grid(parts),
    });
    backend.run({
      source,
      entry: 'lambda_grads',
      constants,
      bind: [partial, dResid, dX0],
      ints,
      groups: [1],
    });
  });
  return [dx, dx0, dResid, dX0];
};

export const accumulate: WebGpuKernel<'Accumulate'> = ({ inputs: { sum, x }, attrs, backend }) => {
  let total: TensorInfo;
  if (backend.reusable(sum)) total = backend.alias(sum);
  else {
    total = backend.make(sum.shape);
    backend.copy(sum, total);
  }
  each(backend, 'accumulate', [x, total], sizeOf(total.shape), { factor: attrs.factor });
  return [total];
};

export const embedding: WebGpuKernel<'Embedding'> = ({ inputs: { table, ids }, backend }) => {
  const width = table.shape[1]!;
  const y = backend.make([ids.shape[0]!, width]);
  each(backend, 'embedding', [table, ids, y], sizeOf(y.shape), { width });
  return [y];
};

const BLOCK = 256;

export const embeddingGrad: WebGpuKernel<'EmbeddingGrad'> = ({ inputs: { ids, dy }, attrs, backend }) => {
  const rows = attrs.rows;
  const [tokens, width] = dy.shape as [number, number];
  const dTable = backend.make([rows, width]);
  const blocks = Math.ceil(tokens / BLOCK);
  const ints = [tokens, rows, width, blocks];
  const run = (entry: string, bind: (TensorInfo | GPUBuffer)[], groups: [number, number?]) =>
    backend.run({ source: 'embedding_grad', entry, bind, ints, groups });
  backend.scratch([blocks * rows, rows, rows, tokens], (offsets, totals, starts, order) => {
    backend.clear(offsets);
    run('count', [ids, offsets], [blocks]);
    run('scan_blocks', [offsets, totals!], [Math.ceil(rows / BLOCK)]);
    run('scan_rows', [totals!, starts!], [1]);
    run('place', [ids, offsets, starts!, order!], [blocks]);
    run('sum_rows', [totals!, order!, starts!, dy, dTable], grid(Math.ceil((rows * width) / BLOCK)));
  });
  return [dTable];
};

/** sin, cos and tanh of a float32 tensor, in place of tfjs's, which are as inaccurate as WGSL allows. */
const unary =
  (entry: string): WebGpuStockKernel =>
  ({ inputs, backend }) => {
    const x = inputs.x!;
    if (x.dtype !== 'float32') return undefined;
    const y = backend.make(x.shape);
    const size = sizeOf(y.shape);
    if (size === 0) return y;
    const groups = grid(Math.ceil(size / WORKGROUP));
    backend.run({ source: 'unary', entry, constants, bind: [x, y], ints: [size], groups });
    return y;
  };

export const sin = unary('sin_of');
export const cos = unary('cos_of');
export const tanh = unary('tanh_of');
