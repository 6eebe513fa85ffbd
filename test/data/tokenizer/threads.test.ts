import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../../src/base/random.js';
import { createEncoderPool, type EncodedTexts } from '../../../src/data/tokenizer/pool.js';
import { parseTiktoken } from '../../../src/data/tokenizer/tiktoken.js';
import { createTokenizer } from '../../../src/data/tokenizer/tokenizer.js';
import { trainTokenizer } from '../../../src/data/tokenizer/train.js';

const golden = new URL('../../../../test/golden/tokenizer/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, golden), 'utf8');
const documents = JSON.parse(read('documents.json')) as string[];
const tokenizer = createTokenizer(parseTiktoken(read('ranks.tiktoken'), 'ranks.tiktoken').ranks);

/** About 5 MB in groups: enough that training starts its workers. */
function* groups(): Generator<string[]> {
  const random = randomStream(1, 'threads');
  for (let group = 0; group < 11; group++)
    yield Array.from({ length: 130 }, () => {
      const parts = Array.from({ length: 10 }, () => documents[random.int(documents.length)]!);
      return parts.join(String.fromCharCode(97 + random.int(26), 97 + random.int(26)));
    });
}

function expectSame(encoded: EncodedTexts, texts: string[]): void {
  expect(encoded.offsets).toHaveLength(texts.length + 1);
  texts.forEach((text, i) => {
    const ids = encoded.ids.subarray(encoded.offsets[i], encoded.offsets[i + 1]);
    const expected = tokenizer.encode(text);
    expect(ids).toHaveLength(expected.length);
    expect(expected.every((id, at) => ids[at] === id)).toBe(true);
  });
}

describe('trainTokenizer', () => {
  test('gives the same tokenizer for any number of threads', async () => {
    let bytes = 0;
    for (const group of groups()) bytes += group.join('').length;
    expect(bytes).toBeGreaterThan(4.5 * 2 ** 20);
    const [stages, hashes] = [new Set<string>(), new Set<string>()];
    for (const threads of [1, 2, 3]) {
      const onProgress = ({ stage }: { stage: string }) => stages.add(stage);
      const trained = await trainTokenizer(groups(), { vocabSize: 1000, threads, onProgress });
      hashes.add(trained.hash);
    }
    expect(hashes.size).toBe(1);
    expect(stages).toContain('count chunks');
  });

  test('respects maxChars with threads', async () => {
    const options = { vocabSize: 500, maxChars: 4_400_000 };
    const hashes = [1, 2].map(
      async (threads) => (await trainTokenizer(groups(), { ...options, threads })).hash,
    );
    const [one, two] = await Promise.all(hashes);
    expect(two).toBe(one);
  });

  test('stops when the signal is aborted, with workers running', async () => {
    const control = new AbortController();
    const reason = new Error('stopped by the test');
    const onProgress = ({ done }: { done: number }) => {
      if (done > 4.3 * 2 ** 20) control.abort(reason);
    };
    const options = { vocabSize: 1000, threads: 2, onProgress, signal: control.signal };
    await expect(trainTokenizer(groups(), options)).rejects.toBe(reason);
  });

  test('propagates an error from the source', async () => {
    async function* broken(): AsyncGenerator<string[]> {
      yield ['text'];
      throw new Error('disk gone');
    }
    await expect(trainTokenizer(broken(), { vocabSize: 261 })).rejects.toThrow('disk gone');
  });

  test('refuses impossible settings and text that supports too little', async () => {
    await expect(trainTokenizer([], { vocabSize: 10 })).rejects.toThrow('got 10; set --vocab-size');
    await expect(trainTokenizer([], { threads: 0 })).rejects.toThrow('above 0, got 0; set --threads');
    await expect(trainTokenizer([['', '']], {})).rejects.toThrow('vocabulary of 8192, got none');
    await expect(trainTokenizer([['abab']], {})).rejects.toThrow(
      'got text for 262 tokens; lower --vocab-size',
    );
  });
});

describe('createEncoderPool', () => {
  test.each([1, 2])('encodes as the tokenizer does, in order, with %d threads', async (threads) => {
    const pool = createEncoderPool(tokenizer, threads);
    try {
      const odd = ['', 'a\ud800', '漢字', documents.join('\n'), ''];
      const calls = [documents, odd, [], [...documents].reverse()];
      const results = await Promise.all(calls.map((texts) => pool.encode(texts)));
      for (const [i, texts] of calls.entries()) expectSame(results[i]!, texts);
      expect(results[0]!.ids).toBeInstanceOf(Uint16Array);
    } finally {
      await pool.close();
    }
  });

  test('divides a large call over its threads and joins it in order', async () => {
    const pool = createEncoderPool(tokenizer, 2);
    try {
      const texts = [...groups()].slice(0, 2).flat();
      expectSame(await pool.encode(texts), texts);
    } finally {
      await pool.close();
    }
  });

  test.each([1, 2])('rejects calls after closing, with %d threads', async (threads) => {
    const pool = createEncoderPool(tokenizer, threads);
    await pool.close();
    await expect(pool.encode(['x'])).rejects.toThrow('have been closed');
    expect(() => createEncoderPool(tokenizer, 1.5)).toThrow(
      'Expected threads to be a whole number above 0, got 1.5',
    );
  });
});
