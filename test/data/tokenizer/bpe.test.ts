import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../../src/base/random.js';
import { createBpeTrainer, type Ranks } from '../../../src/data/tokenizer/bpe.js';
import { formatTiktoken } from '../../../src/data/tokenizer/tiktoken.js';
import { splitText } from './splitText.js';

const golden = new URL('../../../../test/golden/tokenizer/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, golden), 'utf8');

function train(documents: string[], vocabSize: number): Ranks {
  const trainer = createBpeTrainer({ vocabSize });
  trainer.add(documents);
  return trainer.finish();
}

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

describe('createBpeTrainer', () => {
  test('learns the merges that rustbpe learns', () => {
    const documents = JSON.parse(read('documents.json')) as string[];
    expect(formatTiktoken(train(documents, 1024))).toBe(read('ranks.tiktoken'));
  });

  test('breaks ties and counts repeats like rustbpe until no pair remains, then reports the largest possible vocabulary', () => {
    const cases = JSON.parse(read('exhausted.json')) as { documents: string[]; tokens: string[] }[];
    for (const { documents, tokens } of cases) {
      const largest = 260 + tokens.length;
      expect(hex(train(documents, largest)).slice(256)).toEqual(tokens);
      const trainer = createBpeTrainer({ vocabSize: largest + 1 });
      trainer.add(documents);
      const message =
        documents.length === 0 ? /got none; check/ : new RegExp(`got text for ${largest} tokens`);
      expect(() => trainer.finish()).toThrow(message);
    }
  });

  test('equals plain recounting on random text', () => {
    const random = randomStream(1, 'bpe');
    for (let round = 0; round < 30; round++) {
      const letters = ['ab', 'ab c', 'aaaab\n', 'abcdefgh ', 'é漢 x1'][round % 5]!;
      const characters = Array.from(letters);
      const documents = Array.from({ length: 6 }, () =>
        Array.from({ length: random.int(80) }, () => characters[random.int(characters.length)]).join(''),
      );
      const plain = trainPlainly(documents, 40);
      expect(hex(train(documents, plain.length + 4))).toEqual(plain);
    }
  });

  test('does not depend on how documents are grouped or ordered', () => {
    const documents = JSON.parse(read('documents.json')) as string[];
    const trainer = createBpeTrainer({ vocabSize: 600 });
    for (const document of [...documents].reverse()) trainer.add([document]);
    expect(hex(trainer.finish())).toEqual(hex(train(documents, 600)));
  });

  test('takes 256 and 260 as plain bytes, even without text', () => {
    for (const vocabSize of [256, 260]) expect(hex(train([], vocabSize))).toEqual(trainPlainly([], 0));
  });

  test.each([0, 255, 257, 259, 300.5, 65_537, Number.NaN])('refuses a vocabulary of %d', (vocabSize) => {
    expect(() => createBpeTrainer({ vocabSize })).toThrow(
      `Expected a vocabulary of 256 (plain bytes) or 260 to 65536 tokens (256 bytes, merges and 4 specials), ` +
        `got ${vocabSize}; set --vocab-size`,
    );
  });

  test('uses docCap characters of a document, a surrogate pair being one', () => {
    const capped = createBpeTrainer({ vocabSize: 261, docCap: 3 });
    capped.add(['😀😀xyyyyyyyyyyyyyy', 'x', 'x']);
    expect(hex(capped.finish())[256]).toBe('9880'); // of f0 9f 98 80, twice each; y was cut away
  });

  test('stops after the document that reaches maxChars', () => {
    const trainer = createBpeTrainer({ vocabSize: 261, maxChars: 5 });
    expect(trainer.add(['ab', '😀😀😀'])).toBe(true);
    expect(trainer.add(['zzzzzzzzzzzz'])).toBe(false);
    expect(hex(trainer.finish())[256]).toBe('9880');
    expect(() => createBpeTrainer({ maxChars: 0 })).toThrow('Expected maxChars to be at least 1, got 0');
  });

  test('reports progress towards the merges', () => {
    const documents = JSON.parse(read('documents.json')) as string[];
    const trainer = createBpeTrainer({ vocabSize: 600 });
    trainer.add(documents);
    const seen: number[] = [];
    trainer.finish(({ done, total, unit }) => {
      expect([total, unit]).toEqual([340, 'merges']);
      seen.push(done);
    });
    expect(seen).toEqual([64, 128, 192, 256, 320]);
  });
});
