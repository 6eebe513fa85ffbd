// Causal attention (kernels/cuda/attention.cu, in bf16 attention_mma.cu). Contract: src/ops/attention.ts.

import { expect } from '../../../base/errors.js';
import type { KernelAttributes } from '../../contract.js';
import type { Info } from '../../flat/store.js';
import type { Precision } from '../../types.js';
import type { CudaBackend } from '../backend.js';
import { OLDEST_BF16_CHIP } from '../device.js';
import type { CudaKernel } from './kernel.js';
import { rowTeam } from './team.js';

/** The widest head of the kernels. */
const WIDEST = 256;

type Sizes = { B: number; T: number; H: number; G: number; D: number; window: number };

function sizesOf(q: Info, attrs: KernelAttributes<'CausalAttention'>): Sizes {
  const { batch, seq, heads, kvHeads, window } = attrs;
  const D = q.shape[1]! / heads;
  expect(
    D <= WIDEST,
    () => `Expected heads of at most ${WIDEST} numbers on the cuda backend, got ${D}; set --head-dim`,
  );
  // A window beyond the sequence hides nothing, and may be infinite.
  return { B: batch, T: seq, H: heads, G: kvHeads, D, window: Math.min(seq, Math.floor(window)) };
}

/** Of all kernels of a head width, so that the source is compiled once for it. */
const definesOf = (D: number, precision: Precision) => ({ D, ...rowTeam(D, [], precision).defines });

/** How attention is launched for heads of one width. */
export interface AttentionLaunch {
  source: string;
  /** Queries, or keys, of a block. */
  own: number;
  /** Threads of a block, and of one of the gradients. */
  threads: number;
  gradThreads: number;
  /** Dynamic shared memory of each kernel, bytes. */
  shared: { forward: number; gradQ: number; gradKv: number };
}

/** In float32 on any chip: kernels/cuda/attention.cu, whose shared memory is static, 33,024 bytes at most. */
export function plainLaunch(D: number): AttentionLaunch {
  const shared = { forward: 0, gradQ: 0, gradKv: 0 };
  return { source: 'cuda/attention.cu', own: D <= 128 ? 32 : 16, threads: 128, gradThreads: 128, shared };
}

/** On tensor cores: attention_mma.cu. Undefined for widths that it does not take. */
export function tensorCoreLaunch(D: number): AttentionLaunch | undefined {
  const wide = D > 128;
  if (D % (wide ? 32 : 16) !== 0 || D > WIDEST) return undefined;
  const own = wide ? 64 : 128;
  const keys = wide ? 32 : 64;
  const queries = wide ? 16 : D > 64 ? 32 : 64;
  const row = 2 * (D + 8);
  // Up to 128 two stages of tiles take the place of the block's own rows, which are in registers by then.
  const shared = {
    forward: row * (own + 2 * keys),
    gradQ: row * (wide ? 2 * own + 2 * keys : 2 * own),
    gradKv: row * (wide ? 2 * own + 2 * queries : 2 * own) + 8 * queries * (wide ? 1 : 2),
  };
  return { source: 'cuda/attention_mma.cu', own, threads: wide ? 256 : 128, gradThreads: 256, shared };
}

/** Tensor cores where precision, chip and head allow. */
function launchFor(backend: CudaBackend, D: number): AttentionLaunch {
  const { chip, sharedBytes } = backend.session.device;
  const bf16 = backend.precision === 'bf16' && chip >= OLDEST_BF16_CHIP;
  const launch = bf16 ? tensorCoreLaunch(D) : undefined;
  return launch && Math.max(...Object.values(launch.shared)) <= sharedBytes ? launch : plainLaunch(D);
}

export const causalAttention: CudaKernel<'CausalAttention'> = ({ inputs: { q, k, v }, attrs, backend }) => {
  const { B, T, H, G, D, window } = sizesOf(q, attrs);
  const y = backend.makeActivation(q.shape);
  const lse = backend.make([q.shape[0]!, H]);
  const { source, own, threads, shared } = launchFor(backend, D);
  const arrays = [...[q, k, v, y].map((tensor) => backend.activation(tensor)), backend.address(lse)];
  backend.launch(
    {
      source,
      name: 'attention',
      defines: definesOf(D, backend.precision),
      shared: shared.forward,
    },
    Math.ceil(T / own) * H * B,
    threads,
    [T, H, G, window, 1 / Math.sqrt(D), ...arrays],
  );
  return [y, lse];
};

export const causalAttentionGrad: CudaKernel<'CausalAttentionGrad'> = ({ inputs, attrs, backend }) => {
  const { q, k, v, y, lse, dy } = inputs;
  const { B, T, H, G, D, window } = sizesOf(q, attrs);
  const rows = B * T;
  const [dq, dk, dv] = backend.makeActivations(q, k, v);
  const delta = backend.scratch(4 * rows * H);
  const { source, own, gradThreads, shared } = launchFor(backend, D);
  const at = (x: Info) => backend.activation(x);
  const team = rowTeam(D, [], backend.precision);
  backend.launch(
    { source, name: 'attention_delta', defines: definesOf(D, backend.precision) },
    team.blocks(rows * H),
    team.threads,
    [rows, H, at(y), at(dy), delta],
  );
  const scale = 1 / Math.sqrt(D);
  const common = [T, H, G, window, scale, at(q), at(k), at(v), at(dy), backend.address(lse), delta];
  backend.launch(
    {
      source,
      name: 'attention_grad_q',
      defines: definesOf(D, backend.precision),
      shared: shared.gradQ,
    },
    Math.ceil(T / own) * H * B,
    gradThreads,
    [...common, at(dq)],
  );
  backend.launch(
    {
      source,
      name: 'attention_grad_kv',
      defines: definesOf(D, backend.precision),
      shared: shared.gradKv,
    },
    Math.ceil(T / own) * G * B,
    gradThreads,
    [...common, at(dk), at(dv)],
  );
  return [dq, dk, dv];
};
