// What a training step takes on the device besides tensors, for the estimate of a configuration's memory. Loads
// nothing, as it is called before anything runs.

import type { ScratchBytes, StepSizes } from '../capabilities.js';
import type { Precision } from '../types.js';

/** The most bytes of logits held at once. */
const MAX_LOGITS_BYTES = 256 * 2 ** 20;
/** Fewer rows than this make products too small for a large GPU. */
const MIN_ROWS = 1024;

/** Bytes of a logit in a step: what they are rounded to in bf16 is what the next products read. */
export const logitBytes = (precision: Precision): number => (precision === 'bf16' ? 2 : 4);

/**
 * Rows of logits at once: as many as take the memory of x [rows, width], at least MIN_ROWS, within the limit.
 * @param each bytes of a logit
 */
export function logitsRowsOnDevice(
  rows: number,
  width: number,
  vocab: number,
  each: number,
  maxBytes = MAX_LOGITS_BYTES,
): number {
  const most = Math.floor(maxBytes / (each * vocab));
  const wanted = Math.floor((4 * rows * width) / (each * vocab));
  return Math.min(rows, Math.max(1, Math.min(most, Math.max(MIN_ROWS, wanted))));
}

/** A table of more rows than there are ids, and than this, had better not have a copy in bfloat16, or of its norm. */
const FEW_ROWS = 1024;

/** See ../capabilities.ts. */
export const readsTable = (rows: number, ids: number): boolean => rows <= Math.max(ids, FEW_ROWS);

/** The most bytes of scores' gradients of an attention held at once, unless one kv head has more; with cuDNN in any case. */
export const MAX_SCORE_BYTES = 512 * 2 ** 20;

/** Side of the squares that gradients of scores are stored in, for heads of D on tensor cores. */
export const scoreSquare = (D: number): number => (D > 128 ? 64 : 128);

/**
 * The stored gradients of a query head's scores: squares in a row, for one block of keys, and bytes. A block of keys is
 * seen by the queries up to `window` after its last one.
 */
export function scoreGradients(T: number, window: number, D: number): { reach: number; bytes: number } {
  const side = scoreSquare(D);
  const tiles = Math.ceil(T / side);
  const reach = Math.min(tiles, Math.floor((side - 1 + window) / side) + 1);
  const squares = tiles * reach - (reach * (reach - 1)) / 2;
  return { reach, bytes: 2 * side * side * squares };
}

/** Kv heads whose scores' gradients, of `bytes` each, are held at once. */
export const scoreHeads = (heads: number, bytes: number): number =>
  Math.min(heads, Math.max(1, Math.floor(MAX_SCORE_BYTES / bytes)));

/**
 * What cuDNN takes for the gradients of an attention that repeat to the bit: those of all scores, of blocks of 128 x 128, and of
 * keys and values by query head where these share them (plans of cuDNN 9.13 to 9.28 say 128 to 256 bytes more).
 */
export function sdpaWorkspace(B: number, T: number, H: number, G: number, D: number): number {
  const side = 128 * Math.ceil(T / 128);
  return B * H * (2 * side * side + (H === G ? 0 : 4 * T * D));
}

/** Bytes a token and unit of width that the backward pass of the widest layer has at once: its result, in bf16 roundings. */
const BACKWARD = { fp32: 16, bf16: 26 };
/** The same while attention's gradient is at work, beside the gradients of its scores. */
const BACKWARD_OF_ATTENTION = 14;

/** See `stepScratch` of ../capabilities.ts. @param cudnn whether cuDNN may compute attention */
export function cudaScratch(sizes: StepSizes, precision: Precision, cudnn = false): ScratchBytes {
  const { rows, width, vocab, matrices, attention } = sizes;
  const half = precision === 'bf16';
  const each = logitBytes(precision);
  const logits = logitsRowsOnDevice(rows, width, vocab, each) * vocab * each;
  const roundings = half ? 2 * width * (rows + vocab) : 0;
  const { batch, seq, heads, kvHeads, window } = attention;
  const group = (scoreGradients(seq, window, width / heads).bytes * heads) / kvHeads;
  const own = half ? scoreHeads(batch * kvHeads, group) * group : 0;
  const all = sdpaWorkspace(batch, seq, heads, kvHeads, width / heads);
  const scores = half && cudnn ? Math.max(own, Math.min(MAX_SCORE_BYTES, all)) : own;
  const stacks = matrices.map(({ count, rows, columns }) => {
    // Two iterates, the first of them float32 for a while, and two square matrices.
    const each = half ? 2 : 4;
    return count * (rows * columns * (4 + each) + 2 * each * Math.min(rows, columns) ** 2);
  });
  return {
    passes: Math.max(
      logits + roundings,
      BACKWARD[precision] * rows * width,
      BACKWARD_OF_ATTENTION * rows * width + scores,
    ),
    optimizer: Math.max(0, ...stacks),
  };
}
