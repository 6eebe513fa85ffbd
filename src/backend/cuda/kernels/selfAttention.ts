// Self-attention from its input on: one product for queries, keys and values, which lie side by side in the rows of one matrix,
// and one for each of its gradients; rotary embedding, norms and gates in place. Contract: src/ops/selfAttention.ts.

import { type Info, sizeOf } from '../../flat/store.js';
import type { CudaBackend } from '../backend.js';
import { attend, attendGrad, type HeadArrays, type Sizes, sizesOf } from './attention.js';
import type { CudaKernel } from './kernel.js';
import { operandType } from './products.js';
import { openGates, openGatesGrad, rotate, rotateGrad } from './rows.js';

/** Queries, keys and values, or their gradients, in one matrix. */
function arraysIn(backend: CudaBackend, matrix: Info, { H, G, D }: Sizes): HeadArrays {
  const q = backend.activation(matrix);
  const bytes = backend.precision === 'bf16' ? 2 : 4;
  const stride = (H + 2 * G) * D;
  return { q, k: q + bytes * H * D, v: q + bytes * (H + G) * D, qStride: stride, kvStride: stride };
}

/** Queries and keys in its rows. */
const rotatedHeads = (matrix: Info, cos: Info, { H, G, D }: Sizes) => {
  const [rows, stride] = matrix.shape as [number, number];
  return { rows, T: cos.shape[0]!, heads: H + G, D, stride };
};

export const selfAttention: CudaKernel<'SelfAttention'> = ({ inputs, attrs, backend }) => {
  const { x, wq, wk, wv, cos, sin, ve, gateWeight } = inputs;
  const [N, C] = x.shape as [number, number];
  const sizes = sizesOf(wq.shape[0]!, attrs);
  const { H, G, D } = sizes;
  const width = (H + 2 * G) * D;
  const qkv = backend.makeActivation([N, width]);
  const arrays = arraysIn(backend, qkv, sizes);
  const operands = operandType(backend);
  const [a, b] = [backend.activation(x), backend.joined([wq, wk, wv])];
  backend.multiply({
    ...{ m: N, n: width, k: C, transposeB: true, a, b, c: arrays.q },
    ...{ operands, result: operands },
  });
  const rstd = backend.make([N, H + G]);
  rotate(backend, rotatedHeads(qkv, cos, sizes), attrs.epsilon, [cos, sin], arrays.q, arrays.q, rstd);
  const gate = ve && backend.make([N, G]);
  if (gate) openGates(backend, { ve, x, gateWeight: gateWeight! }, width, arrays.v, arrays.v, gate);
  const y = backend.makeActivation([N, H * D]);
  const lse = backend.make([N, H]);
  attend(backend, sizes, arrays, y, lse);
  return gate ? [y, qkv, rstd, lse, gate] : [y, qkv, rstd, lse];
};

export const selfAttentionGrad: CudaKernel<'SelfAttentionGrad'> = ({ inputs, attrs, backend }) => {
  const { x, wq, wk, wv, cos, sin, ve, gateWeight, y, qkv, rstd, lse, gate, dy } = inputs;
  const [N, C] = x.shape as [number, number];
  const sizes = sizesOf(wq.shape[0]!, attrs);
  const width = qkv.shape[1]!;
  const operands = operandType(backend);
  const bytes = operands === 'bf16' ? 2 : 4;
  const dx = backend.makeActivation(x.shape);
  const gated = ve && { ve, x, gateWeight: gateWeight! };
  const dve = ve && backend.makeActivation(ve.shape);
  const dGate = gateWeight && backend.make(gateWeight.shape);
  const arrays = arraysIn(backend, qkv, sizes);
  const a = backend.scratch(bytes * sizeOf(qkv.shape));
  const made = { ...arrays, q: a, k: a + arrays.k - arrays.q, v: a + arrays.v - arrays.q };
  const back = () => rotateGrad(backend, rotatedHeads(qkv, cos, sizes), [cos, sin], arrays.q, rstd, a, a);
  attendGrad(backend, sizes, arrays, { y, lse, dy }, made, { rstd, cos, sin, back });
  backend.multiply({
    ...{ m: N, n: C, k: width, a, b: backend.joined([wq, wk, wv]), c: backend.activation(dx) },
    ...{ operands, result: operands },
  });
  if (gated) openGatesGrad(backend, gated, width, gate!, made.v, [dve!, dx, dGate!], true);
  const dws = backend.makeJoined([wq.shape, wk.shape, wv.shape], (c) =>
    backend.multiply({
      ...{ m: width, n: C, k: N, transposeA: true, a, b: backend.activation(x), c },
      operands,
    }),
  ) as [Info, Info, Info];
  return gated ? [dx, ...dws, dve!, dGate!] : [dx, ...dws];
};
