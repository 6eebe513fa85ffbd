// Causal attention (kernels/cuda/attention.cu, in bf16 attention_mma.cu or cuDNN). Contract: src/ops/attention.ts.

import { expect } from '../../../base/errors.js';
import type { KernelAttributes } from '../../contract.js';
import type { Info } from '../../flat/store.js';
import type { Precision } from '../../types.js';
import type { CudaBackend } from '../backend.js';
import { attentionWork } from '../cudnn/attention.js';
import type { SdpaShape } from '../cudnn/sdpa.js';
import { OLDEST_BF16_CHIP } from '../device.js';
import { scoreGradients, scoreHeads, scoreSquare } from '../footprint.js';
import type { CudaKernel } from './kernel.js';
import { rowTeam } from './team.js';

/** The widest head of the kernels. */
const WIDEST = 256;
/** The widest whose gradients attention_mma.cu turns back. */
const WIDEST_TURNED = 128;

export type Sizes = Omit<SdpaShape, 'qStride' | 'kvStride'>;

/** @param width of the queries of all heads */
export function sizesOf(width: number, attrs: KernelAttributes<'CausalAttention'>): Sizes {
  const { batch, seq, heads, kvHeads, window } = attrs;
  const D = width / heads;
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
  /** Threads of a block: of the forward pass, and of the gradient of keys and values, and of queries. */
  threads: number;
  gradThreads: number;
  gradQThreads: number;
  /** Dynamic shared memory of each kernel, bytes. */
  shared: { forward: number; gradQ: number; gradKv: number };
  /** Whether the gradient of the scores is stored for the queries' gradient, instead of being computed again. */
  storesScores: boolean;
}

/** In float32 on any chip: kernels/cuda/attention.cu, whose shared memory is static, 33,024 bytes at most. */
export function plainLaunch(D: number): AttentionLaunch {
  return {
    source: 'cuda/attention.cu',
    own: D <= 128 ? 32 : 16,
    threads: 128,
    gradThreads: 128,
    gradQThreads: 128,
    shared: { forward: 0, gradQ: 0, gradKv: 0 },
    storesScores: false,
  };
}

/** On tensor cores: attention_mma.cu. Undefined for widths that it does not take. */
export function tensorCoreLaunch(D: number): AttentionLaunch | undefined {
  const wide = D > 128;
  if (D % (wide ? 32 : 16) !== 0 || D > WIDEST) return undefined;
  const own = scoreSquare(D);
  const keys = wide ? 32 : 64;
  const queries = wide ? 16 : D > 64 ? 32 : 64;
  const row = 2 * (D + 8);
  const shared = {
    forward: row * (own + 2 * keys),
    // Two stages of keys and of scores' gradients.
    gradQ: 2 * keys * (row + 2 * (own + 8)),
    // Up to 128 two stages of tiles take the place of the block's own rows, which are in registers by then.
    gradKv: row * (wide ? 2 * own + 2 * queries : 2 * own) + 8 * queries * (wide ? 1 : 2),
  };
  const threads = wide ? 256 : 128;
  const source = 'cuda/attention_mma.cu';
  return { source, own, threads, gradThreads: 256, gradQThreads: threads, shared, storesScores: true };
}

/** Tensor cores where precision, chip and head allow. */
function launchFor(backend: CudaBackend, D: number): AttentionLaunch {
  const { chip, sharedBytes } = backend.session.device;
  const bf16 = backend.precision === 'bf16' && chip >= OLDEST_BF16_CHIP;
  const launch = bf16 ? tensorCoreLaunch(D) : undefined;
  return launch && Math.max(...Object.values(launch.shared)) <= sharedBytes ? launch : plainLaunch(D);
}

/** Queries, keys and values, or their gradients: addresses, and elements between rows of queries, and of keys and of values. */
export interface HeadArrays {
  q: number;
  k: number;
  v: number;
  qStride: number;
  kvStride: number;
}

/** Of three tensors, each with rows of its own. */
const arraysOf = (backend: CudaBackend, q: Info, k: Info, v: Info): HeadArrays => ({
  q: backend.activation(q),
  k: backend.activation(k),
  v: backend.activation(v),
  qStride: q.shape[1]!,
  kvStride: k.shape[1]!,
});

export const causalAttention: CudaKernel<'CausalAttention'> = ({ inputs: { q, k, v }, attrs, backend }) => {
  const y = backend.makeActivation(q.shape);
  const lse = backend.make([q.shape[0]!, attrs.heads]);
  attend(backend, sizesOf(q.shape[1]!, attrs), arraysOf(backend, q, k, v), y, lse);
  return [y, lse];
};

export const causalAttentionGrad: CudaKernel<'CausalAttentionGrad'> = ({ inputs, attrs, backend }) => {
  const { q, k, v, y, lse, dy } = inputs;
  const gradients = backend.makeActivations(q, k, v);
  const [given, made] = [arraysOf(backend, q, k, v), arraysOf(backend, ...gradients)];
  attendGrad(backend, sizesOf(q.shape[1]!, attrs), given, { y, lse, dy }, made);
  return gradients;
};

