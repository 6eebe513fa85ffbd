// Causal attention (kernels/native/attention.c). Contract: src/ops/attention.ts.

import type { Info } from '../../flat/store.js';
import { assertMemory } from '../library.js';
import { type NativeKernel, numbersOf } from './kernel.js';

/** B, T, H, G, D and the window, as C takes them. */
function sizesOf(q: Info, attrs: Record<string, unknown>): [number, number, number, number, number, number] {
  const { batch, seq, heads, kvHeads, window } = numbersOf<'batch' | 'seq' | 'heads' | 'kvHeads' | 'window'>(
    attrs,
  );
  // A window beyond the sequence hides nothing, and may be infinite.
  return [batch, seq, heads, kvHeads, q.shape[1]! / heads, Math.min(seq, Math.floor(window))];
}

export const causalAttention: NativeKernel = ({ inputs, attrs, backend, c }) => {
  const { q, k, v } = inputs as { q: Info; k: Info; v: Info };
  const y = backend.makeActivation(q.shape);
  const lse = backend.make([q.shape[0]!, attrs.heads as number]);
  const { arrays, halves } = backend.cells(q, k, v, y);
  assertMemory(
    c.tg_attention(halves, ...sizesOf(q, attrs), ...arrays, backend.floats(lse)),
    'CausalAttention',
  );
  return [y, lse];
};

export const causalAttentionGrad: NativeKernel = ({ inputs, attrs, backend, c }) => {
  const { q, k, v, y, lse, dy } = inputs as Record<'q' | 'k' | 'v' | 'y' | 'lse' | 'dy', Info>;
  const outputs = [q, k, v].map(({ shape }) => backend.make(shape));
  const { arrays, halves } = backend.cells(q, k, v, y, dy);
  const slopes = arrays.pop()!;
  const made = outputs.map((tensor) => backend.floats(tensor));
  assertMemory(
    c.tg_attention_grad(halves, ...sizesOf(q, attrs), ...arrays, backend.floats(lse), slopes, ...made),
    'CausalAttentionGrad',
  );
  return outputs;
};
