// Kernels over rows: norm, rotary embedding with QK norm, gated value embedding (kernels/webgpu/{norm,rotary,
// value_embedding}.wgsl).

import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../flat/store.js';
import { grid } from '../backend.js';
import { type WebGpuKernel, WORKGROUP } from './kernel.js';
import { sumSplits } from './matmul.js';

const constants = { WORKGROUP };

export const rmsNorm: WebGpuKernel<'RmsNorm'> = ({ inputs: { x }, attrs, backend }) => {
  const [rows, width] = x.shape as [number, number];
  const [y, rstd] = [backend.make(x.shape), backend.make([rows, 1])];
  backend.run({
    source: 'norm',
    entry: 'rms_norm',
    constants,
    bind: [x, y, rstd],
    ints: [rows, width],
    floats: [attrs.epsilon],
    groups: grid(rows),
  });
  return [y, rstd];
};

export const rmsNormGrad: WebGpuKernel<'RmsNormGrad'> = ({ inputs: { y, rstd, dy }, backend }) => {
  const [rows, width] = y.shape as [number, number];
  const dx = backend.make(y.shape);
  backend.run({
    source: 'norm',
    entry: 'rms_norm_grad',
    constants,
    bind: [y, dx, rstd, dy],
    ints: [rows, width],
    floats: [0],
    groups: grid(rows),
  });
  return [dx];
};

export const rotaryQkNorm: WebGpuKernel<'RotaryQkNorm'> = ({ inputs: { x, cos, sin }, attrs, backend }) => {
  const heads = attrs.heads;
  const [seq, half] = cos.shape as [number, number];
  const rows = x.shape[0]! * heads;
  const [y, rstd] = [backend.make(x.shape), backend.make([rows, 1])];
  backend.run({
    source: 'rotary',
    entry: 'rotary_qk_norm',
    constants: { WORKGROUP: lanesFor(half) },
    bind: [x, cos, sin, y, rstd],
    ints: [rows, heads, seq, half],
    floats: [attrs.epsilon],
    groups: grid(rows),
  });
  return [y, rstd];
};

export const rotaryQkNormGrad: WebGpuKernel<'RotaryQkNormGrad'> = ({
  inputs: { y, rstd, cos, sin, dy },
  attrs,
  backend,
}) => {
  const heads = attrs.heads;
  const [seq, half] = cos.shape as [number, number];
  const rows = y.shape[0]! * heads;
  const dx = backend.make(y.shape);
  backend.run({
    source: 'rotary',
    entry: 'rotary_qk_norm_grad',
    constants: { WORKGROUP: lanesFor(half) },
    bind: [y, cos, sin, dx, rstd, dy],
    ints: [rows, heads, seq, half],
    floats: [0],
    groups: grid(rows),
  });
  return [dx];
};

/** Invocations for a row of `width`: a power of two from 16 to 64. */
const lanesFor = (width: number): number => (width > 32 ? 64 : width > 16 ? 32 : 16);

/** N, C, G, D, K of a gated value embedding, as the kernels take them. */
function gatedSizes(
  ve: TensorInfo,
  x: TensorInfo,
  gateWeight: TensorInfo,
): [number, number, number, number, number] {
  const [rows, width] = ve.shape as [number, number];
  const [kvHeads, channels] = gateWeight.shape as [number, number];
  return [rows, x.shape[1]!, kvHeads, width / kvHeads, channels];
}

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
