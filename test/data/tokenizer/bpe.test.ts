import { readFileSync } from 'node:fs';
import { describe, expect, jest, test } from '@jest/globals';
import type { OnProgress } from '../../../src/base/progress.js';
import { randomStream } from '../../../src/base/random.js';
import { createChunkCounter, learnRanks, type Ranks } from '../../../src/data/tokenizer/bpe.js';
import { formatTiktoken } from '../../../src/data/tokenizer/tiktoken.js';
import { tokenizerRanks } from '../../../src/data/tokenizer/tokenizer.js';
import { type TrainTokenizerOptions, trainTokenizer } from '../../../src/data/tokenizer/train.js';
import { splitText } from './splitText.js';

const golden = new URL('../../../../test/golden/tokenizer/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, golden), 'utf8');

const train = async (
  documents: string[],
  vocabSize: number,
  options: TrainTokenizerOptions = {},
): Promise<Ranks> => tokenizerRanks(await trainTokenizer([documents], { vocabSize, threads: 1, ...options }));

/** The definition, without any of the trainer's bookkeeping: recount all pairs before each merge. */
function trainPlainly(documents: string[], merges: number): string[] {
  let words = documents.flatMap(splitText).map((chunk) => [...Buffer.from(chunk)]);
  const tokens: string[] = Array.from({ length: 256 }, (_, byte) => Buffer.of(byte).toString('hex'));
  while (tokens.length < 256 + merges) {
    const counts = new Map<number, number>();
    for (const word of words)
      for (let i = 0; i + 1 < word.length; i++) {
        const key = word[i]! * 65536 + word[i + 1]!;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    let best = -1;
    for (const [key, count] of counts) {
      const most = counts.get(best) ?? 0;
      if (count > most || (count === most && key < best)) best = key;
    }
    if (best < 0) break;
    const [left, right] = [Math.floor(best / 65536), best % 65536];
    words = words.map((word) => {
      const out: number[] = [];
      for (let i = 0; i < word.length; i++) {
        if (word[i] === left && word[i + 1] === right) {
          out.push(tokens.length);
          i++;
        } else out.push(word[i]!);
      }
      return out;
    });
    tokens.push(tokens[left]! + tokens[right]!);
  }
  return tokens;
}

const hex = (ranks: Ranks) => ranks.map((token) => Buffer.from(token).toString('hex'));

describe('trained ranks', () => {
  test('are the merges that rustbpe learns', async () => {
    const documents = JSON.parse(read('documents.json')) as string[];
    expect(formatTiktoken(await train(documents, 1024))).toBe(read('ranks.tiktoken'));
  });

  test('break ties and count repeats like rustbpe until no pair remains; then the largest possible vocabulary is reported', async () => {
    const cases = JSON.parse(read('exhausted.json')) as { documents: string[]; tokens: string[] }[];
    for (const { documents, tokens } of cases) {
      const largest = 260 + tokens.length;
      expect(hex(await train(documents, largest)).slice(256)).toEqual(tokens);
      const message =
        documents.length === 0 ? /got none; check/ : new RegExp(`got text for ${largest} tokens`);
      await expect(train(documents, largest + 1)).rejects.toThrow(message);
    }
  });

  test('equal plain recounting on random text', async () => {
    const random = randomStream(1, 'bpe');
    for (let round = 0; round < 30; round++) {
      const letters = ['ab', 'ab c', 'aaaab\n', 'abcdefgh ', 'é漢 x1'][round % 5]!;
      const characters = Array.from(letters);
      const documents = Array.from({ length: 6 }, () =>
        Array.from({ length: random.int(80) }, () => characters[random.int(characters.length)]).join(''),
      );
      const plain = trainPlainly(documents, 40);
      expect(hex(await train(documents, plain.length + 4))).toEqual(plain);
    }
  });

  test('do not depend on how documents are grouped or ordered', async () => {
    const documents = JSON.parse(read('documents.json')) as string[];
    const groups = [...documents].reverse().map((document) => [document]);
    const { hash } = await trainTokenizer(groups, { vocabSize: 600, threads: 1 });
    expect(hash).toBe((await trainTokenizer([documents], { vocabSize: 600, threads: 1 })).hash);
  });

  test('are plain bytes for 256 and 260, even without text', async () => {
    for (const vocabSize of [256, 260]) expect(hex(await train([], vocabSize))).toEqual(trainPlainly([], 0));
  });

  test.each([0, 255, 257, 259, 300.5, 65_537, Number.NaN])('refuse a vocabulary of %d', async (vocabSize) => {
    await expect(train([], vocabSize)).rejects.toThrow(
      `Expected a vocabulary of 256 (plain bytes) or 260 to 65536 tokens (256 bytes, merges and 4 specials), ` +
        `got ${vocabSize}; set --vocab-size`,
    );
  });

  test('use docCap characters of a document, a surrogate pair being one', async () => {
    const documents = ['😀😀xyyyyyyyyyyyyyy', 'x', 'x'];
    expect(hex(await train(documents, 261, { docCap: 3 }))[256]).toBe('9880'); // of f0 9f 98 80, twice each; y was cut away
  });

  test('come from text up to the document that reaches maxChars', async () => {
    let read = 0;
    function* groups() {
      for (const group of [['ab', '😀😀😀'], ['zzzzzzzzzzzz'], ['zzzz']]) {
        read++;
        yield group;
      }
    }
    const tokenizer = await trainTokenizer(groups(), { vocabSize: 261, maxChars: 5, threads: 1 });
    expect(hex(tokenizerRanks(tokenizer))[256]).toBe('9880');
    expect(read).toBe(2);
    await expect(train(['a'], 261, { maxChars: 0 })).rejects.toThrow(
      'Expected maxChars to be at least 1, got 0',
    );
  });

  test('are learned with a pause every 64 merges, for progress', async () => {
    const documents = JSON.parse(read('documents.json')) as string[];
    const counter = createChunkCounter();
    for (const document of documents) {
      const bytes = Buffer.from(document);
      counter.count(bytes, 0, bytes.length);
    }
    expect([...learnRanks(counter.result(), 600)]).toEqual([64, 128, 192, 256, 320]);

    let time = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => (time += 1000)); // every pause is due
    const seen: Parameters<OnProgress>[0][] = [];
    await train(documents, 600, { onProgress: (progress) => seen.push(progress) });
    clock.mockRestore();
    const bytes = Buffer.byteLength(documents.join(''));
    expect(seen.filter(({ stage }) => stage === 'count chunks').at(-1)).toEqual({
      stage: 'count chunks',
      done: bytes,
      unit: 'bytes',
    });
    expect(seen.filter(({ stage }) => stage === 'learn merges')).toEqual(
      [64, 128, 192, 256, 320].map((done) => ({ stage: 'learn merges', done, total: 340, unit: 'merges' })),
    );
  });
});