/** Enqueues attention. @param y [N,H*D]; @param lse [N,H] */
export function attend(backend: CudaBackend, sizes: Sizes, arrays: HeadArrays, y: Info, lse: Info): void {
  const { B, T, H, G, D, window } = sizes;
  const { source, own, threads, shared, storesScores } = launchFor(backend, D);
  const { q, k, v, qStride, kvStride } = arrays;
  const at = { q, k, v, y: backend.activation(y), lse: backend.address(lse) };
  const launch = () =>
    backend.launch(
      { source, name: 'attention', defines: definesOf(D, backend.precision), shared: shared.forward },
      Math.ceil(T / own) * H * B,
      threads,
      [T, H, G, window, 1 / Math.sqrt(D), qStride, kvStride, q, k, v, at.y, at.lse],
    );
  if (storesScores)
    backend.fuse(attentionWork({ work: 'forward', shape: shapeOf(sizes, arrays), at }), launch);
  else launch();
}

/** Sizes and strides as cuDNN's graphs take them. */
const shapeOf = ({ B, T, H, G, D, window }: Sizes, { qStride, kvStride }: HeadArrays): SdpaShape => ({
  ...{ B, T, H, G, D, window, qStride, kvStride },
});

/** What turned and normed queries and keys: factors [N,H+G], and tables [T,D/2]; `back` turns their gradients back. */
export interface Turned {
  rstd: Info;
  cos: Info;
  sin: Info;
  back: () => void;
}

/** Where attention's result, its log-sum-exp and its gradient are. */
type Results = Record<'y' | 'lse' | 'dy', number>;

/**
 * Enqueues the gradients of attention.
 * @param made where they go, with the strides of `arrays`
 * @param turned where given, those of queries and keys before they were turned are wanted
 */
export function attendGrad(
  backend: CudaBackend,
  sizes: Sizes,
  arrays: HeadArrays,
  results: { y: Info; lse: Info; dy: Info },
  made: HeadArrays,
  turned?: Turned,
): void {
  const [y, dy] = [backend.activation(results.y), backend.activation(results.dy)];
  const at = { y, dy, lse: backend.address(results.lse) };
  const own = ({ dy = at.dy }: { dy?: number }) => {
    // Within a call of its own, as its scratch space is wanted no longer than for the launches.
    const done = backend.call(() => launchGrad(backend, sizes, arrays, { ...at, dy }, made, turned));
    if (!done) turned?.back();
  };
  if (!launchFor(backend, sizes.D).storesScores) {
    own(at);
    return;
  }
  const [{ q, k, v }, { q: dq, k: dk, v: dv }] = [arrays, made];
  const call = {
    work: 'backward',
    shape: shapeOf(sizes, arrays),
    at: { ...at, q, k, v, dq, dk, dv },
  } as const;
  backend.fuse(attentionWork(call), own, () => turned?.back());
}

/** Our kernels. @returns whether they turn the gradients back */
function launchGrad(
  backend: CudaBackend,
  sizes: Sizes,
  arrays: HeadArrays,
  { y, lse, dy }: Results,
  made: HeadArrays,
  turned?: Turned,
): boolean {
  const { B, T, H, G, D, window } = sizes;
  const { q, k, v, qStride, kvStride } = arrays;
  const delta = backend.scratch(4 * B * T * H);
  const { source, own, gradThreads, gradQThreads, shared, storesScores } = launchFor(backend, D);
  const defines = definesOf(D, backend.precision);
  const team = rowTeam(D, [], backend.precision);
  const forDelta = [B * T * H, y, dy, delta];
  backend.launch(
    { source, name: 'attention_delta', defines },
    team.blocks(B * T * H),
    team.threads,
    forDelta,
  );
  const tiles = Math.ceil(T / own);
  const gradQ = { source, name: 'attention_grad_q', defines, shared: shared.gradQ };
  const gradKv = { source, name: 'attention_grad_kv', defines, shared: shared.gradKv };
  const common = [T, H, G, window, 1 / Math.sqrt(D), qStride, kvStride];
  const given = [q, k, v, dy, lse, delta];
  if (!storesScores) {
    backend.launch(gradQ, tiles * H * B, gradQThreads, [...common, ...given, made.q]);
    backend.launch(gradKv, tiles * G * B, gradThreads, [...common, ...given, made.k, made.v]);
    return false;
  }
  const turns = turned !== undefined && D <= WIDEST_TURNED;
  const tables = turns ? [turned.rstd, turned.cos, turned.sin].map((x) => backend.address(x)) : [0, 0, 0];
  const { reach, bytes } = scoreGradients(T, window, D);
  const each = scoreHeads(B * G, (bytes * H) / G);
  const scores = backend.scratch((each * bytes * H) / G);
  for (let head = 0; head < B * G; head += each) {
    const count = Math.min(each, B * G - head);
    const part = [...common, head, reach, ...tables];
    backend.launch(gradKv, tiles * count, gradThreads, [...part, ...given, made.k, made.v, scores]);
    backend.launch(gradQ, (tiles * count * H) / G, gradQThreads, [...part, q, k, scores, made.q]);
  }
  return turns;
}
