// Trains byte-level BPE: counts the distinct chunks of documents as they stream by, then learns merges.
// Memory grows with the distinct chunks, not with the text. Threads are left to train.ts.
// Source: text_iterator and train_tokenizer of the reference's prepare.py, rustbpe's train_from_iterator.

import { UsageError } from '../../base/errors.js';
import { createChunkTable, viewOf } from './chunkTable.js';
import { enlarged } from './enlarged.js';
import { createMergeLearner } from './merges.js';
import { chunkEnd } from './splitPattern.js';

/** Special tokens, at the end of every vocabulary; the first begins each document (BOS). */
export const SPECIAL_TOKENS: readonly string[] = [0, 1, 2, 3].map((i) => `<|reserved_${i}|>`);

/** Largest vocabulary that can be trained, specials included: ids fit 16 bits. */
const MAX_VOCAB_SIZE = 65_536;

const BYTES = 256;

/** Token bytes by rank (id): 256 single bytes and the merges. */
export type Ranks = Uint8Array[];

/** What to train, with the reference's defaults. */
export interface BpeOptions {
  /**
   * Tokens in all, 8,192 by default: 256 bytes + merges + 4 specials, so 260 to 65,536.
   * 256 is the name of plain bytes: no merges, which with the specials makes 260 ids.
   */
  vocabSize?: number;
  /** Stop after the document that reaches this many characters (code points); 1e9. */
  maxChars?: number;
  /** Characters used of one document; 10,000. */
  docCap?: number;
}

/** Distinct chunks and how often each occurs. */
export interface ChunkCounts {
  /** Chunks end to end. */
  pool: Uint8Array;
  /** [chunks + 1] where each begins. */
  offsets: Uint32Array;
  /** [chunks] */
  counts: Float64Array;
}

/** Counts chunks. */
export interface ChunkCounter {
  /** Splits and counts the document bytes[start..end). */
  count(bytes: Uint8Array, start: number, end: number): void;
  /** Adds what another counter found. */
  merge(other: ChunkCounts): void;
  result(): ChunkCounts;
}

/**
 * Checks a vocabulary size and returns the number of merges it means.
 * @throws UsageError when it is not 256 or a whole number from 260 to 65,536
 */
export function mergesFor(vocabSize: number): number {
  if (vocabSize === BYTES) return 0;
  const smallest = BYTES + SPECIAL_TOKENS.length;
  if (!Number.isInteger(vocabSize) || vocabSize < smallest || vocabSize > MAX_VOCAB_SIZE)
    throw new UsageError(
      `Expected a vocabulary of 256 (plain bytes) or ${smallest} to ${MAX_VOCAB_SIZE} tokens ` +
        `(256 bytes, merges and ${SPECIAL_TOKENS.length} specials), got ${vocabSize}; set --vocab-size`,
    );
  return vocabSize - smallest;
}

/** Characters (code points) of a text; a lone surrogate is one. */
function countCharacters(text: string): number {
  let characters = text.length;
  if (Buffer.byteLength(text) === characters) return characters;
  for (let i = 1; i < text.length; i++)
    if ((text.charCodeAt(i) & 0xfc00) === 0xdc00 && (text.charCodeAt(i - 1) & 0xfc00) === 0xd800)
      characters--;
  return characters;
}

/** The first `cap` characters of a text. */
function cutText(text: string, cap: number): string {
  if (text.length <= cap) return text;
  let end = 0;
  for (let characters = 0; characters < cap && end < text.length; characters++)
    end += text.codePointAt(end)! > 0xffff ? 2 : 1;
  return text.slice(0, end);
}

/**
 * Cuts documents at `docCap` characters, and gives undefined for those after the one that reached `maxChars`.
 * Source: text_iterator of the reference's prepare.py.
 */
export function createTextCap(options: BpeOptions): (text: string) => string | undefined {
  const { maxChars = 1e9, docCap = 10_000 } = options;
  for (const [name, value] of Object.entries({ maxChars, docCap }))
    if (!(value >= 1)) throw new UsageError(`Expected ${name} to be at least 1, got ${value}; leave it out`);
  let characters = 0;
  return (text) => {
    if (characters >= maxChars) return undefined;
    const cut = cutText(text, docCap);
    characters += countCharacters(cut);
    return cut;
  };
}

/** Creates an empty counter. */
export function createChunkCounter(): ChunkCounter {
  const table = createChunkTable();
  let counts = new Float64Array(1 << 14);

  function add(index: number, count: number): void {
    if (index >= counts.length) counts = enlarged(counts, 2 * counts.length);
    counts[index]! += count;
  }

  return {
    count(bytes, start, end) {
      const view = viewOf(bytes);
      for (let at = start; at < end; ) {
        const stop = chunkEnd(bytes, at, end);
        add(table.indexOf(bytes, view, at, stop), 1);
        at = stop;
      }
    },
    merge({ pool, offsets, counts: others }) {
      const view = viewOf(pool);
      for (let k = 0; k < others.length; k++)
        add(table.indexOf(pool, view, offsets[k]!, offsets[k + 1]!), others[k]!);
    },
    result: () => ({ ...table.keys(), counts: counts.subarray(0, table.size()) }),
  };
}

/**
 * Learns ranks from counted chunks; the order of the chunks does not matter. Yields the merges done now and
 * then, so that a caller can report or let others run.
 * @throws UsageError when the text supports fewer merges
 */
export function* learnRanks(chunks: ChunkCounts, vocabSize: number): Generator<number, Ranks> {
  const wanted = mergesFor(vocabSize);
  const ranks: Ranks = Array.from({ length: BYTES }, (_, byte) => Uint8Array.of(byte));
  if (wanted === 0) return ranks;
  if (chunks.counts.length === 0)
    throw new UsageError(
      `Expected text to train a vocabulary of ${vocabSize}, got none; check that the documents are not empty`,
    );
  const learner = createMergeLearner(chunks.pool, chunks.offsets, chunks.counts);
  for (let merges = 0; merges < wanted; merges++) {
    const pair = learner.next();
    if (!pair)
      throw new UsageError(
        `Expected text that supports a vocabulary of ${vocabSize}, got text for ` +
          `${ranks.length + SPECIAL_TOKENS.length} tokens; lower --vocab-size to at most that or give more text`,
      );
    const left = ranks[pair[0]]!;
    const right = ranks[pair[1]]!;
    const token = new Uint8Array(left.length + right.length);
    token.set(left);
    token.set(right, left.length);
    ranks.push(token);
    if (merges % 64 === 63) yield merges + 1;
  }
  return ranks;
}
