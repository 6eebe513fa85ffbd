// What a training step takes on the device besides tensors, for the estimate of a configuration's memory. Loads nothing.

import type { ScratchBytes, StepSizes } from '../capabilities.js';

/** The most bytes of one chunk of logits. */
const CHUNK_BYTES = 64 * 2 ** 20;

/** Rows of logits held at once. */
export const chunkRows = (rows: number, vocab: number, bytes = CHUNK_BYTES): number =>
  Math.max(1, Math.min(rows, Math.floor(bytes / (4 * vocab))));

/** See `stepScratch` of ../capabilities.ts. */
export function webGpuScratch({ rows, vocab, matrices }: StepSizes): ScratchBytes {
  const logits = 4 * chunkRows(rows, vocab) * vocab;
  // The embedding gradient's counts per 256 tokens and its sorted tokens.
  const sort = 4 * (Math.ceil(rows / 256) * vocab + rows);
  // Two iterates and two square matrices.
  const stacks = matrices.map(
    ({ count, rows, columns }) => 4 * count * (2 * rows * columns + 2 * Math.min(rows, columns) ** 2),
  );
  return { passes: Math.max(logits, sort), optimizer: Math.max(0, ...stacks) };
}
