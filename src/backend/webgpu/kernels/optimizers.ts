// AdamW and Muon in place (kernels/webgpu/optimizer.wgsl and products).

import type { TensorInfo } from '@tensorflow/tfjs-core';
import { POLAR_EXPRESS } from '../../cuda/kernels/polarExpress.js';
import { grid } from '../backend.js';
import { STORAGE } from '../buffers.js';
import { sizeOf, type WebGpuKernel, WORKGROUP } from './kernel.js';
import { multiply } from './matmul.js';

const source = 'optimizer';
const constants = { WORKGROUP };

export const adamwStep: WebGpuKernel = ({ inputs, attrs, backend }) => {
  const { param, expAvg, expAvgSq, grad } = inputs as Record<
    'param' | 'expAvg' | 'expAvgSq' | 'grad',
    TensorInfo
  >;
  const { lr, beta1, beta2, eps, weightDecay, step } = attrs as Record<
    'lr' | 'beta1' | 'beta2' | 'eps' | 'weightDecay' | 'step',
    number
  >;
  const size = sizeOf(param.shape);
  backend.run({
    source,
    entry: 'adamw',
    constants,
    bind: [grad, ...[param, expAvg, expAvgSq].map((x) => backend.writable(x))],
    ints: [size],
    floats: [1 - lr * weightDecay, lr / (1 - beta1 ** step), beta1, beta2, 1 / (1 - beta2 ** step), eps],
    groups: grid(Math.ceil(size / WORKGROUP)),
  });
  return [];
};

/** Workgroups per matrix that sum its squares. */
const NORM_PARTS = 32;

export const muonStep: WebGpuKernel = ({ inputs, attrs, backend }) => {
  const { count, lr, momentum, beta2, weightDecay, nsSteps } = attrs as Record<
    'count' | 'lr' | 'momentum' | 'beta2' | 'weightDecay' | 'nsSteps',
    number
  >;
  const [rows, columns] = inputs.param0!.shape as [number, number];
  const size = rows * columns;
  const short = Math.min(rows, columns);
  const long = Math.max(rows, columns);
  const velocity = backend.writable(inputs.momentum!);
  const second = backend.writable(inputs.secondMoment!);
  const parts = Math.min(NORM_PARTS, Math.ceil(size / WORKGROUP));
  const run = (entry: string, bind: (TensorInfo | GPUBuffer)[], groups: [number, number?], matrix = 0) =>
    backend.run({
      source,
      entry,
      constants,
      bind,
      ints: [count, rows, columns, matrix, parts],
      floats: [lr, momentum, beta2, weightDecay],
      groups,
    });
  const perElement = grid(Math.ceil(size / WORKGROUP));
  const buffers = [
    count * size,
    count * size,
    count * short * short,
    count * short * short,
    count * long,
    count * parts,
  ];
  const held = buffers.map((floats) => backend.pool.acquireBuffer(4 * floats, STORAGE));
  const [first, other, gram, polynomial, moments, squares] = held as [
    GPUBuffer,
    GPUBuffer,
    GPUBuffer,
    GPUBuffer,
    GPUBuffer,
    GPUBuffer,
  ];
  let [update, next] = [first, other];
  for (let i = 0; i < count; i++)
    run('muon_momentum', [inputs[`grad${i}`]!, velocity, update], perElement, i);
  run('muon_squares', [update, squares], [parts, count]);
  run('muon_scale', [squares, update], [parts, count]);
  // Polar Express (Amsel et al. 2025, algorithm 1): A = X X^T on the short side, X <- a X + (b A + c A^2) X.
  const tall = rows > columns;
  for (const [a, b, c] of POLAR_EXPRESS.slice(0, nsSteps)) {
    const square = { m: short, n: short, count };
    multiply(backend, {
      ...square,
      k: long,
      a: update,
      b: update,
      c: gram,
      transposeA: tall,
      transposeB: !tall,
    });
    multiply(backend, { ...square, k: short, a: gram, b: gram, c: polynomial, alpha: c, e: gram, beta: b });
    const [left, right] = tall ? [update, polynomial] : [polynomial, update];
    multiply(backend, {
      m: rows,
      n: columns,
      k: short,
      count,
      a: left,
      b: right,
      c: next,
      e: update,
      beta: a,
    });
    [update, next] = [next, update];
  }
  if (rows >= columns) run('muon_row_moments', [update, moments], [rows, count]);
  else run('muon_column_moments', [update, moments], [Math.ceil(columns / WORKGROUP), count]);
  run('muon_factors', [second, moments], [count]);
  for (let i = 0; i < count; i++)
    run('muon_apply', [update, backend.writable(inputs[`param${i}`]!), moments], perElement, i);
  for (const buffer of held) backend.pool.releaseBuffer(buffer);
  return [];
};
