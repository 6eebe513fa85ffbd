// Kernels over rows: norm, rotary embedding with QK norm, gated value embedding (kernels/webgpu/{norm,rotary,
// value_embedding}.wgsl).

import type { TensorInfo } from '@tensorflow/tfjs-core';
import { gatedSizes } from '../../contract.js';
import { sizeOf } from '../../flat/store.js';
import { grid, type WebGpuBackend } from '../backend.js';
import { type WebGpuKernel, WORKGROUP } from './kernel.js';
import { sumSplits } from './matmul.js';

const constants = { WORKGROUP };

/** A kernel of norm.wgsl. */
function runNorm(
  backend: WebGpuBackend,
  entry: string,
  bind: TensorInfo[],
  [rows, width]: readonly number[],
  epsilon = 0,
): void {
  const [ints, floats, groups] = [[rows!, width!], [epsilon], grid(rows!)];
  backend.run({ source: 'norm', entry, constants, bind, ints, floats, groups });
}

export const rmsNorm: WebGpuKernel<'RmsNorm'> = ({ inputs: { x }, attrs, backend }) => {
  const [y, rstd] = [backend.make(x.shape), backend.make([x.shape[0]!, 1])];
  runNorm(backend, 'rms_norm', [x, y, rstd], x.shape, attrs.epsilon);
  return [y, rstd];
};

export const rmsNormGrad: WebGpuKernel<'RmsNormGrad'> = ({ inputs: { y, rstd, dy }, backend }) => {
  const dx = backend.make(y.shape);
  runNorm(backend, 'rms_norm_grad', [y, dx, rstd, dy], y.shape);
  return [dx];
};

/** A kernel of rotary.wgsl, on `rows` heads. */
function runRotary(
  backend: WebGpuBackend,
  entry: string,
  bind: TensorInfo[],
  { rows, heads, cos, epsilon = 0 }: { rows: number; heads: number; cos: TensorInfo; epsilon?: number },
): void {
  const [seq, half] = cos.shape as [number, number];
  const constants = { WORKGROUP: lanesFor(half) };
  const groups = grid(rows);
  const ints = [rows, heads, seq, half];
  backend.run({ source: 'rotary', entry, constants, bind, ints, floats: [epsilon], groups });
}

export const rotaryQkNorm: WebGpuKernel<'RotaryQkNorm'> = ({ inputs: { x, cos, sin }, attrs, backend }) => {
  const rows = x.shape[0]! * attrs.heads;
  const [y, rstd] = [backend.make(x.shape), backend.make([rows, 1])];
  runRotary(backend, 'rotary_qk_norm', [x, cos, sin, y, rstd], { rows, cos, ...attrs });
  return [y, rstd];
};

export const rotaryQkNormGrad: WebGpuKernel<'RotaryQkNormGrad'> = ({ inputs, attrs, backend }) => {
  const { y, rstd, cos, sin, dy } = inputs;
  const rows = y.shape[0]! * attrs.heads;
  const dx = backend.make(y.shape);
  runRotary(backend, 'rotary_qk_norm_grad', [y, cos, sin, dx, rstd, dy], { rows, cos, ...attrs });
  return [dx];
};

/** Invocations for a row of `width`: a power of two from 16 to 64. */
const lanesFor = (width: number): number => (width > 32 ? 64 : width > 16 ? 32 : 16);

export const gatedValueEmbedding: WebGpuKernel<'GatedValueEmbedding'> = ({
  inputs: { v, ve, x, gateWeight },
  backend,
}) => {
  const sizes = gatedSizes(ve, x, gateWeight);
  const [rows, , kvHeads, headDim] = sizes;
  const [y, gate] = [backend.make(v.shape), backend.make([rows, kvHeads])];
  backend.run({
    source: 'value_embedding',
    entry: 'gated_value_embedding',
    constants: { WORKGROUP: lanesFor(headDim) },
    bind: [v, ve, x, gateWeight, y, gate],
    ints: [...sizes, 0, 0],
    groups: grid(rows * kvHeads),
  });
  return [y, gate];
};

/** Tokens whose share of the gate weight's gradient one workgroup adds up. */
const CHUNK = 128;

export const gatedValueEmbeddingGrad: WebGpuKernel<'GatedValueEmbeddingGrad'> = ({
  inputs: { ve, x, gateWeight, gate, dy },
  backend,
}) => {
  const sizes = gatedSizes(ve, x, gateWeight);
  const [rows, width, kvHeads, headDim, channels] = sizes;
  const [dve, dx, dWeight] = [backend.make(ve.shape), backend.make(x.shape), backend.make(gateWeight.shape)];
  const parts = Math.ceil(rows / CHUNK);
  const ints = [...sizes, CHUNK, parts];
  const source = 'value_embedding';
  backend.scratch([rows * kvHeads, parts * kvHeads * channels], (dz, partial) => {
    backend.run({
      source,
      entry: 'gate_grad',
      constants: { WORKGROUP: lanesFor(headDim) },
      bind: [dy, ve, gate, dve, dz],
      ints,
      groups: grid(rows * kvHeads),
    });
    backend.run({
      source,
      entry: 'gate_input_grad',
      constants,
      bind: [dz, gateWeight, dx],
      ints,
      groups: grid(Math.ceil((rows * width) / WORKGROUP)),
    });
    backend.run({
      source,
      entry: 'gate_weight_grad',
      constants,
      bind: [dz, x, partial!],
      ints,
      groups: [parts],
    });
    const size = sizeOf(gateWeight.shape);
    sumSplits(backend, { partial: partial!, out: dWeight, splits: parts, size });
  });
  return [dve, dx, dWeight];
};
