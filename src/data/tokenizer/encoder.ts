// Encodes UTF-8 into ids: splits it into chunks and applies merges by rank, as tiktoken's encode_ordinary.
// Chunks seen before come from a cache. The public tokenizer around it is tokenizer.ts.
// Letters: V ranks (vocabulary without specials).

import { UsageError } from '../../base/errors.js';
import type { Ranks } from './bpe.js';
import { createChunkTable, viewOf } from './chunkTable.js';
import { enlarged } from './enlarged.js';
import { createMerger, type Merger } from './merger.js';
import { createPlainMerger, type PlainMerger } from './plainMerger.js';
import { chunkEnd } from './splitPattern.js';

/** Longer chunks are not cached: hardly any repeats. */
const LONGEST_CACHED = 64;
/** The cache starts over when it holds this many chunks or bytes of chunks. */
const CACHE_CHUNKS = 1 << 17;
const CACHE_BYTES = 1 << 22;

/** Turns bytes into ids. Keeps scratch memory and a cache: one per thread. */
export interface Encoder {
  /**
   * Writes the ids of the document bytes[start..end) to out from `at`; at most end - start of them.
   * @returns the position after the last id
   */
  encode(bytes: Uint8Array, start: number, end: number, out: Uint32Array, at: number): number;
}

/** A vocabulary with the merges that make each token. */
export interface Vocabulary {
  /** [V] bytes of each token */
  ranks: Ranks;
  /** [256] id of each single byte */
  byteIds: Int32Array;
  /** [V] the two ids that make a token, undefined for a single byte and for what merging does not reach */
  parts: ([number, number] | undefined)[];
  /** Some tokens are not made of two of lower rank: a chunk is looked up whole before it is merged. */
  wholeFirst: boolean;
  merger: Pick<Merger, 'merge' | 'ids'>;
}

/**
 * Finds the merge behind every rank: the two tokens that remain when its bytes are merged.
 * @param source what the ranks are called in errors
 * @param name says where a rank came from, e.g. `line 12 of FILE`
 * @throws UsageError when the ranks are no byte-level BPE: a byte missing, a token empty or twice
 */
export function deriveVocabulary(
  ranks: Ranks,
  source = 'the ranks',
  name = (rank: number) => `rank ${rank} of ${source}`,
): Vocabulary {
  const byteIds = new Int32Array(256).fill(-1);
  ranks.forEach((token, rank) => {
    if (token.length === 0)
      throw new UsageError(`Expected tokens of at least one byte, got an empty one at ${name(rank)}`);
    if (token.length !== 1) return;
    const byte = token[0]!;
    if (byteIds[byte] !== -1)
      throw new UsageError(`Expected each byte once, got byte ${byte} again at ${name(rank)}`);
    byteIds[byte] = rank;
  });
  const missing = byteIds.indexOf(-1);
  if (missing !== -1)
    throw new UsageError(`Expected all 256 single bytes in ${source}, byte ${missing} is missing`);

  const seen = new Map<string, number>();
  ranks.forEach((token, rank) => {
    const bytes = Buffer.from(token.buffer, token.byteOffset, token.length).toString('latin1');
    const earlier = seen.get(bytes);
    if (earlier !== undefined)
      throw new UsageError(
        `Expected each token once, got the bytes of ${name(earlier)} again at ${name(rank)}`,
      );
    seen.set(bytes, rank);
  });

  const merger = createMerger(byteIds, ranks);
  let plain: PlainMerger | undefined;
  const parts = ranks.map((token, rank): [number, number] | undefined => {
    if (token.length === 1) return undefined;
    if (!plain) {
      const count = merger.merge(token, 0, token.length);
      const [left, right] = merger.ids;
      if (count === 2) {
        merger.add(left!, right!, rank);
        return [left!, right!];
      }
      plain = createPlainMerger(ranks);
    }
    return plain.partsOf(token);
  });
  return { ranks, byteIds, parts, wholeFirst: plain !== undefined, merger: plain ?? merger };
}

/** Creates an encoder; it shares the merger's scratch memory, so one vocabulary serves one thread. */
export function createEncoder({ byteIds, merger }: Vocabulary): Encoder {
  const table = createChunkTable();
  // What the cached chunks became: [chunks] the id of a chunk that is one token, else -1 and its ids are
  // cached[offsets[k]..offsets[k + 1]).
  let single = new Int32Array(1 << 14);
  let offsets = new Uint32Array((1 << 14) + 1);
  let cached = new Uint32Array(1 << 16);

  /** Merges chunk `index`, which the table has just met, and stores its ids. */
  function fill(index: number, bytes: Uint8Array, start: number, end: number): void {
    if (index === single.length) {
      single = enlarged(single, 2 * index);
      offsets = enlarged(offsets, 2 * index + 1);
    }
    const from = offsets[index]!;
    const count = merger.merge(bytes, start, end);
    if (from + count > cached.length) cached = enlarged(cached, 2 * (from + count));
    for (let i = 0; i < count; i++) cached[from + i] = merger.ids[i]!;
    offsets[index + 1] = from + count;
    single[index] = count === 1 ? merger.ids[0]! : -1;
  }

  return {
    encode(bytes, start, end, out, at) {
      const view = viewOf(bytes);
      let known = table.size();
      for (let stop: number; start < end; start = stop) {
        stop = chunkEnd(bytes, start, end);
        if (stop - start === 1) {
          out[at++] = byteIds[bytes[start]!]!;
        } else if (stop - start > LONGEST_CACHED) {
          const count = merger.merge(bytes, start, stop);
          for (let i = 0; i < count; i++) out[at++] = merger.ids[i]!;
        } else {
          const index = table.indexOf(bytes, view, start, stop);
          if (index === known) {
            fill(index, bytes, start, stop);
            known++;
          }
          const id = single[index]!;
          if (id >= 0) out[at++] = id;
          else for (let i = offsets[index]!; i < offsets[index + 1]!; i++) out[at++] = cached[i]!;
          if (known === CACHE_CHUNKS || table.poolBytes() > CACHE_BYTES) {
            table.clear();
            known = 0;
          }
        }
      }
      return at;
    },
  };
}
