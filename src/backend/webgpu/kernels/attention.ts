// Causal attention (kernels/webgpu/attention.wgsl).

import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { AttentionShape } from '../../contract.js';
import { grid } from '../backend.js';
import type { WebGpuKernel } from './kernel.js';

const TILE = 32;

function shapeOf(q: TensorInfo, sizes: AttentionShape) {
  const { seq, heads, kvHeads } = sizes;
  const headDim = q.shape[1]! / heads;
  const window = Math.min(seq, Math.floor(sizes.window));
  return {
    ...sizes,
    tiles: Math.ceil(seq / TILE),
    constants: { HEAD_DIM: headDim, CHUNKS: Math.ceil(headDim / 32) },
    ints: [seq, heads, kvHeads, window],
    floats: [1 / Math.sqrt(headDim)],
  };
}

export const causalAttention: WebGpuKernel<'CausalAttention'> = ({ inputs: { q, k, v }, attrs, backend }) => {
  const { batch, heads, tiles, constants, ints, floats } = shapeOf(q, attrs);
  const [y, lse] = [backend.make(q.shape), backend.make([q.shape[0]!, heads])];
  backend.run({
    source: 'attention',
    entry: 'attention',
    constants,
    bind: [q, k, v, y, lse],
    ints,
    floats,
    groups: [tiles, heads, batch],
  });
  return [y, lse];
};

export const causalAttentionGrad: WebGpuKernel<'CausalAttentionGrad'> = ({
  inputs: { q, k, v, y, lse, dy },
  attrs,
  backend,
}) => {
  const { batch, heads, kvHeads, tiles, constants, ints, floats } = shapeOf(q, attrs);
  const [dq, dk, dv] = [backend.make(q.shape), backend.make(k.shape), backend.make(v.shape)];
  const rows = q.shape[0]! * heads;
  const common = { source: 'attention', constants, floats };
  backend.scratch([rows], (delta) => {
    backend.run({
      ...common,
      entry: 'attention_delta',
      bind: [y, dy, delta],
      ints: [rows, ...ints.slice(1)],
      groups: grid(Math.ceil(rows / 128)),
    });
    const bind = [q, k, v, dy, lse, delta];
    backend.run({
      ...common,
      entry: 'attention_grad_q',
      bind: [...bind, dq],
      ints,
      groups: [tiles, heads, batch],
    });
    backend.run({
      ...common,
      entry: 'attention_grad_kv',
      bind: [...bind, dk, dv],
      ints,
      groups: [tiles, kvHeads, batch],
    });
  });
  return [dq, dk, dv];
};
