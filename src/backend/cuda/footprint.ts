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

/** Bytes a token and unit of width that the backward pass of the widest layer has at once: its result, in bf16 roundings. */
const BACKWARD = { fp32: 16, bf16: 30 };

/** See `stepScratch` of ../capabilities.ts. */
export function cudaScratch(sizes: StepSizes, precision: Precision): ScratchBytes {
  const { rows, width, vocab, matrices } = sizes;
  const half = precision === 'bf16';
  const each = logitBytes(precision);
  const logits = logitsRowsOnDevice(rows, width, vocab, each) * vocab * each;
  const roundings = half ? 2 * width * (rows + vocab) : 0;
  const stacks = matrices.map(({ count, rows, columns }) => {
    // Two iterates, the first of them float32 for a while, and two square matrices.
    const each = half ? 2 : 4;
    return count * (rows * columns * (4 + each) + 2 * each * Math.min(rows, columns) ** 2);
  });
  return {
    passes: Math.max(logits + roundings, BACKWARD[precision] * rows * width),
    optimizer: Math.max(0, ...stacks),
  };
}
