// Causal attention (kernels/native/attention.c).

import type { AttentionShape } from '../../contract.js';
import type { Info } from '../../flat/store.js';
import { assertMemory } from '../library.js';
import type { NativeKernel } from './kernel.js';

/** B, T, H, G, D and the window, as C takes them. */
function sizesOf(q: Info, { batch, seq, heads, kvHeads, window }: AttentionShape) {
  // A window beyond the sequence hides nothing, and may be infinite.
  return [batch, seq, heads, kvHeads, q.shape[1]! / heads, Math.min(seq, Math.floor(window))] as const;
}

export const causalAttention: NativeKernel<'CausalAttention'> = ({ inputs, attrs, backend, c }) => {
  const { q, k, v } = inputs;
  const y = backend.makeActivation(q.shape);
  const lse = backend.make([q.shape[0]!, attrs.heads]);
  const { arrays, bf16 } = backend.cells(q, k, v, y);
  const done = c.tg_attention(bf16, ...sizesOf(q, attrs), ...arrays, backend.floats(lse));
  assertMemory(done, 'CausalAttention');
  return [y, lse];
};

export const causalAttentionGrad: NativeKernel<'CausalAttentionGrad'> = ({ inputs, attrs, backend, c }) => {
  const { q, k, v, y, lse, dy } = inputs;
  const outputs = backend.makeLike(q, k, v);
  const { arrays, bf16 } = backend.cells(q, k, v, y, dy);
  const [qs, ks, vs, ys, dys] = arrays;
  const lses = backend.floats(lse);
  const made = outputs.map((tensor) => backend.floats(tensor));
  const sizes = sizesOf(q, attrs);
  assertMemory(
    c.tg_attention_grad(bf16, ...sizes, qs, ks, vs, ys, lses, dys, ...made),
    'CausalAttentionGrad',
  );
  return outputs;
};
