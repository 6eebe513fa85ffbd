// Kernels by rows: embedding, norm, rotary embedding, gated value embedding (kernels/native/{embedding,norm,rotary,
// value_embedding}.c).

import { gatedSizes } from '../../contract.js';
import { sizeOf } from '../../flat/store.js';
import { assertMemory } from '../library.js';
import type { NativeKernel } from './kernel.js';

export const embedding: NativeKernel<'Embedding'> = ({ inputs: { table, ids }, backend, c }) => {
  const [vocab, width] = table.shape as [number, number];
  const count = sizeOf(ids.shape);
  const y = backend.make([count, width]);
  const at = c.tg_embedding(count, vocab, width, backend.floats(table), backend.ints(ids), backend.floats(y));
  if (at < 0) return [y];
  backend.disposeData(y.dataId);
  throw new Error(`Embedding: expected ids in [0, ${vocab}), got ${backend.ints(ids)[at]} at ${at}`);
};

export const embeddingGrad: NativeKernel<'EmbeddingGrad'> = ({ inputs: { ids, dy }, attrs, backend, c }) => {
  const { rows } = attrs;
  const [count, width] = dy.shape as [number, number];
  const dTable = backend.make([rows, width]);
  c.tg_embedding_grad(count, rows, width, backend.ints(ids), backend.floats(dy), backend.floats(dTable));
  return [dTable];
};

export const rmsNorm: NativeKernel<'RmsNorm'> = ({ inputs: { x }, attrs, backend, c }) => {
  const { epsilon, residual } = attrs;
  const [rows, width] = x.shape as [number, number];
  const y = residual ? backend.make(x.shape) : backend.makeActivation(x.shape);
  const rstd = backend.make([rows, 1]);
  const { arrays, bf16 } = backend.cells(y);
  c.tg_rms_norm(bf16, rows, width, epsilon, backend.floats(x), arrays[0], backend.floats(rstd));
  return [y, rstd];
};

export const rmsNormGrad: NativeKernel<'RmsNormGrad'> = ({ inputs: { y, rstd, dy }, backend, c }) => {
  const [rows, width] = y.shape as [number, number];
  const dx = backend.make(y.shape);
  const { arrays, bf16 } = backend.cells(y, dy);
  c.tg_rms_norm_grad(bf16, rows, width, arrays[0], backend.floats(rstd), arrays[1], backend.floats(dx));
  return [dx];
};

export const rotaryQkNorm: NativeKernel<'RotaryQkNorm'> = ({
  inputs: { x, cos, sin },
  attrs,
  backend,
  c,
}) => {
  const { heads, epsilon } = attrs;
  const [rows, width] = x.shape as [number, number];
  const y = backend.makeActivation(x.shape);
  const rstd = backend.make([rows * heads, 1]);
  const { arrays, bf16 } = backend.cells(x, y);
  const tables = [cos, sin].map((table) => backend.floats(table));
  const sizes = [rows, cos.shape[0]!, heads, width / heads] as const;
  c.tg_rotary(bf16, ...sizes, epsilon, arrays[0], ...tables, arrays[1], backend.floats(rstd));
  return [y, rstd];
};

export const rotaryQkNormGrad: NativeKernel<'RotaryQkNormGrad'> = ({ inputs, attrs, backend, c }) => {
  const { y, rstd, cos, sin, dy } = inputs;
  const { heads } = attrs;
  const [rows, width] = y.shape as [number, number];
  const dx = backend.makeActivation(y.shape);
  const { arrays, bf16 } = backend.cells(y, dx);
  const others = [rstd, cos, sin, dy].map((tensor) => backend.floats(tensor));
  c.tg_rotary_grad(bf16, rows, cos.shape[0]!, heads, width / heads, arrays[0], ...others, arrays[1]);
  return [dx];
};

export const gatedValueEmbedding: NativeKernel<'GatedValueEmbedding'> = ({ inputs, backend, c }) => {
  const { v, ve, x, gateWeight } = inputs;
  const y = backend.makeActivation(v.shape);
  const gate = backend.make([v.shape[0]!, gateWeight.shape[0]!]);
  const { arrays, bf16 } = backend.cells(v, x, y);
  const [vs, xs, ys] = arrays;
  const [embeddings, weights, gates] = [ve, gateWeight, gate].map((tensor) => backend.floats(tensor));
  const sizes = gatedSizes(ve, x, gateWeight);
  c.tg_value_embedding(bf16, ...sizes, vs, embeddings!, xs, weights!, ys, gates!);
  return [y, gate];
};

export const gatedValueEmbeddingGrad: NativeKernel<'GatedValueEmbeddingGrad'> = ({ inputs, backend, c }) => {
  const { ve, x, gateWeight, gate, dy } = inputs;
  const outputs = backend.makeLike(ve, x, gateWeight);
  const { arrays, bf16 } = backend.cells(x);
  const others = [gateWeight, gate, dy, ...outputs].map((tensor) => backend.floats(tensor));
  const sizes = gatedSizes(ve, x, gateWeight);
  const done = c.tg_value_embedding_grad(bf16, ...sizes, backend.floats(ve), arrays[0], ...others);
  assertMemory(done, 'GatedValueEmbeddingGrad');
  return outputs;
};
