// Causal attention (kernels/cuda/attention.cu, in bf16 attention_mma.cu). Contract: src/ops/attention.ts.

import { expect } from '../../../base/errors.js';
import type { Info } from '../../flat/store.js';
import type { CudaBackend } from '../backend.js';
import { OLDEST_BF16_CHIP } from '../device.js';
import { type CudaKernel, numbersOf } from './kernel.js';
import { rowTeam } from './team.js';

const THREADS = 128;
/** The widest head of the kernels, and the widths that tensor cores take. */
const WIDEST = 128;
const MMA_WIDTHS = [32, 64, 96, 128];

type Sizes = { B: number; T: number; H: number; G: number; D: number; window: number };

function sizesOf(q: Info, attrs: Record<string, unknown>): Sizes {
  const { batch, seq, heads, kvHeads, window } = numbersOf<'batch' | 'seq' | 'heads' | 'kvHeads' | 'window'>(
    attrs,
  );
  const D = q.shape[1]! / heads;
  expect(
    D <= WIDEST,
    () =>
      `Expected heads of at most ${WIDEST} numbers on the cuda backend, got ${D}; set --head-dim ${WIDEST}`,
  );
  // A window beyond the sequence hides nothing, and may be infinite.
  return { B: batch, T: seq, H: heads, G: kvHeads, D, window: Math.min(seq, Math.floor(window)) };
}

/** Of all kernels of a head width, so that the source is compiled once for it. */
const definesOf = (D: number) => ({ D, ...rowTeam(D).defines });

/** The source for a head width, its rows a tile, and the dynamic shared memory of each kernel, bytes. */
function variantOf(backend: CudaBackend, D: number) {
  const mma =
    backend.precision === 'bf16' && backend.session.device.chip >= OLDEST_BF16_CHIP && MMA_WIDTHS.includes(D);
  if (!mma) return { source: 'cuda/attention.cu', tile: 32, shared: { y: 0, q: 0, kv: 0 } };
  const row = 64 * (D + 8);
  return { source: 'cuda/attention_mma.cu', tile: 64, shared: { y: 6 * row, q: 8 * row, kv: 8 * row + 512 } };
}

const causalAttention: CudaKernel = ({ inputs, attrs, backend }) => {
  const { q, k, v } = inputs as { q: Info; k: Info; v: Info };
  const { B, T, H, G, D, window } = sizesOf(q, attrs);
  const y = backend.make(q.shape);
  const lse = backend.make([q.shape[0]!, H]);
  const { source, tile, shared } = variantOf(backend, D);
  const arrays = [q, k, v, y, lse].map((tensor) => backend.address(tensor));
  backend.launch(
    { source, name: 'attention', types: 'iiiifppppp', defines: definesOf(D), shared: shared.y },
    [Math.ceil(T / tile), H, B],
    THREADS,
    [T, H, G, window, 1 / Math.sqrt(D), ...arrays],
  );
  return [y, lse];
};

const causalAttentionGrad: CudaKernel = ({ inputs, attrs, backend }) => {
  const { q, k, v, y, lse, dy } = inputs as Record<'q' | 'k' | 'v' | 'y' | 'lse' | 'dy', Info>;
  const { B, T, H, G, D, window } = sizesOf(q, attrs);
  const rows = B * T;
  const [dq, dk, dv] = [q, k, v].map(({ shape }) => backend.make(shape)) as [Info, Info, Info];
  const delta = backend.scratch(4 * rows * H);
  const { source, tile, shared } = variantOf(backend, D);
  const at = (x: Info) => backend.address(x);
  const team = rowTeam(D);
  backend.launch(
    { source, name: 'attention_delta', types: 'iippp', defines: definesOf(D) },
    team.blocks(rows * H),
    team.threads,
    [rows, H, at(y), at(dy), delta],
  );
  const scale = 1 / Math.sqrt(D);
  const common = [T, H, G, window, scale, at(q), at(k), at(v), at(dy), at(lse), delta];
  backend.launch(
    { source, name: 'attention_grad_q', types: 'iiiifppppppp', defines: definesOf(D), shared: shared.q },
    [Math.ceil(T / tile), H, B],
    THREADS,
    [...common, at(dq)],
  );
  backend.launch(
    { source, name: 'attention_grad_kv', types: 'iiiifpppppppp', defines: definesOf(D), shared: shared.kv },
    [Math.ceil(T / tile), G, B],
    THREADS,
    [...common, at(dk), at(dv)],
  );
  return [dq, dk, dv];
};

export const ATTENTION: Record<string, CudaKernel> = {
  CausalAttention: causalAttention,
  CausalAttentionGrad: causalAttentionGrad,
};
