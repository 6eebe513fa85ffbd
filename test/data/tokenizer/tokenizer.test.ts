import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { type Random, randomStream } from '../../../src/base/random.js';
import type { Ranks } from '../../../src/data/tokenizer/bpe.js';
import { createEncoder, deriveVocabulary } from '../../../src/data/tokenizer/encoder.js';
import { formatHuggingFace, parseHuggingFace } from '../../../src/data/tokenizer/huggingface.js';
import { parseTiktoken } from '../../../src/data/tokenizer/tiktoken.js';
import {
  createStreamDecoder,
  createTokenizer,
  tokenizerRanks,
} from '../../../src/data/tokenizer/tokenizer.js';
import { trainTokenizer } from '../../../src/data/tokenizer/train.js';

const golden = new URL('../../../../test/golden/tokenizer/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, golden), 'utf8');
const { ranks } = parseTiktoken(read('ranks.tiktoken'), 'ranks.tiktoken');
const tokenizer = createTokenizer(ranks);

function randomText(random: Random): string {
  const limits = [0x80, 0x800, 0x3100, 0x110000];
  let text = '';
  for (let i = random.int(200); i > 0; i--) {
    const code = random.int(limits[random.int(limits.length)]!);
    text += code >= 0xd800 && code <= 0xdfff ? ' ' : String.fromCodePoint(code);
  }
  return text;
}

/** Merges by rank as defined: the lowest rank of all neighbors, leftmost, until none is known. */
function mergePlainly(bytes: Uint8Array, ranks: Ranks): number[] {
  const known = new Map(ranks.map((token, rank) => [Buffer.from(token).toString('latin1'), rank]));
  const parts = Array.from(bytes, (byte) => String.fromCharCode(byte));
  for (;;) {
    let best: [number, number] | undefined;
    for (let i = 0; i + 1 < parts.length; i++) {
      const rank = known.get(parts[i]! + parts[i + 1]!);
      if (rank !== undefined && (!best || rank < best[0])) best = [rank, i];
    }
    if (!best) return parts.map((part) => known.get(part)!);
    parts.splice(best[1], 2, parts[best[1]]! + parts[best[1] + 1]!);
  }
}

/** The same merges with the bytes in another order, the first of them after `count` merges. */
function rotateBytes(ranks: Ranks, count: number): Ranks {
  const [bytes, merges] = [ranks.slice(0, 256).reverse(), ranks.slice(256)];
  return [...bytes.slice(128), ...merges.slice(0, count), ...bytes.slice(0, 128), ...merges.slice(count)];
}

describe('encode', () => {
  test('gives the ids that tiktoken gives with these ranks', () => {
    const cases = JSON.parse(read('cases.json')) as { text: string; ids: number[] }[];
    for (const { text, ids } of cases) expect([text, tokenizer.encode(text)]).toEqual([text, ids]);
  });

  test('merges chunks of any length by rank', () => {
    const random = randomStream(2, 'long chunks');
    const letters = 'etaoinshrdlu';
    for (const length of [2, 64, 65, 126, 127, 128, 129, 130, 700]) {
      const text = Array.from({ length }, () => letters[random.int(letters.length)]).join('');
      expect(tokenizer.encode(text)).toEqual(mergePlainly(Buffer.from(text), ranks));
    }
  });

  test('finds the merged tokens of any dictionary, wherever its single bytes rank', async () => {
    const random = randomStream(6, 'dictionaries');
    const letters = (count: number, from: string) =>
      Array.from({ length: count }, () => from[random.int(from.length)]).join('');
    for (let round = 0; round < 16; round++) {
      const alphabet = ['ab', 'abc', 'aab', 'abcdefg'][round % 4]!;
      const documents = Array.from({ length: 40 }, () => letters(1 + random.int(20), alphabet));
      const trained = tokenizerRanks(await trainTokenizer([documents], { vocabSize: 300, threads: 1 }));
      const moved = random.int(trained.length);
      for (const known of [
        trained,
        [...trained.slice(256), ...trained.slice(0, 256)],
        rotateBytes(trained, moved),
      ]) {
        const { encode } = createTokenizer(known);
        for (let i = 0; i < 20; i++) {
          const text = letters(random.int(60), alphabet);
          expect([text, encode(text)]).toEqual([text, mergePlainly(Buffer.from(text), known)]);
        }
      }
    }
  });

  test('looks up whole chunks first, even tokens that merging cannot reach', () => {
    const token = (text: string) => new Uint8Array(Buffer.from(text));
    const bytes = ranks.slice(0, 256);
    const { encode } = createTokenizer([...bytes, token(':.'), token('.:'), token('.:.:')]);
    const plain = (text: string) =>
      [...Buffer.from(text)].map((byte) => bytes.findIndex(([b]) => b === byte));
    const [dot, colon] = plain('.:');
    expect(encode('.:.:')).toEqual([258]);
    // In a longer chunk merging decides, and finds ":." first.
    expect(encode('.:.:.')).toEqual([dot, 256, 256]);
    expect(encode(':.:.:')).toEqual([256, 256, colon]);
  });

  test('equals tiktoken with any set of tokens, reachable by merging or not', () => {
    const random = randomStream(7, 'sets of tokens');
    const word = (most: number, from: string) =>
      Array.from({ length: 1 + random.int(most) }, () => from[random.int(from.length)]).join('');
    const bytes = ranks.slice(0, 256);
    let unreachable = 0;
    for (let round = 0; round < 40; round++) {
      const alphabet = ['ab', 'abc', 'abcde'][round % 3]!;
      const words = new Set(Array.from({ length: 3 + random.int(40) }, () => `${word(7, alphabet)}a`));
      const known = [
        ...bytes,
        ...[...words].filter((text) => text.length > 1).map((text) => new Uint8Array(Buffer.from(text))),
      ];
      const whole = new Map(known.map((token, id) => [Buffer.from(token).toString(), id]));
      if (deriveVocabulary(known).wholeFirst) unreachable++;
      const { encode } = createTokenizer(known);
      for (let i = 0; i < 40; i++) {
        const text = word(i < 20 ? 8 : 90, alphabet);
        const id = whole.get(text);
        expect([text, encode(text)]).toEqual([
          text,
          id === undefined ? mergePlainly(Buffer.from(text), known) : [id],
        ]);
      }
      const again = parseHuggingFace(formatHuggingFace(known), 'x');
      expect(again.ranks.map((token) => Buffer.from(token).toString('hex'))).toEqual(
        known.map((token) => Buffer.from(token).toString('hex')),
      );
    }
    expect(unreachable).toBeGreaterThan(20);
  });

  test('encodes a chunk of 300,000 letters without quadratic work', () => {
    const text = 'na'.repeat(150_000);
    const ids = tokenizer.encode(text);
    expect(tokenizer.decode(ids) === text).toBe(true);
    expect(ids.length).toBeLessThan(160_000);
    const odd = createTokenizer([...ranks, new Uint8Array(Buffer.from('qqqzz'))]);
    expect(odd.encode(text).join() === ids.join()).toBe(true);
  });

  test('gives the same ids after its cache was cleared', () => {
    const words: string[] = [];
    for (let i = 0; i < 150_000; i++)
      words.push(` ${i.toString(26).replace(/\d/g, (d) => 'qrstuvwxyz'[+d]!)}`);
    const text = words.join('');
    const ids = tokenizer.encode(text);
    const again = tokenizer.encode(text);
    expect(again.length === ids.length && again.every((id, i) => id === ids[i])).toBe(true);
    expect(tokenizer.decode(ids) === text).toBe(true);
    expect(tokenizer.encode(words.slice(0, 50).join(''))).toEqual(
      createTokenizer(ranks).encode(words.slice(0, 50).join('')),
    );
  });

  test('treats text that looks like a special token as ordinary text', () => {
    const ids = tokenizer.encode('<|reserved_0|>');
    expect(Math.max(...ids)).toBeLessThan(tokenizer.bosId);
    expect(tokenizer.decode(ids)).toBe('<|reserved_0|>');
  });

  test('turns a lone surrogate into U+FFFD', () => {
    expect(tokenizer.encode('a\ud800b')).toEqual(tokenizer.encode('a\ufffdb'));
    expect(tokenizer.encode('\udc00')).toEqual(tokenizer.encode('\ufffd'));
  });
});

describe('round trip', () => {
  test('of arbitrary Unicode text', () => {
    const random = randomStream(3, 'unicode');
    for (let round = 0; round < 500; round++) {
      const text = randomText(random);
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }
    expect(tokenizer.decode(tokenizer.encode('\ufeffBOM\0'))).toBe('\ufeffBOM\0');
  });

  test('of arbitrary bytes', () => {
    const encoder = createEncoder(deriveVocabulary(ranks));
    const random = randomStream(4, 'bytes');
    const out = new Uint32Array(300);
    for (let round = 0; round < 300; round++) {
      const bytes = Uint8Array.from({ length: random.int(300) }, () => random.int(256));
      const count = encoder.encode(bytes, 0, bytes.length, out, 0);
      expect(Buffer.from(tokenizer.decodeBytes(out.subarray(0, count))).equals(bytes)).toBe(true);
    }
  });

  test('of every id', () => {
    const back = tokenizerRanks(tokenizer);
    expect(back.map((token) => Buffer.from(token).toString('hex'))).toEqual(
      ranks.map((token) => Buffer.from(token).toString('hex')),
    );
  });

  test('with plain bytes', async () => {
    const bytes = await trainTokenizer([], { vocabSize: 256 });
    expect([bytes.vocabSize, bytes.bosId]).toEqual([260, 256]);
    expect(bytes.encode('hé')).toEqual([0x68, 0xc3, 0xa9]);
  });
});

describe('createTokenizer', () => {
  test('puts the four specials at the end, BOS first, with no bytes', () => {
    expect([tokenizer.vocabSize, tokenizer.bosId]).toEqual([1024, 1020]);
    expect([...tokenizer.tokenBytes.subarray(1020)]).toEqual([0, 0, 0, 0]);
    expect(tokenizer.decode([1020, 104, 105, 1023])).toBe('hi');
  });

  test('counts raw bytes of tokens, one for a lone byte of a character', () => {
    expect(tokenizer.tokenBytes[0xe2]).toBe(1);
    const ids = tokenizer.encode('漢字 — story');
    expect(ids.reduce((sum, id) => sum + tokenizer.tokenBytes[id]!, 0)).toBe(
      Buffer.byteLength('漢字 — story'),
    );
  });

  test('has a hash that depends on every rank', () => {
    expect(createTokenizer(ranks).hash).toBe(tokenizer.hash);
    expect(tokenizer.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(createTokenizer(ranks.slice(0, -1)).hash).not.toBe(tokenizer.hash);
  });

  test('decodes invalid UTF-8 to U+FFFD and refuses ids that do not exist', () => {
    expect(tokenizer.decode([0xe2, 0x61])).toBe('\ufffda');
    for (const id of [-1, 1024, 1.5])
      expect(() => tokenizer.decode([97, id])).toThrow(`from 0 to 1023, got ${id} at position 1`);
  });

  test('refuses ranks that are not byte-level BPE', () => {
    const bytes = ranks.slice(0, 256);
    const token = (text: string) => new Uint8Array(Buffer.from(text));
    expect(() => createTokenizer(bytes.slice(1))).toThrow('byte 0 is missing');
    expect(() => createTokenizer([...bytes, token('a')])).toThrow('got byte 97 again at rank 256');
    expect(() => createTokenizer([...bytes, token('')])).toThrow('got an empty one at rank 256');
    expect(() => createTokenizer([...bytes, token('ab'), token('ab')])).toThrow(
      'the bytes of rank 256 of the ranks again',
    );
  });
});

describe('createStreamDecoder', () => {
  test('emits whole characters, and the same text in all', () => {
    const random = randomStream(5, 'stream');
    for (let round = 0; round < 50; round++) {
      const text = randomText(random).replaceAll('\ufffd', '');
      const decoder = createStreamDecoder(tokenizer);
      const pieces = tokenizer.encode(text).map((id) => decoder.push(id));
      expect(pieces.some((piece) => piece.includes('\ufffd'))).toBe(false);
      expect(pieces.join('') + decoder.end()).toBe(text);
    }
  });

  test('waits for the last byte, and marks an unfinished character at the end', () => {
    const decoder = createStreamDecoder(tokenizer);
    expect([0xf0, 0x9f, 0x98].map((id) => decoder.push(id)).join('')).toBe('');
    expect(decoder.push(0x80)).toBe('😀');
    expect(decoder.push(0xe2)).toBe('');
    expect(decoder.end()).toBe('\ufffd');
  });
});
