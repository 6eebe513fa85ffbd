// An attention's queries in blocks, each with only the keys that its window reaches.

import type { AttentionShape } from './contract.js';

/** Queries [from, to) and the keys that they reach, [first, to). */
export type Block = { from: number; to: number; first: number };

/** The queries in blocks of `length`; the last one may be shorter. */
export const blocksOf = ({ seq, window }: AttentionShape, length: number): Block[] =>
  Array.from({ length: Math.ceil(seq / length) }, (_, i) => {
    const from = i * length;
    return { from, to: Math.min(seq, from + length), first: Math.max(0, from - window) };
  });
