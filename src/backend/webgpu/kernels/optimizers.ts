// AdamW and Muon in place (kernels/webgpu/optimizer.wgsl and products).

import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../flat/store.js';
import { adamwFactors, POLAR_EXPRESS_COEFFICIENTS } from '../../updates.js';
import { grid } from '../backend.js';
import { type WebGpuKernel, WORKGROUP } from './kernel.js';
import { multiply } from './matmul.js';

const source = 'optimizer';
const constants = { WORKGROUP };

export const adamWStep: WebGpuKernel<'AdamWStep'> = ({ inputs, attrs, backend }) => {
  const { param, expAvg, expAvgSq, grad } = inputs;
  const { keep, rate, correction } = adamwFactors(attrs);
  const size = sizeOf(param.shape);
  backend.run({
    source,
    entry: 'adamw',
    constants,
    bind: [grad, ...[param, expAvg, expAvgSq].map((x) => backend.writable(x))],
    ints: [size],
    floats: [keep, rate, attrs.beta1, attrs.beta2, correction, attrs.eps],
    groups: grid(Math.ceil(size / WORKGROUP)),
  });
  return [];
};

/** Workgroups per matrix that sum its squares. */
const NORM_PARTS = 32;

export const muonStep: WebGpuKernel<'MuonStep'> = ({ inputs, attrs, backend }) => {
  const { count, lr, momentum, beta2, weightDecay, nsSteps } = attrs;
  const [rows, columns] = inputs.param0!.shape as [number, number];
  const size = rows * columns;
  const short = Math.min(rows, columns);
  const long = Math.max(rows, columns);
  const velocity = backend.writable(inputs.momentum);
  const second = backend.writable(inputs.secondMoment);
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
  const floats = [
    count * size,
    count * size,
    count * short * short,
    count * short * short,
    count * long,
    count * parts,
  ];
  backend.scratch(floats, (first, other, gram, polynomial, moments, squares) => {
    let [update, next] = [first!, other!];
    for (let i = 0; i < count; i++)
      run('muon_momentum', [inputs[`grad${i}`]!, velocity, update], perElement, i);
    run('muon_squares', [update, squares], [parts, count]);
    run('muon_scale', [squares, update], [parts, count]);
    // Polar Express (Amsel et al. 2025, algorithm 1): A = X X^T on the short side, X <- a X + (b A + c A^2) X.
    const tall = rows > columns;
    for (const [a, b, c] of POLAR_EXPRESS_COEFFICIENTS.slice(0, nsSteps)) {
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
  });
  return [];
};
