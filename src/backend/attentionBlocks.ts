// An attention's queries in blocks, each with only the keys that its window reaches.

import type { AttentionShape } from './contract.js';

/** Queries [from, to) and the keys that they reach, [first, to). */
export type Block = { from: number; to: number; first: number };

/** Block `i` of `length` queries; the last one may be shorter. */
export function blockAt(i: number, { seq, window }: AttentionShape, length: number): Block {
  const from = i * length;
  return { from, to: Math.min(seq, from + length), first: Math.max(0, from - window) };
}

/** All of them. */
export const blocksOf = (shape: AttentionShape, length: number): Block[] =>
  Array.from({ length: Math.ceil(shape.seq / length) }, (_, i) => blockAt(i, shape, length));
