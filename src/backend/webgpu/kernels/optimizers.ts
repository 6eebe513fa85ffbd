// AdamW and Muon in place (kernels/webgpu/optimizer.wgsl and products).

import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../flat/store.js';
import { adamwFactors, POLAR_EXPRESS_COEFFICIENTS } from '../../updates.js';
import { grid, type WebGpuBackend } from '../backend.js';
import { type WebGpuKernel, WORKGROUP } from './kernel.js';
import { multiply } from './matmul.js';

const source = 'optimizer';

/** As many as their parameters, 32 bytes each, fit into a slot of uniforms. */
const MOST_TENSORS = 8;

type AdamWStep = { size: number; settings: readonly number[]; bind: readonly GPUBuffer[] };

/** Steps that wait for others to share a dispatch with. */
const queues = new WeakMap<WebGpuBackend, AdamWStep[]>();

export const adamWStep: WebGpuKernel<'AdamWStep'> = ({ inputs, attrs, backend }) => {
  const { param, expAvg, expAvgSq, grad } = inputs;
  const { keep, rate, correction } = adamwFactors(attrs);
  const step = {
    size: sizeOf(param.shape),
    settings: [keep, rate, attrs.beta1, attrs.beta2, correction, attrs.eps],
    bind: [grad, ...[param, expAvg, expAvgSq].map((x) => backend.writable(x))].map((x) =>
      backend.resident(x),
    ),
  };
  const queue = queues.get(backend) ?? [];
  queues.set(backend, queue);
  // A dispatch cannot bind a buffer twice to write to it.
  if (queue.some(({ bind }) => bind[1] === step.bind[1])) backend.ensureCommandEncoderReady();
  queue.push(step);
  if (queue.length === 1)
    backend.postpone(() => {
      for (const steps of chunks(queue.splice(0), Math.min(MOST_TENSORS, Math.floor(backend.bindings / 4))))
        dispatch(backend, steps);
    });
  return [];
};

function dispatch(backend: WebGpuBackend, steps: readonly AdamWStep[]): void {
  const bits = (values: readonly number[]) => new Uint32Array(Float32Array.from(values).buffer);
  backend.run({
    source,
    entry: 'adamw',
    constants: { WORKGROUP, TENSORS: steps.length },
    bind: steps.flatMap(({ bind }) => bind),
    ints: steps.flatMap(({ size, settings }) => [size, ...bits(settings), 0]),
    groups: grid(steps.reduce((sum, { size }) => sum + Math.ceil(size / WORKGROUP), 0)),
  });
}

function chunks<T>(items: readonly T[], length: number): T[][] {
  const count = Math.ceil(items.length / length);
  return Array.from({ length: count }, (_, i) => items.slice(i * length, (i + 1) * length));
}

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
  const run = (
    entry: string,
    bind: (TensorInfo | GPUBuffer)[],
    groups: [number, number?, number?],
    matrix = 0,
    tensors: TensorInfo[] = [],
  ) =>
    backend.run({
      source,
      entry,
      constants: { WORKGROUP, TENSORS: Math.max(1, tensors.length) },
      bind: [...bind, ...tensors],
      ints: [count, rows, columns, matrix, parts],
      floats: [lr, momentum, beta2, weightDecay],
      groups,
    });
  /** A kernel over the K matrices' own tensors, as many at a time as can be bound. */
  const runEach = (entry: string, bind: (TensorInfo | GPUBuffer)[], tensors: TensorInfo[]) => {
    let first = 0;
    for (const some of chunks(tensors, backend.bindings - bind.length)) {
      run(entry, bind, [...grid(Math.ceil(size / WORKGROUP)), some.length], first, some);
      first += some.length;
    }
  };
  const each = (name: 'param' | 'grad') => Array.from({ length: count }, (_, i) => inputs[`${name}${i}`]!);
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
    runEach('muon_momentum', [velocity, update], each('grad'));
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
    const params = each('param').map((param) => backend.writable(param));
    runEach('muon_apply', [update, moments], params);
  });
  return [];
};
