// The tokenizer: text to ids and back, over ranks from bpe.ts or a file. Splitting and merging are in
// encoder.ts, file formats in tiktoken.ts, huggingface.ts and files.ts.
// Source: the reference's prepare.py (4 specials after the merges, BOS the first of them).

import { UsageError } from '../../base/errors.js';
import { sha256 } from '../../base/files.js';
import type { Tokenizer } from '../types.js';
import { type Ranks, SPECIAL_TOKENS } from './bpe.js';
import { createEncoder, deriveVocabulary, type Vocabulary } from './encoder.js';
import { SPLIT_PATTERN } from './splitPattern.js';
import { formatTiktoken } from './tiktoken.js';

/** Scratch memory up to this many bytes is kept from call to call. */
const KEPT_BYTES = 1 << 20;

/**
 * Makes a tokenizer of ranks; the ids are the ranks, then the 4 specials.
 *
 * `encode` equals tiktoken's encode_ordinary: nothing in a text is special. A lone surrogate, which UTF-8
 * cannot express, becomes U+FFFD. `tokenBytes` counts raw bytes, so a token that is part of a character counts
 * its own bytes and not those of U+FFFD.
 * @param source what the ranks are called in errors
 * @param name says where a rank came from, e.g. `line 12 of FILE`
 * @throws UsageError when the ranks are no byte-level BPE; ids out of range also throw it when decoding
 */
export function createTokenizer(ranks: Ranks, source?: string, name?: (rank: number) => string): Tokenizer {
  return tokenizerOf(deriveVocabulary(ranks, source, name));
}

/** `createTokenizer` for ranks whose merges are known; takes ownership of the vocabulary. */
export function tokenizerOf(vocabulary: Vocabulary): Tokenizer {
  const { ranks } = vocabulary;
  const encoder = createEncoder(vocabulary);
  const vocabSize = ranks.length + SPECIAL_TOKENS.length;
  const tokenBytes = new Int32Array(vocabSize);
  const offsets = new Uint32Array(vocabSize + 1);
  for (let id = 0; id < vocabSize; id++) {
    tokenBytes[id] = ranks[id]?.length ?? 0;
    offsets[id + 1] = offsets[id]! + tokenBytes[id]!;
  }
  const pool = new Uint8Array(offsets[vocabSize]!);
  ranks.forEach((token, rank) => {
    pool.set(token, offsets[rank]!);
  });

  let utf8 = Buffer.alloc(1 << 12);
  let ids = new Uint32Array(1 << 12);

  function decodeBytes(tokens: ArrayLike<number>): Uint8Array {
    let length = 0;
    for (let i = 0; i < tokens.length; i++) {
      const bytes = tokenBytes[tokens[i]!];
      if (bytes === undefined)
        throw new UsageError(
          `Expected token ids from 0 to ${vocabSize - 1}, got ${tokens[i]} at position ${i}`,
        );
      length += bytes;
    }
    const out = new Uint8Array(length);
    let at = 0;
    for (let i = 0; i < tokens.length; i++) {
      const end = offsets[tokens[i]! + 1]!;
      for (let from = offsets[tokens[i]!]!; from < end; from++) out[at++] = pool[from]!;
    }
    return out;
  }

  return {
    vocabSize,
    bosId: ranks.length,
    hash: sha256(SPLIT_PATTERN, formatTiktoken(ranks), ...SPECIAL_TOKENS),
    tokenBytes,
    encode(text) {
      // A UTF-16 unit takes at most three bytes.
      const room = utf8.length < 3 * text.length ? Buffer.byteLength(text) : 0;
      if (room > utf8.length) {
        utf8 = Buffer.allocUnsafeSlow(room);
        ids = new Uint32Array(room);
      }
      const length = utf8.write(text);
      const count = encoder.encode(utf8, 0, length, ids, 0);
      const out = new Array<number>(count);
      for (let i = 0; i < count; i++) out[i] = ids[i]!;
      if (utf8.length > KEPT_BYTES) {
        utf8 = Buffer.alloc(1 << 12);
        ids = new Uint32Array(1 << 12);
      }
      return out;
    },
    decode: (tokens) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(decodeBytes(tokens)),
    decodeBytes,
  };
}

/** The ranks of a tokenizer: raw bytes of each id below the specials. */
export function tokenizerRanks(tokenizer: Tokenizer): Ranks {
  return Array.from({ length: tokenizer.vocabSize - SPECIAL_TOKENS.length }, (_, id) =>
    tokenizer.decodeBytes([id]),
  );
}

/** Decodes ids one by one, for text that appears while it is generated. */
export interface StreamDecoder {
  /** Text that is complete with this id; characters split over tokens wait for their last byte. */
  push(id: number): string;
  /** The rest: U+FFFD for an unfinished character, else nothing. */
  end(): string;
}

/** Creates a decoder whose pieces, joined, equal `tokenizer.decode` of all ids. */
export function createStreamDecoder(tokenizer: Tokenizer): StreamDecoder {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push: (id) => decoder.decode(tokenizer.decodeBytes([id]), { stream: true }),
    end: () => decoder.decode(),
  };
}
